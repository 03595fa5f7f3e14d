"""Data sets: uint8 images and labels 0..k-1, by tensorflow-datasets, a folder or scikit-learn; parts of them."""

import math
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32
from ml_collections import ConfigDict

from asal_jax.errors import InputError
from asal_jax.pools.attributes import load_celeb_a
from asal_jax.pools.folder import expected, load_folder
from asal_jax.pools.jitter import JitteredPool
from asal_jax.pools.kinds import ArrayPool, take
from asal_jax.pools.records import open_splits
from asal_jax.pools.sources import read_tfds
from asal_jax.types import Data, Pool, Splits

TEST_FRACTION = 0.2
"""Share held out as a test set where a data set comes without one."""

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""Of the classes of CIFAR-10, in the order of their labels."""


def split(data: Data, class_names: tuple[str, ...] | None = None) -> Splits:
  """A fixed split of arrays into pool and test set (TEST_FRACTION, shuffled once by NumPy's generator 0)."""
  check_data("data", data)
  order = np.random.default_rng(0).permutation(len(data.images))
  test = math.ceil(len(order) * TEST_FRACTION)
  names = class_names or tuple(str(k) for k in range(int(data.labels.max()) + 1))
  return Splits(take(data, np.sort(order[test:])), read(take(data, np.sort(order[:test]))), names)


def read(data: Data) -> Data:
  """Data whose images are an array."""
  images = data.images
  return Data(np.asarray(images.block(0, len(images))), data.labels) if isinstance(images, Pool) else data


def image_shape(data: Data) -> tuple[int, int, int]:
  """Height, width and channels of an image."""
  return data.images.image_shape if isinstance(data.images, Pool) else data.images.shape[1:]


def open_pool(data: Data, virtual: int, flips: bool) -> Data:
  """Data with a `Pool` of their images; with `virtual` above 0 so many jittered ones, labelled as their originals."""
  pool: Pool = data.images if isinstance(data.images, Pool) else ArrayPool(np.asarray(data.images))
  if not virtual:
    return Data(pool, data.labels)
  return Data(
    JitteredPool(pool, virtual, seed=0, flips=flips), data.labels[np.arange(virtual) % len(data.labels)]
  )


def check_data(name: str, data: Data, classes: int | None = None) -> None:
  """Raises InputError unless `data` is as `Data` describes, with labels below `classes` where it is given.

  A `test` set may be empty: there is none.
  """
  images, labels = data.images, np.asarray(data.labels)
  if not isinstance(images, Pool):
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape[name == "test" :]:
      raise InputError(
        f"{name}.images: found {images.dtype} {list(images.shape)}; needed is uint8 [n, h, w, c] or a Pool"
      )
  if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or labels.min(initial=0) < -1:
    raise InputError(
      f"{name}.labels: found {labels.dtype} {list(labels.shape)}; needed are {len(images)} integers from 0, or -1 "
      "where a label is not known"
    )
  if classes is not None and labels.max(initial=-1) >= classes:
    raise InputError(f"{name}.labels: found label {labels.max()}; there are names for {classes} classes")


def load_digits() -> Splits:
  """The 1,797 handwritten 8x8 digits that ship inside scikit-learn, 1,437 in the pool and 360 in the test set."""
  from sklearn.datasets import load_digits as load

  digits: Any = load()
  images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
  return split(Data(images, digits.target.astype(np.int32)))


def load_mnist(cache: pathlib.Path | None = None, store: str = "decoded") -> Splits:
  """MNIST (LeCun, Cortes, Burges) as 50,000 pool, 10,000 validation and 10,000 test images of 28x28."""
  names = tuple(str(k) for k in range(10))
  if store == "records":
    return open_splits("mnist", ("train[:50000]", "test", "train[50000:]"), names, cache)
  train, test = read_tfds("mnist", ("train", "test"), cache)
  pool, validation = (
    Data(train.images[rows], train.labels[rows]) for rows in (slice(50_000), slice(50_000, None))
  )
  return Splits(pool, test, names, validation)


def load_cifar10(cache: pathlib.Path | None = None, store: str = "decoded") -> Splits:
  """CIFAR-10 (Krizhevsky 2009) as 50,000 pool and 10,000 test images of 32x32x3; classes (1, 7) are CIFAR two."""
  if store == "records":
    return open_splits("cifar10", ("train", "test"), CIFAR10_NAMES, cache)
  pool, test = read_tfds("cifar10", ("train", "test"), cache)
  return Splits(pool, test, CIFAR10_NAMES)


class DataSet(NamedTuple):
  """How a data set is loaded, what is known of it beforehand, and which settings of `load` its loader takes.

  `flips` tells whether an image mirrored left to right is still one of its class.
  """

  load: Callable[..., Splits]
  classes: int
  pool: int
  image_shape: tuple[int, int, int]
  takes: tuple[str, ...] = ()
  flips: bool = False


DATA_SETS = {
  "digits": DataSet(load_digits, 10, 1_437, (8, 8, 1)),
  "mnist": DataSet(load_mnist, 10, 50_000, (28, 28, 1), ("cache", "store")),
  "cifar10": DataSet(load_cifar10, 10, 50_000, (32, 32, 3), ("cache", "store"), flips=True),
  "celeb_a": DataSet(
    load_celeb_a, 2, 162_770, (64, 64, 3), ("attribute", "folder", "cache", "store"), flips=True
  ),
  # What a folder holds is known when it is read.
  "folder": DataSet(
    load_folder, 2, 0, (64, 64, 3),
    ("folder", "cache", "size", "fit", "class_names", "labels", "test_folder", "test_labels", "refresh",
     "features_file", "resident_gib"),
  ),
}  # fmt: skip


def known_of(config: ConfigDict) -> DataSet:
  """What is known of the data that a config names before they are read; a pool of 0 is of a size that is not."""
  data_set, section = DATA_SETS[config.data.name], config.data
  if section.name == "folder":
    classes, shape = expected(section.class_names, section.size, config.features.file)
    return data_set._replace(classes=classes, image_shape=shape)
  return data_set._replace(pool=0) if section.folder else data_set


def load(name: str, classes: tuple[int, ...] = (), **settings: Any) -> Splits:
  """The data set `name` of DATA_SETS, restricted to `classes` (original labels; empty: all).

  Args:
    name: one of DATA_SETS.
    classes: as of `keep_classes`.
    settings: those that the data set takes: `cache`, a folder to keep decoded images in; `store`, 'decoded' or
      'records' (the pool is a `RecordPool`); for celeb_a and folder more, see `load_celeb_a` and `load_folder`.

  Raises:
    InputError: the data can not be read.
  """
  data_set = DATA_SETS[name]
  taken = {field: settings[field] for field in data_set.takes if field in settings}
  return keep_classes(data_set.load(**taken), tuple(classes))


def keep_classes(splits: Splits, classes: tuple[int, ...]) -> Splits:
  """Only the samples of `classes`, relabelled 0.. in the order given; all of them where it is empty."""
  if classes in ((), tuple(range(len(splits.class_names)))):
    return splits

  def keep(data: Data) -> Data:
    relabel = np.full(len(splits.class_names), -1, np.int32)
    relabel[list(classes)] = np.arange(len(classes))
    labels: Int32[np.ndarray, " n"] = relabel[data.labels]
    return take(data._replace(labels=labels), np.flatnonzero(labels >= 0))

  validation = None if splits.validation is None else keep(splits.validation)
  names = tuple(splits.class_names[k] for k in classes)
  return Splits(keep(splits.pool), keep(splits.test), names, validation)


def keep_fractions(splits: Splits, fractions: tuple[float, ...]) -> Splits:
  """A pool with only a share of each class, for experiments on rare classes; test and validation set stay.

  Which samples go is fixed (NumPy's generator 0), and those of a smaller share are among those of a larger one;
  the order of the rest is kept.

  Args:
    splits: the data.
    fractions: in (0, 1], one for each label; at least one sample of each class stays. Empty: all stay.
  """
  if not fractions:
    return splits
  generator, labels = np.random.default_rng(0), splits.pool.labels
  kept = []
  for label, fraction in enumerate(fractions):
    ids = generator.permutation(np.flatnonzero(labels == label))
    kept.append(ids[: max(1, round(fraction * len(ids)))])
  rows = np.sort(np.concatenate(kept))
  return splits._replace(pool=take(splits.pool, rows))
