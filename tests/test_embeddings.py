"""Embeddings as a pool: standardised bytes, rows in any order, and what is none."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax.errors import InputError
from asal_jax.pools import embeddings
from asal_jax.pools.embeddings import RANGE, load_embeddings, open_embeddings
from asal_jax.types import decode

FILES = ("a.png", "b/c.png", "d.png", "e.png", "f.png")
RNG = np.random.default_rng(0)
VALUES = RNG.normal(3, 5, (5, 7))


@pytest.fixture
def path(tmp_path):
  np.save(tmp_path / "dino.npy", VALUES)
  return tmp_path / "dino.npy"


def loaded(path, files=FILES):
  return load_embeddings(str(path), files, path.parent / "cache")


def standardised(values):
  return np.clip((values - values.mean(0)) / np.maximum(values.std(0), 1e-12), *RANGE)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("block", [2, 8192])
def test_bytes_are_standard_deviations(path, dtype, block, monkeypatch):
  monkeypatch.setattr(embeddings, "BLOCK", block)
  np.save(path, VALUES.astype(dtype))
  found = loaded(path)
  assert (found.dtype, found.shape) == (np.uint8, (5, 1, 1, 7))
  assert isinstance(found, np.memmap)
  step = (RANGE[1] - RANGE[0]) / 255
  seen = np.asarray(decode(jnp.asarray(found), RANGE))[:, 0, 0]
  assert np.abs(seen - standardised(VALUES.astype(dtype).astype(float))).max() <= step / 2 + 1e-3


def test_what_is_far_off_is_cut_and_a_constant_is_nothing(path):
  values = np.random.default_rng(1).normal(size=(400, 3))
  values[7], values[:, 2] = 100, 5
  np.save(path, values)
  found = loaded(path, tuple(f"{i:03}.png" for i in range(400)))[:, 0, 0]
  assert found[7].tolist() == [255, 255, 128]
  assert set(found[:, 2]) == {128}


def test_a_csv_says_whose_rows_they_are(path):
  plain = np.array(loaded(path))
  order = np.array([3, 0, 4, 1, 2])
  np.save(path, np.vstack([VALUES[order], [VALUES[0]]]))
  lines = ["Row;File", *(f"{i};{FILES[k]}" for i, k in enumerate(order)), "9;broken.png"]
  path.with_suffix(".csv").write_text("\n".join(lines))
  np.testing.assert_array_equal(loaded(path), plain)


def test_the_csv_is_part_of_what_they_are(path):
  sheet, first = path.with_suffix(".csv"), np.array(loaded(path))
  sheet.write_text("file\n" + "\n".join(reversed(FILES)))
  np.testing.assert_array_equal(loaded(path), first[::-1])
  sheet.write_text("file\n" + "\n".join(FILES))
  np.testing.assert_array_equal(loaded(path), first)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    (
      None,
      "has 5 rows, there are 4 images; needed is one for each, in the order of the sorted paths, or beside it dino",
    ),
    ("name\n" + "x\n" * 5, "has the columns name; needed is file"),
    ("", r"has the columns \(none\); needed is file"),
    ("file\na.png\n", "names 1 files in 1 lines, dino.npy has 5 rows"),
    ("file\n" + "a.png\n" * 5, "names 1 files in 5 lines"),
    ("file\na.png\nb/c.png\nd.png\nx\ny\n", "no line has e.png; needed is a row for each image"),
  ],
)
def test_rows_that_do_not_fit_are_told(path, text, message):
  if text is not None:
    path.with_suffix(".csv").write_text(text)
  with pytest.raises(InputError, match=rf"^features.file: .*{message}"):
    loaded(path, FILES[:4])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_told(path, value):
  values = VALUES.copy()
  values[3, 2] = value
  np.save(path, values)
  with pytest.raises(InputError, match=r"dimension 2 holds NaN or infinity; needed are numbers"):
    loaded(path)


class Trap:
  """Runs code where it is unpickled."""

  def __reduce__(self):
    return (pytest.fail, ("it was unpickled",))


def zipped():
  file = io.BytesIO()
  np.savez(file, a=VALUES)
  return file.getvalue()


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda path: np.save(path, VALUES.astype(int)), r"holds int64 \[5, 7\]; needed is an .npy of floats"),
    (lambda path: np.save(path, VALUES[0]), r"holds float64 \[7\]"),
    (lambda path: np.save(path, np.zeros((0, 7))), r"holds float64 \[0, 7\]"),
    (lambda path: np.save(path, np.array([[Trap()]], object), allow_pickle=True), "can not read .*Python objects"),
    (lambda path: path.write_bytes(b"\x93NUMPY"), "can not read"),
    (lambda path: path.write_bytes(b""), "can not read"),
    (lambda path: path.write_bytes(b"0.1,0.2\n"), "can not read"),
    (lambda path: path.unlink(), "can not read"),
    (lambda path: path.write_bytes(zipped()), "can not read .*magic string"),
  ],
)  # fmt: skip
def test_what_is_no_array_of_floats_is_told(path, make, message):
  make(path)
  with pytest.raises(InputError, match=rf"^features.file: .*{message}") as error:
    open_embeddings(str(path))
  assert "\n" not in str(error.value)
