"""The neighbour graph of a pool: for each sample its nearest others, made by its index and mapped from disk."""

import pathlib

import numpy as np
from jaxtyping import Int32

from asal_jax.search.checks import parts
from asal_jax.search.graph import PyNNDescentIndex
from asal_jax.store.progress import Progress
from asal_jax.store.rows import RowWriter
from asal_jax.types import Index

BLOCK = 1024
"""Samples whose neighbours are searched together."""


def write_graph(index: Index, features: np.ndarray, k: int, path: pathlib.Path) -> None:
  """Writes i32[n k] as .npy: the k nearest others of each of the features f32[n d], nearest first, -1 where fewer.

  pynndescent has made them while it built its own graphs, each within its shard; any other index is searched for
  every sample. An interrupted pass goes on behind its last block.
  """
  known = isinstance(index, PyNNDescentIndex) and index.degree >= k
  find = index.neighbours if known else lambda rows: by_search(index, features, rows, k)  # type: ignore[union-attr]
  with (
    RowWriter(path, (len(features), k), np.int32) as file,
    Progress(path.parent.name, len(features)) as progress,
  ):
    file.keep(file.rows // BLOCK * BLOCK)
    progress.update(file.rows)
    for rows in parts(len(features), BLOCK):
      if rows.start >= file.rows:
        file.append(np.ascontiguousarray(find(rows)[:, :k]))
        progress.update(rows.stop - rows.start)


def by_search(index: Index, features: np.ndarray, rows: slice, k: int) -> Int32[np.ndarray, "m k"]:
  """The k nearest others of some rows, by a search for k + 1."""
  own = np.arange(rows.start, rows.stop, dtype=np.int32)[:, None]
  _, ids = index.search(np.asarray(features[rows]), k + 1, np.zeros(0, np.int32))
  return others(ids, own)[:, :k]


def others(ids: Int32[np.ndarray, "m k"], own: Int32[np.ndarray, "m 1"]) -> Int32[np.ndarray, "m k"]:
  """The ids but each row's own, in order; what is missing stands behind as -1."""
  ids = np.where(ids == own, -1, ids)
  return np.take_along_axis(ids, np.argsort(ids < 0, axis=1, kind="stable"), axis=1)
