"""Data sets in memory: uint8 images and labels 0..k-1, by tensorflow-datasets or embedded in scikit-learn."""

import importlib.util
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8

from asal_jax.errors import InputError
from asal_jax.types import Data, Splits

TEST_FRACTION = 0.2
"""Share held out as a test set where a data set comes without one."""


def split(data: Data, class_names: tuple[str, ...] | None = None) -> Splits:
  """A fixed split of arrays into pool and test set (TEST_FRACTION, shuffled once by NumPy's generator 0)."""
  check_data("data", data)
  order = np.random.default_rng(0).permutation(len(data.images))
  test = math.ceil(len(order) * TEST_FRACTION)
  names = class_names or tuple(str(k) for k in range(int(data.labels.max()) + 1))
  take = lambda rows: Data(data.images[rows], data.labels[rows])  # noqa: E731
  return Splits(pool=take(np.sort(order[test:])), test=take(np.sort(order[:test])), class_names=names)


def check_data(name: str, data: Data, classes: int | None = None) -> None:
  """Raises InputError unless `data` is as `Data` describes, with labels below `classes` where it is given."""
  images, labels = np.asarray(data.images), np.asarray(data.labels)
  if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
    raise InputError(
      f"{name}.images: found {images.dtype} {list(images.shape)}; needed is uint8 [n, h, w, c]"
    )
  if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0:
    raise InputError(
      f"{name}.labels: found {labels.dtype} {list(labels.shape)}; needed are {len(images)} integers from 0"
    )
  if classes is not None and labels.max() >= classes:
    raise InputError(f"{name}.labels: found label {labels.max()}; there are names for {classes} classes")


def load_digits() -> Splits:
  """The 1,797 handwritten 8x8 digits that ship inside scikit-learn, 1,437 in the pool and 360 in the test set."""
  from sklearn.datasets import load_digits as load

  digits: Any = load()
  images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
  return split(Data(images, digits.target.astype(np.int32)))


def read_tfds(name: str, parts: tuple[str, ...]) -> list[Data]:
  """Reads splits of a TFDS data set from `TFDS_DATA_DIR`; prepares it there once, which needs TensorFlow."""
  import tensorflow_datasets as tfds

  folder = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
  try:
    builder: Any = tfds.builder(name, data_dir=folder, file_format="array_record")
    if not builder.is_prepared():
      if importlib.util.find_spec("tensorflow") is None:
        raise InputError(
          f"data.name: '{name}' is not prepared in {folder}, and preparing it needs TensorFlow: set TFDS_DATA_DIR "
          "to a folder that holds it as array_record, or pip install tensorflow-cpu and start again"
        )
      builder.download_and_prepare()
    return [_in_memory(builder.as_data_source(part)) for part in parts]
  except InputError:
    raise
  except Exception as error:
    reason = str(error).strip().split("\n")[0]
    raise InputError(
      f"data.name: tensorflow-datasets can not read or prepare '{name}' as array_record in {folder} ({reason}); "
      "set TFDS_DATA_DIR to a folder that holds it, or remove what is broken there"
    ) from error


def _in_memory(source: Any) -> Data:
  """All records of a TFDS data source."""
  records = source.__getitems__(range(len(source)))
  images = np.stack([record["image"] for record in records])
  return Data(images, np.array([record["label"] for record in records], np.int32))


def load_mnist() -> Splits:
  """MNIST (LeCun, Cortes, Burges) as 50,000 pool, 10,000 validation and 10,000 test images of 28x28."""
  train, test = read_tfds("mnist", ("train", "test"))
  names = tuple(str(k) for k in range(10))
  pool, validation = (
    Data(train.images[rows], train.labels[rows]) for rows in (slice(50_000), slice(50_000, None))
  )
  return Splits(pool, test, names, validation)


class DataSet(NamedTuple):
  """How a data set is loaded, and what is known of it beforehand."""

  load: Callable[[], Splits]
  classes: int
  pool: int
  image_shape: tuple[int, int, int]


DATA_SETS = {
  "digits": DataSet(load_digits, 10, 1_437, (8, 8, 1)),
  "mnist": DataSet(load_mnist, 10, 50_000, (28, 28, 1)),
}


def keep_classes(splits: Splits, classes: tuple[int, ...]) -> Splits:
  """Only the samples of `classes`, relabelled 0.. in the order given; all of them where it is empty."""
  if not classes:
    return splits

  def keep(data: Data) -> Data:
    relabel = np.full(len(splits.class_names), -1, np.int32)
    relabel[list(classes)] = np.arange(len(classes))
    labels: Int32[np.ndarray, " n"] = relabel[data.labels]
    images: UInt8[np.ndarray, "n h w c"] = data.images[labels >= 0]
    return Data(images, labels[labels >= 0])

  validation = None if splits.validation is None else keep(splits.validation)
  names = tuple(splits.class_names[k] for k in classes)
  return Splits(keep(splits.pool), keep(splits.test), names, validation)


def load(name: str, classes: tuple[int, ...]) -> Splits:
  """The data set `name` of DATA_SETS, restricted to `classes` (original labels; empty: all)."""
  return keep_classes(DATA_SETS[name].load(), tuple(classes))
