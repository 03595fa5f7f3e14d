"""USPS at MNIST's size, from a file or from openml.org."""

import os
import urllib.error

import numpy as np
import pytest
import scipy.ndimage
import sklearn.datasets
import tiny

from asal_jax import Data, InputError, Splits, job
from asal_jax.pools import data
from asal_jax.pools.usps import enlarge, load_usps_test

# Images of each digit in zip.test and zip.train (Hastie et al., The Elements of Statistical Learning).
TEST = [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
TRAIN = 7_291


@pytest.fixture(scope="module")
def digits():
  """Made up: thousandths int16[2007, 16, 16] and shuffled labels with the published counts."""
  rng = np.random.default_rng(0)
  labels = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), TEST))
  return rng.integers(-1000, 1001, (2_007, 16, 16)).astype(np.int16), labels


@pytest.fixture
def npz(tmp_path, digits):
  path = tmp_path / "usps.npz"
  np.savez(path, mills_test=digits[0], y_test=digits[1])
  return str(path)


def expected(image):
  """f32[16, 16] in [-1, 1] to gray levels f64[28, 28]: pad, interpolate between pixel centres, crop."""
  padded = np.zeros((22, 22))
  padded[3:19, 3:19] = (image + 1) / 2 * 255
  centres = (np.arange(30) + 0.5) * 22 / 30 - 0.5
  rows, columns = np.meshgrid(centres, centres, indexing="ij")
  return scipy.ndimage.map_coordinates(padded, [rows, columns], order=1, mode="nearest")[1:29, 1:29]


def test_enlarge_a_known_image():
  rng = np.random.default_rng(0)
  gradient = np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)
  images = np.stack([gradient, rng.uniform(-1, 1, (16, 16)).astype(np.float32)])
  found = enlarge(images)
  assert found.shape == (2, 28, 28, 1)
  for image, large in zip(images, found, strict=True):
    assert np.abs(large[..., 0] - expected(image)).max() <= 0.51


def test_black_stays_black_and_white_white():
  black, white = enlarge(np.stack([np.full((16, 16), v, np.float32) for v in (-1, 1)]))
  assert black.max() == 0
  assert white[4:24, 4:24].min() == 255
  # 16 of 22 pixels of 30, less the crop: 3 black columns at the left, before the edge blurs.
  assert white[:, :2].max() == 0


def test_a_file(npz, digits):
  loaded = load_usps_test(npz)
  data.check_data("usps", loaded)
  assert loaded.images.shape == (2_007, 28, 28, 1)
  np.testing.assert_array_equal(loaded.labels, digits[1])
  for i in (0, 1_000, 2_006):
    assert np.abs(loaded.images[i, ..., 0] - expected(digits[0][i] / 1000)).max() <= 0.51


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda x, y: {"mills_test": x}, "can not read .*y_test"),
    (lambda x, y: {"mills_test": x[:, :8], "y_test": y}, r"found mills_test int16 \[2007, 8, 16\]; needed"),
    (
      lambda x, y: {"mills_test": x / 1000, "y_test": y},
      r"found mills_test float64 \[2007, 16, 16\]; needed",
    ),
    (lambda x, y: {"mills_test": x, "y_test": y[:-1]}, r"found labels uint8 \[2006\]; needed"),
    (lambda x, y: {"mills_test": x, "y_test": y + 1}, r"found labels uint8 \[2007\]; needed is a digit"),
    (
      lambda x, y: {"mills_test": x, "y_test": (y + 1) % 10},
      r"found \(177, 359, .*; the test split of USPS has",
    ),
    (lambda x, y: {"mills_test": x * 2, "y_test": y}, r"found values up to 2\.0; needed are values in"),
  ],
)
def test_a_file_of_another_form(tmp_path, digits, change, message):
  path = tmp_path / "usps.npz"
  np.savez(path, **change(*digits))
  with pytest.raises(InputError, match=f"^data.usps_file: {message}") as error:
    load_usps_test(str(path))
  assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 not a zip", b"\x93NUMPY"])
def test_a_file_that_can_not_be_read(tmp_path, content):
  path = tmp_path / "usps.npz"
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(InputError, match=r"^data.usps_file: can not read .*usps\.npz .*needed is an \.npz"):
    load_usps_test(str(path))


