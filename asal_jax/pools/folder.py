"""A folder of photographs as a data set: a pool whose labels are not known, or not all of them."""

import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from asal_jax.errors import InputError
from asal_jax.pools.embeddings import load_embeddings, open_embeddings
from asal_jax.pools.intake import Photos, take_in
from asal_jax.pools.kinds import MappedPool, SubsetPool, leave_on_disk, take
from asal_jax.pools.known import Known, known_labels, name_classes
from asal_jax.pools.listing import LABELS, SHOWN
from asal_jax.store.checkpoint import fingerprint
from asal_jax.store.progress import log
from asal_jax.types import Data, Splits


def load_folder(
  folder: str, cache: pathlib.Path, size: int = 64, fit: str = "crop", class_names: str = "", labels: str = "",
  test_folder: str = "", test_labels: int = 0, refresh: bool = False, features_file: str = "",
  resident_gib: float = 4.0,
) -> Splits:  # fmt: skip
  """Images of any size below `folder`, uint8 [n, size, size, 3], with the labels that are known, else -1.

  Args:
    folder: of the pool.
    cache: where decoded images are kept.
    size: side of the square that an image becomes.
    fit: 'crop' or 'pad', as of `read_photo`.
    class_names: 'cat,dog'; '': the sub-folders that hold images.
    labels: a CSV with columns file and label; '': labels.csv in the folder, where it is there.
    test_folder: of the test set, every image labelled by its own labels.csv or sub-folders; '': none.
    test_labels: so many random images without a known label leave the pool and are the test set.
    refresh: as of `take_in`.
    features_file: an .npy of embeddings, uint8 [n, 1, 1, d] in place of the pixels; '': none.
    resident_gib: a pool of more stays in its file.

  Raises:
    InputError: as `take_in`, `known_labels` and `load_embeddings`; a test image has no label, or too few can be drawn.
  """
  photos = take_in(folder, size, fit, cache, refresh)
  names = name_classes(class_names, photos.files)
  known = _known(photos, names, labels)
  images, made_of, pictures = photos.images, photos.fingerprint, None
  if features_file:
    images, pictures = load_embeddings(features_file, photos.files, cache), photos.images
    made_of += f" {fingerprint(images)}"
  drawn = np.zeros(len(images), bool) if test_folder else _draw(known, photos.files, test_labels)
  pool, files = leave_on_disk(Data(images, known.labels), resident_gib, f"folder {made_of}"), photos.files
  test, test_files, below = Data(images[drawn], known.labels[drawn]), _where(files, drawn), ""
  if drawn.any():
    pool, files = take(pool, np.flatnonzero(~drawn)), _where(files, ~drawn)
  if test_folder:
    tested = take_in(test_folder, size, fit, cache, refresh, "data.test_folder")
    _check_apart(photos, tested)
    test, test_files = Data(tested.images, _all_known(tested, names)), tested.files
    below, made_of = _below(tested, photos), f"{made_of} {tested.fingerprint}"
  _tell(names, pool, test)
  identity = _identity(made_of, files, test_files)
  shown = (None, None)
  if pictures is not None:
    shown = SubsetPool(MappedPool(pictures), np.flatnonzero(~drawn)), pictures[drawn]
  test_files = tuple(below + file for file in test_files)
  return Splits(pool, test, names, None, files, test_files, str(photos.folder), identity, *shown)


def _where(files: Sequence[str], chosen: Bool[np.ndarray, " n"]) -> tuple[str, ...]:
  return tuple(itertools.compress(files, chosen))


def expected(class_names: str, size: int, features_file: str) -> tuple[int, tuple[int, int, int]]:
  """(classes, image shape) as far as they are known before a folder is read: 2 where sub-folders name the classes."""
  classes = len(name_classes(class_names, ())) if class_names.strip() else 2
  return classes, (1, 1, open_embeddings(features_file).shape[1]) if features_file else (size, size, 3)


def _known(photos: Photos, names: tuple[str, ...], labels: str) -> Known:
  own = photos.folder / LABELS
  sheet = pathlib.Path(labels) if labels else own if own.exists() else None
  return known_labels(photos.files, names, sheet, photos.skipped)


def _all_known(tested: Photos, names: tuple[str, ...]) -> Int[np.ndarray, " n"]:
  """The labels of a test folder, each of which must be known."""
  labels = _known(tested, names, "").labels
  missing = [file for file, label in zip(tested.files, labels, strict=True) if label < 0]
  if missing:
    raise InputError(
      f"data.test_folder: {len(missing):,} of {len(labels):,} images in {tested.folder} have no label "
      f"({', '.join(missing[:SHOWN])}); needed is one for each, in {tested.folder / LABELS} with columns file "
      f"and label, or by sub-folders {', '.join(names)}"
    )
  return labels


def _draw(known: Known, files: Sequence[str], count: int) -> Bool[np.ndarray, " n"]:
  """Which images are the test set: those that an earlier run had labelled for it, and random ones without a label."""
  drawn = np.array([file in known.tested for file in files])
  order = np.random.default_rng(0).permutation(len(files))
  more = max(0, count - int(drawn.sum()))
  free = order[(known.labels[order] < 0) & ~drawn[order]]
  if more > len(free):
    raise InputError(
      f"data.test_labels: found {count}; only {len(free):,} of {len(files):,} images have no known label"
    )
  drawn[free[:more]] = True
  return drawn


def _check_apart(photos: Photos, tested: Photos) -> None:
  """InputError where a folder is in the other: images of the test set would be in the pool."""
  pool, test = photos.folder.resolve(), tested.folder.resolve()
  if pool.is_relative_to(test) or test.is_relative_to(pool):
    raise InputError(
      f"data.test_folder: {test} and data.folder {pool} lie in each other, so that images of the test set would be in "
      "the pool; move one of them"
    )


def _below(tested: Photos, photos: Photos) -> str:
  """How a path below the test folder begins as one below the pool's."""
  return pathlib.Path(os.path.relpath(tested.folder, photos.folder)).as_posix() + "/"


def _identity(made_of: str, *files: Sequence[str]) -> str:
  """A hash of the images and of what they are called, in their order, wherever they lie."""
  return hashlib.blake2b(json.dumps([made_of, *map(list, files)]).encode(), digest_size=12).hexdigest()


def _tell(names: tuple[str, ...], pool: Data, test: Data) -> None:
  """Logs what is known."""
  counts = np.bincount(pool.labels[pool.labels >= 0], minlength=len(names))
  if counts.any():
    shown = ", ".join(f"{name} {n:,}" for name, n in zip(names, counts, strict=True))
    log.info(
      "labels: %d of %d images of the pool are labelled already (%s)", counts.sum(), len(pool.labels), shown
    )
  if len(test.labels):
    log.info("test set: %d images, %d of them without a label", len(test.labels), (test.labels < 0).sum())
