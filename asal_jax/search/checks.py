"""What all indices share: checks of what they are given, answers of one shape, features kept once on disk.

Arguments that are checked here are annotated as plain arrays elsewhere, so that a user reads our message; their shapes
and dtypes are in `types.Index`.
"""

import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from asal_jax.errors import InputError
from asal_jax.store.files import save_array, whole_file

Found = tuple[Float32[np.ndarray, "m k"], Int32[np.ndarray, "m k"]]
"""(distances, ids), nearest first."""

LARGEST = 1e15
"""Features beyond this are refused: their squared distances would overflow float32."""

ROWS = 2**20
"""Rows of a memory map that are looked at together."""


def parts(n: int, size: int = ROWS) -> Iterator[slice]:
  """0..n in slices of `size`."""
  return (slice(start, min(start + size, n)) for start in range(0, n, size))


def matrix(name: str, array: np.ndarray) -> Float32[np.ndarray, "n d"]:
  """The array, C-contiguous, if it is a float32 matrix with finite entries; else InputError."""
  array = np.asanyarray(array)
  if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] == 0:
    raise InputError(f"{name}: found {array.dtype}{list(array.shape)}, allowed is a float32 matrix [n, d]")
  if array.shape[0] == 0 and name == "features":
    raise InputError("features: found none, an index needs at least one row")
  for rows in parts(len(array)):
    if not (array[rows].min() > -LARGEST and array[rows].max() < LARGEST):
      raise InputError(f"{name}: found entries that are not finite or beyond {LARGEST:g}; scale or drop them")
  return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def checked(
  queries: np.ndarray, k: int, excluded: np.ndarray, n: int, d: int
) -> tuple[Float32[np.ndarray, "m d"], Int32[np.ndarray, " e"]]:
  """Queries, and excluded ids sorted and distinct, if they fit an index of n features of width d; else InputError."""
  queries, excluded = matrix("queries", queries), np.asarray(excluded)
  if queries.shape[1] != d:
    raise InputError(
      f"queries: found width {queries.shape[1]}, the index has {d}; use the same features for both"
    )
  if excluded.dtype.kind not in "iu" or excluded.ndim != 1:
    raise InputError(f"excluded: found {excluded.dtype}{list(excluded.shape)}, allowed are ids int32[e]")
  ids = np.unique(excluded).astype(np.int32)
  if len(ids) and (ids[0] < 0 or ids[-1] >= n):
    raise InputError(
      f"excluded: found id {ids[0] if ids[0] < 0 else ids[-1]}, the index has ids 0 to {n - 1}"
    )
  if k < 1:
    raise InputError(f"k: found {k}, allowed is 1 or more neighbours")
  return queries, ids


def among(ids: np.ndarray, known: Int32[np.ndarray, " e"]) -> np.ndarray:
  """Whether each of `ids`, of any shape, is one of the sorted `known`."""
  if len(known) == 0:
    return np.zeros(ids.shape, bool)
  return known[np.minimum(np.searchsorted(known, ids), len(known) - 1)] == ids


def over_ask(
  ask: Callable[[int], Found], k: int, excluded: Int32[np.ndarray, " e"], n: int, most: int
) -> Found | None:
  """`ask` for more and more until k in each row are not excluded; None if `most` a row were not enough."""
  limit = k + len(excluded)
  asked = min(2 * k, limit)
  while asked <= most:
    distances, ids = ask(asked)
    drop = ~np.isfinite(distances) | (ids < 0) | (ids >= n) | among(ids, excluded)
    if np.all(np.sum(~drop, axis=1) >= k):
      order = np.argsort(drop, axis=1, kind="stable")[:, :k]
      return np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)
    if asked == limit:
      break
    asked = min(2 * asked, limit)
  return None


def padded(m: int, k: int, found: tuple[Any, Any] | None) -> Found:
  """(distances, ids) of at most k columns, filled up to [m, k] with inf and -1."""
  distances, ids = np.full((m, k), np.inf, np.float32), np.full((m, k), -1, np.int32)
  if found is not None:
    width = found[1].shape[1]
    distances[:, :width], ids[:, :width] = found
  return distances, ids


def nearest(distances: Float32[np.ndarray, "m c"], ids: Int32[np.ndarray, "m c"], k: int) -> Found:
  """The k nearest candidates of each row, ties by id; all where they are fewer."""
  order = np.lexsort((ids, distances), axis=1)[:, :k]
  return np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)


def merged(found: list[tuple[np.ndarray, np.ndarray]], k: int) -> Found:
  """The k nearest of what several parts found, in rows of any length, ties by id."""
  distances, ids = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
  return nearest(distances, ids, k)


def keep_features(features: Float32[np.ndarray, "n d"], folder: pathlib.Path) -> None:
  """Puts the features into `folder` as features.npy: a whole file that is mapped as a second name of it."""
  path = folder / "features.npy"
  source = getattr(features, "filename", None)
  whole = source and np.load(source, mmap_mode="r").shape == features.shape
  if not whole:
    save_array(path, features)
    return
  part = path.with_name("features.npy.link")
  part.unlink(missing_ok=True)
  try:
    os.link(source, part)
    os.replace(part, path)
    part.unlink(missing_ok=True)  # Of two names of one file neither is replaced.
  except OSError:
    with whole_file(path) as target, open(source, "rb") as file:
      shutil.copyfileobj(file, target)


def kept_features(folder: pathlib.Path) -> Float32[np.ndarray, "n d"]:
  """The memory map of what `keep_features` put there."""
  return np.load(folder / "features.npy", mmap_mode="r")