def fake_openml(monkeypatch, answer):
  """Puts `answer` in place of scikit-learn's download, which needs the real one's options."""

  def fetch_openml(*, data_id, as_frame, return_X_y, parser):
    assert (data_id, as_frame, return_X_y, parser) == (41082, False, True, "liac-arff")
    return answer()

  monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)


def test_openml(monkeypatch, npz, digits):
  # Its rows: 7,291 of the training split, then the test split; values in [-1, 1]; label '1' is the digit 0.
  values = np.concatenate([np.zeros((TRAIN, 256)), digits[0].reshape(-1, 256) / 1000])
  names = np.array(["3"] * TRAIN + [str(digit + 1) for digit in digits[1]], dtype=object)
  fake_openml(monkeypatch, lambda: (values, names))
  fetched, read = load_usps_test(), load_usps_test(npz)
  np.testing.assert_array_equal(fetched.images, read.images)
  np.testing.assert_array_equal(fetched.labels, read.labels)
  # Rows in another order are not taken for the test split.
  fake_openml(monkeypatch, lambda: (values[::-1], names[::-1]))
  with pytest.raises(InputError, match=r"^data.test_set: found \(.*; set data.usps_file to a file"):
    load_usps_test()


def test_no_network(monkeypatch):
  def fail():
    raise urllib.error.URLError("Name or service not known")

  fake_openml(monkeypatch, fail)
  with pytest.raises(
    InputError, match=r"^data.test_set: .*not known.*; set data.usps_file to an \.npz"
  ) as error:
    load_usps_test()
  assert "\n" not in str(error.value)


def test_a_run_tests_on_the_same_classes(npz, digits, tmp_path):
  pool = Data(np.zeros((300, 28, 28, 1), np.uint8), (np.arange(300) % 10).astype(np.int32))
  splits = Splits(pool, pool, tuple("0123456789"), pool)
  settings = {"data.test_set": "usps", "data.usps_file": npz, "data.classes": (7, 5)}
  loaded = job.load(tiny.config(**settings), splits, tmp_path)
  assert loaded.class_names == ("7", "5")
  rows = np.isin(digits[1], (5, 7))
  np.testing.assert_array_equal(loaded.test.images, load_usps_test(npz).images[rows])
  np.testing.assert_array_equal(loaded.test.labels, digits[1][rows] == 5)
  assert [len(part.labels) for part in (loaded.pool, loaded.validation)] == [60, 60]


def test_it_is_for_digits_of_mnists_size(tmp_path):
  config = tiny.config(**{"data.test_set": "usps"})
  message = (
    r"^data.test_set: found 'usps'; it is for ten digits of 28x28x1, the data have 10 classes of 8x8x1"
  )
  with pytest.raises(InputError, match=message):
    job.check(config, "all", known=True)
  with pytest.raises(InputError, match=message):
    job.load(config, data.load("digits"), tmp_path)
  job.check(tiny.config(**{"data.test_set": "usps", "data.name": "mnist"}), "all", known=True)


def test_where_usps_lies_is_not_part_of_a_run(npz):
  here, there = (tiny.config(**{"data.usps_file": path}) for path in (npz, ""))
  assert job.describe(here, None) == job.describe(there, None)


def test_usps_looks_like_mnist(tfds_data_dir):
  if not os.environ.get("USPS_FILE"):
    pytest.skip("USPS_FILE is not set: it must name an .npz with the test split of USPS")
  usps, mnist = load_usps_test(os.environ["USPS_FILE"]), data.load("mnist").test
  means = np.stack([mnist.images[mnist.labels == k].mean(0).ravel() for k in range(10)])

  def accuracy(images):
    distances = ((images.reshape(len(images), 1, -1) - means) ** 2).sum(-1)
    return np.mean(distances.argmin(1) == usps.labels)

  # Nearest class means of MNIST know the digits, but not mirrored ones or their negatives.
  found = accuracy(usps.images)
  others = [
    usps.images.transpose(0, 2, 1, 3),
    usps.images[:, :, ::-1],
    usps.images[:, ::-1],
    255 - usps.images,
  ]
  assert found > 0.5 > max(accuracy(images) for images in others)
