"""AnchorAL, a rival for rare classes: a sub-pool near labelled samples of every class."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from asal_jax.acquisition.walk import Frontier, Search, searching
from asal_jax.types import Index, Pool, Query

ANCHORS, NEAREST = 10, 50
"""Anchors of a class, and unlabelled samples retrieved for each, as in the paper."""


def draw_anchors(
  rng: np.random.Generator, features: Float32[np.ndarray, "e d"], labels: Int32[np.ndarray, " e"]
) -> Float32[np.ndarray, "a d"]:
  """Up to ANCHORS labelled samples of each class, spread by k-means++; rejected samples are none."""
  # Takes a second to import, which most runs do not need.
  from sklearn.cluster import kmeans_plusplus

  anchors = [features[:0]]
  for k in np.unique(labels[labels >= 0]):
    members = features[labels == k]
    if len(members) > ANCHORS:
      members, _ = kmeans_plusplus(members, ANCHORS, random_state=int(rng.integers(2**31)))
    anchors.append(members)
  return np.concatenate(anchors)


def nearest_on_average(
  distances: Float32[np.ndarray, "a m"], ids: Int32[np.ndarray, "a m"], size: int
) -> list[int]:
  """The `size` ids with the least mean distance to the anchors that retrieved them, ties by id; -1 is none."""
  found, at = np.unique(ids[ids >= 0], return_inverse=True)
  mean = np.bincount(at, weights=distances[ids >= 0]) / np.bincount(at)
  return found[np.argsort(mean, kind="stable")[:size]].tolist()


def anchoral(
  pool: Pool, predict: Callable[..., Any], features: Float32[np.ndarray, "n d"], index: Index, size: int, batch: int
) -> Query:  # fmt: skip
  """The `batch` highest scores among the `size` samples most similar to anchors; random ones where these are fewer.

  Source: Lesci and Vlachos, AnchorAL: Computationally Efficient Active Learning for Large and Imbalanced Datasets,
  NAACL 2024; similarity is by Euclidean distance here.
  """
  size = max(size, batch)

  def search(rng, labelled, labels, _) -> Search:
    anchors = draw_anchors(rng, features[labelled], labels)
    near = nearest_on_average(*index.search(anchors, NEAREST, labelled), size) if len(anchors) else []
    frontier = Frontier(len(pool), labelled)
    yield from frontier.visit(near, size)
    yield from frontier.fill(rng, batch)
    return frontier.ranked()[:batch]

  return searching("anchors", pool, predict, search)
