"""USPS (Hull 1994) as a transfer test set: handwritten 16x16 digits brought to MNIST's 28x28."""

import io
import pathlib
import zipfile
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from asal_jax.errors import InputError
from asal_jax.types import Data

OPENML_ID = 41082
TRAIN = 7_291
TEST_COUNTS = (359, 264, 198, 166, 200, 160, 170, 147, 166, 177)
"""Images of each digit in the official test split of 2,007."""

MOST_BYTES = 2 * 8 * sum(TEST_COUNTS) * 16 * 16
"""Of an array of the file: twice what the split takes as int64."""

Digits = tuple[Float32[np.ndarray, "n 16 16"], Any]


def load_usps_test(file: str = "") -> Data:
  """The official test split of USPS: images uint8 [2007, 28, 28, 1] as `enlarge` makes them, labels the digits.

  Args:
    file: an .npz with `mills_test`, integers [2007, 16, 16], 1000 x the values in [-1, 1] (black to white), and
      `y_test`, integers [2007]. Where it is '', the set is fetched from openml.org by scikit-learn, which keeps it.

  Raises:
    InputError: the file or openml.org can not be read, or what they hold is not that split.
  """
  images, labels = _read_file(pathlib.Path(file)) if file else _fetch()
  field = "data.usps_file" if file else "data.test_set"
  if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or np.any((labels < 0) | (labels > 9)):
    raise InputError(f"{field}: found labels {labels.dtype} {list(labels.shape)}; needed is a digit an image")
  counts = tuple(np.bincount(labels, minlength=10).tolist())
  if counts != TEST_COUNTS:
    raise InputError(
      f"{field}: found {counts} images of the digits; the test split of USPS has {TEST_COUNTS}"
      + ("" if file else "; set data.usps_file to a file that holds it")
    )
  if np.abs(images).max() > 1:
    raise InputError(f"{field}: found values up to {np.abs(images).max()}; needed are values in [-1, 1]")
  return Data(enlarge(images), labels.astype(np.int32))


def _read_file(path: pathlib.Path) -> Digits:
  needed = "needed is an .npz with mills_test, integers [2007, 16, 16], 1000 x the values, and y_test"
  try:
    with zipfile.ZipFile(path) as file:
      images, labels = (_array(file, name) for name in ("mills_test", "y_test"))
  except Exception as error:  # At a broken file zipfile, zlib and numpy raise anything.
    reason = str(error).strip() or type(error).__name__
    raise InputError(f"data.usps_file: can not read {path} ({reason:.200}); {needed}") from error
  if images.dtype.kind != "i" or images.shape[1:] != (16, 16):
    raise InputError(f"data.usps_file: found mills_test {images.dtype} {list(images.shape)}; {needed}")
  return (images / 1000).astype(np.float32), labels


def _array(file: zipfile.ZipFile, name: str) -> np.ndarray:
  """An array of an .npz; nothing is unpickled, and no more is unpacked than MOST_BYTES."""
  entry = file.getinfo(f"{name}.npy")
  if entry.file_size > MOST_BYTES:
    raise ValueError(f"{name} unpacks to {entry.file_size:,} bytes, more than {MOST_BYTES:,}")
  return np.lib.format.read_array(io.BytesIO(file.read(entry)), allow_pickle=False)


def _fetch() -> Digits:
  """The test split from openml.org: rows of 256 values in [-1, 1], training rows first, label k is digit k - 1."""
  from sklearn.datasets import fetch_openml

  try:
    # The default parser needs pandas.
    images, labels = fetch_openml(data_id=OPENML_ID, as_frame=False, return_X_y=True, parser="liac-arff")
    images = np.asarray(images, np.float32)[TRAIN:].reshape(-1, 16, 16)
    return images, np.asarray(labels).astype(np.int32)[TRAIN:] - 1
  except Exception as error:
    reason = str(error).strip().split("\n")[0]
    raise InputError(
      f"data.test_set: scikit-learn can not fetch USPS from openml.org ({reason}); set data.usps_file to an .npz "
      "that holds it"
    ) from error


def enlarge(images: Float32[np.ndarray, "n 16 16"]) -> UInt8[np.ndarray, "n 28 28 1"]:
  """Values in [-1, 1] to bytes of MNIST's size, as the paper prepares them.

  Three pixels of black on each side (22x22), up-sampled to 30x30 (Pillow's bilinear filter), the central 28x28.
  """
  bytes_ = (images + 1) * 127.5
  padded = np.pad(bytes_, ((0, 0), (3, 3), (3, 3)))
  large = [np.asarray(Image.fromarray(image).resize((30, 30), Image.Resampling.BILINEAR)) for image in padded]
  return np.round(np.stack(large)[:, 1:-1, 1:-1, None]).clip(0, 255).astype(np.uint8)
