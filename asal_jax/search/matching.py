"""Sample matching (section 4.2): synthetic samples to distinct unlabelled samples of the pool."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int32

from asal_jax.errors import InputError
from asal_jax.types import Index

FIRST = 64
"""Neighbours asked for at first; only where the samples before have taken all of them are more needed."""


def match(
  index: Index,
  queries: Float[np.ndarray, "s b d"],
  excluded: Int32[np.ndarray, "s e"],
  k: int = 1,
  reorder: Callable[[Int32[np.ndarray, "s b w"]], Int32[np.ndarray, "s b w"]] = lambda near: near,
) -> Int32[np.ndarray, "s b"]:
  """For each of b queries of every seed its nearest sample that is neither excluded nor taken by a query before it.

  `reorder` may change the order of the k nearest of each query first, -1 where fewer are left. As b neighbours of
  each suffice and far fewer mostly do, more than FIRST are searched for only where those were not enough.

  Raises InputError if fewer than b samples are left.
  """
  b, left = queries.shape[1], len(index) - excluded.shape[1]
  if left < b:
    raise InputError(
      f"query size: only {left} unlabelled samples left, {b} asked; ask fewer a cycle or run fewer cycles"
    )
  ids = np.full(queries.shape[:2], -1, np.int32)
  for width in (max(k, min(b, FIRST)), max(k, b)):
    if np.any(ids < 0):
      near = [index.search(q, width, e)[1] for q, e in zip(queries, excluded, strict=True)]
      ids = np.stack([distinct(rows) for rows in reorder(np.stack(near))])
  return ids


def distinct(candidates: Int32[np.ndarray, "b w"]) -> Int32[np.ndarray, " b"]:
  """One id a row, greedily in row order: the row's first that is not -1 and that no earlier row has taken, else -1."""
  taken: set[int] = set()
  chosen = []
  for ids in candidates.tolist():
    chosen.append(next((i for i in ids if i != -1 and i not in taken), -1))
    taken.add(chosen[-1])
  return np.array(chosen, np.int32)
