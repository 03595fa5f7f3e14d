"""The exported classifier against the classifier, and its example's pictures against the pool's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from finished import settings
from jax import export
from PIL import Image

from asal_jax.models.classifier import make_classifier
from asal_jax.networks import layers
from asal_jax.pools.photos import read_photo
from asal_jax.reporting import classify
from asal_jax.reporting.exported import exported


def network(name, shape, classes):
  """A classifier with its first weights, and its probabilities in float32."""
  classifier = make_classifier(
    settings(**{"classifier.network": name}).classifier, shape, classes, (-1.0, 1.0)
  )

  def shares(params, images):
    logits = classifier.logits(params, jnp.asarray(images, jnp.float32) / 127.5 - 1)
    return jax.nn.softmax(jnp.concatenate([0 * logits, logits], axis=1) if classes == 2 else logits)

  return classifier, jax.jit(classifier.init)(jax.random.key(0)), jax.jit(shares)


@pytest.mark.parametrize(
  ("name", "shape", "classes", "native"),
  [
    ("linear", (8, 8, 1), 2, False),
    ("lenet5", (16, 16, 1), 3, False),
    ("all_cnn", (12, 12, 3), 3, True),
    ("celeba", (8, 8, 3), 2, True),
  ],
)
def test_the_exported_file_says_what_the_classifier_says(name, shape, classes, native, monkeypatch):
  """On this machine, whichever form of the convolutions it holds; it is lowered for accelerators too."""
  monkeypatch.setattr(layers, "_native", lambda: native)
  classifier, params, shares = network(name, shape, classes)
  loaded = export.deserialize(bytearray(exported(classifier, params, (-1.0, 1.0), shape)))
  assert loaded.platforms == ("cpu", "cuda", "tpu")
  (images,) = loaded.in_avals
  assert (str(images.shape[0]), images.shape[1:], images.dtype) == ("n", shape, np.uint8)
  images = np.random.default_rng(0).integers(0, 256, (5, *shape), np.uint8)
  found = np.asarray(loaded.call(images))
  assert found.dtype == np.float32
  np.testing.assert_allclose(found, shares(params, images), rtol=1e-3, atol=1e-5)
  assert found.shape == (5, classes)
  if name == "linear":
    np.testing.assert_allclose(loaded.call(images[:1]), found[:1], rtol=1e-5)


def test_the_exported_file_is_in_the_run_s_precision(native_convolutions):
  classifier, params, shares = network("lenet5", (16, 16, 3), 3)
  images = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
  said = {}
  for precision in ("float32", "bfloat16"):
    with jax.default_matmul_precision(precision):
      loaded = export.deserialize(bytearray(exported(classifier, params, (-1.0, 1.0), (16, 16, 3))))
      direct = shares(params, images)
    # Outside the context: what is in the file stays.
    said[precision] = np.asarray(loaded.call(images))
    np.testing.assert_allclose(said[precision], direct, atol=1e-5)
  assert np.abs(said["float32"] - said["bfloat16"]).max() > 1e-4


def test_the_example_prepares_photographs_as_the_pool_was(tmp_path):
  """Of the kinds that cameras and editors write; `read_photo` is what a folder is taken in by."""
  rng = np.random.default_rng(0)
  coarse = lambda *shape: np.kron(rng.integers(0, 256, shape, np.uint8), np.ones((20, 20, 1), np.uint8))  # noqa: E731
  turned = Image.Exif()
  turned[0x0112] = 6
  Image.fromarray(coarse(40, 50, 3)).save(tmp_path / "large.jpg", exif=turned)
  Image.fromarray(coarse(3, 4, 4)).save(tmp_path / "clear.png")
  Image.fromarray(coarse(3, 4, 1)[..., 0]).save(tmp_path / "grey.png")
  Image.fromarray(coarse(3, 4, 1)[..., 0].astype(np.uint16) * 200).save(tmp_path / "deep.png")
  Image.fromarray(coarse(3, 4, 3)).convert("P").save(tmp_path / "palette.gif", transparency=3)
  Image.fromarray(coarse(3, 4, 3)).convert("CMYK").save(tmp_path / "print.jpg")
  paths = sorted(tmp_path.iterdir())
  assert len(paths) == 6
  for path in paths:
    for fit in ("crop", "pad"):
      with Image.open(path) as image:
        found = classify.prepare(image, {"image_shape": (32, 32, 3), "fit": fit})
      difference = found.astype(int) - read_photo(path, 32, fit)
      assert np.abs(difference).max() <= 1, (path, fit)
