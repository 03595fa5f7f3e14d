"""Sample matching (section 4.2): synthetic samples to distinct unlabelled samples of the pool."""

import numpy as np
from jaxtyping import Int32

from asal_jax.errors import InputError
from asal_jax.types import Index


def candidates(index: Index, queries: np.ndarray, k: int, excluded: np.ndarray) -> Int32[np.ndarray, "b w"]:
  """The w = max(k, b) nearest not-excluded ids of each of b queries f32[b d]; -1 where fewer are left.

  With b candidates a row, `distinct` always finds b different ids. `excluded` is bool[n]. InputError if fewer
  than b samples are left.
  """
  b, left = len(queries), int(np.sum(~np.asarray(excluded, bool)))
  if left < b:
    raise InputError(
      f"query size: only {left} unlabelled samples left, {b} asked; ask fewer a cycle or run fewer cycles"
    )
  return index.search(queries, max(k, b), excluded)[1]


def distinct(candidates: Int32[np.ndarray, "b k"]) -> Int32[np.ndarray, " b"]:
  """One id a row, greedily in row order: the row's first that is not -1 and that no earlier row has taken.

  Never fails on what `candidates` returns; InputError where a row has no free id.
  """
  taken: dict[int, None] = {}
  for row, ids in enumerate(candidates.tolist()):
    free = next((i for i in ids if i != -1 and i not in taken), None)
    if free is None:
      raise InputError(
        f"candidates: row {row} has no id that is still free among its {len(ids)}; ask more a row"
      )
    taken[free] = None
  return np.array(list(taken), np.int32)
