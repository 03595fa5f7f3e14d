"""Ways to make a batch diverse: classes or clusters in turn, and what is far from all others."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from asal_jax.search.checks import parts


def by_class(ranked: list[int], classes: dict[int, int], batch: int) -> list[int]:
  """The first `batch` of `ranked` when the classes take turns, each in its own order, the best ranked class first."""
  seen: dict[int, int] = {}
  turns = []
  for place, i in enumerate(ranked):
    turn = seen[classes[i]] = seen.get(classes[i], -1) + 1
    turns.append((turn, place))
  return [ranked[place] for _, place in sorted(turns)[:batch]]


def by_block(features: Float[np.ndarray, "n d"], function: Callable[..., Any]) -> Float[np.ndarray, " n"]:
  """A function f[m d] -> f[m] of all rows, which may be mapped, block by block."""
  return np.concatenate([function(features[rows]) for rows in parts(len(features))])


def k_centre(
  features: Float[np.ndarray, "n d"],
  centres: Float[np.ndarray, "e d"],
  taken: Int[np.ndarray, " t"],
  batch: int,
) -> list[int]:
  """Greedy k-centre: the row, none of those `taken`, farthest from all centres becomes one, `batch` times.

  Source: Sener and Savarese, Active Learning for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018.
  """
  # Take a second to import, which most runs do not need.
  from scipy.spatial.distance import cdist
  from sklearn.metrics import pairwise_distances_argmin_min

  chosen: list[int] = []
  # One is fast for many centres, the other for one.
  to_nearest = lambda rows: pairwise_distances_argmin_min(rows, centres, metric="sqeuclidean")[1]  # noqa: E731
  to_last = lambda rows: cdist(rows, features[chosen[-1:]], "sqeuclidean")[:, 0]  # noqa: E731
  nearest = by_block(features, to_nearest)
  nearest[taken] = -1
  while True:
    chosen.append(int(nearest.argmax()))
    if len(chosen) == batch:
      return chosen
    nearest = np.minimum(nearest, by_block(features, to_last))
    nearest[chosen] = -1
