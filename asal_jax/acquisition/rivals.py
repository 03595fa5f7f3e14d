"""Rival strategies of the literature, on a random sub-pool: the classifier's probabilities and last hidden layer.

For one seed and cycle the sub-pool is the one that `subpool` scores. A pick is (generator, probabilities f64[m k],
hidden f64[m d], hidden of the labelled f64[e d]) -> the places i[b] of what is asked for.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Int32

from asal_jax.acquisition.batch import by_class, k_centre
from asal_jax.acquisition.strategy import draw_unlabelled, free, generator
from asal_jax.acquisition.walk import at_ids
from asal_jax.types import Choice, Pool, Query

MARGINS = 10
"""Smallest margins that Cluster-Margin looks at, in batches."""

CLUSTER = 10
"""Samples in a cluster of Cluster-Margin, on average: a decision of ours, the paper's threshold is one of distance."""

Pick = Callable[..., Iterable[int] | Int[np.ndarray, " b"]]


def on_subpool(
  name: str, pick: Pick, pool: Pool, embed: Callable[..., Any], size: int, batch: int, known: bool = False
) -> Query:
  """What `pick` takes of `size` random unlabelled samples; with `known` it is told where the labelled lie, too.

  These are then embedded anew, and are among the calls.
  """

  def query(keys, cycle, params, labelled):
    drawn = draw_unlabelled("subpool", keys, cycle, len(pool), labelled.ids, max(size, batch))
    some = [row[row >= 0] for row in drawn]
    more = labelled.ids if known else labelled.ids[:, :0]
    asked = [np.concatenate(each) for each in zip(some, more, strict=True)]
    chosen = []
    for key, ids, *rows in zip(keys, some, *at_ids(pool, embed, params, asked), strict=True):
      probabilities, hidden = (each[: len(ids) + more.shape[1]].astype(float) for each in rows)
      m = len(ids)
      chosen.append(
        ids[list(pick(generator(name, key, cycle), probabilities[:m], hidden[:m], hidden[m:], batch))]
      )
    return Choice(np.array(chosen, np.int32), np.array([len(ids) for ids in asked], np.int32))

  return query


def outer_distances(
  a: Float[np.ndarray, "m k"], h: Float[np.ndarray, "m d"], i: int
) -> Float[np.ndarray, " m"]:
  """Squared distances of the outer products a (x) h to the i-th, by their inner products (a.a')(h.h')."""
  squares = np.square(a).sum(axis=1) * np.square(h).sum(axis=1)
  return np.maximum(0, squares + squares[i] - 2 * (a @ a[i]) * (h @ h[i]))


def pick_badge(rng, probabilities, hidden, _, batch: int) -> list[int]:
  """k-means++ seeding on gradients of the last layer's weights, (p - onehot(most probable class)) (x) hidden.

  The first centre is the largest gradient; equal gradients are drawn uniformly.
  Source: Ash et al., Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, ICLR 2020.
  """
  errors = probabilities - np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
  squares = np.square(errors).sum(axis=1) * np.square(hidden).sum(axis=1)
  chosen, nearest = [int(squares.argmax())], np.full(len(hidden), np.inf)
  while len(chosen) < batch:
    nearest = np.minimum(nearest, outer_distances(errors, hidden, chosen[-1]))
    nearest[chosen] = 0
    weights = nearest if nearest.any() else ~np.isin(np.arange(len(hidden)), chosen)
    chosen.append(int(rng.choice(len(hidden), p=weights / weights.sum())))
  return chosen


def pick_cluster_margin(rng, probabilities, hidden, _, batch: int) -> list[int]:
  """The MARGINS batches of smallest margins, from whose clusters random samples are taken in turn, the smallest first.

  Clusters are of the sub-pool, by average linkage in the hidden layer, and anew in each cycle (the paper: once).
  Source: Citovsky et al., Batch Active Learning at Scale, NeurIPS 2021.
  """
  # Takes half a second to import, which most runs do not need.
  from scipy.cluster.hierarchy import fcluster, linkage

  m = len(hidden)
  clusters = np.ones(m, int)
  if m > 1:
    clusters = fcluster(linkage(hidden, "average"), max(1, m // CLUSTER), "maxclust")
  first, second = np.sort(probabilities, axis=1)[:, :-3:-1].T
  near = np.argsort(first - second, kind="stable")[: MARGINS * batch]
  sizes = np.bincount(clusters[near])
  ranked = sorted(rng.permutation(near).tolist(), key=lambda i: (sizes[clusters[i]], clusters[i]))
  return by_class(ranked, dict(enumerate(clusters.tolist())), batch)


def pick_density(_rng, probabilities, hidden, _, batch: int) -> Int[np.ndarray, " b"]:
  """The highest entropies times the mean cosine similarity to the sub-pool in the hidden layer.

  Source: information density, with beta = 1, of Settles and Craven, An Analysis of Active Learning Strategies for
  Sequence Labeling Tasks, EMNLP 2008.
  """
  from scipy.special import entr

  directions = hidden / np.maximum(np.linalg.norm(hidden, axis=1, keepdims=True), 1e-12)
  scores = entr(probabilities).sum(axis=1) * (directions @ directions.mean(axis=0))
  return np.argsort(-scores, kind="stable")[:batch]


def pick_coreset(_rng, _probabilities, hidden, known, batch: int) -> list[int]:
  """`k_centre` in the hidden layer, from the labelled samples on."""
  return k_centre(hidden, known, np.arange(0), batch)


def coreset_of_pool(features: Float32[np.ndarray, "n k"], batch: int) -> Query:
  """`k_centre` of the whole pool in features that do not change: no call, `batch` passes over them a cycle and seed."""

  def choose(labelled: Int32[np.ndarray, " e"]) -> list[int]:
    return k_centre(features, features[labelled], labelled, batch)

  return lambda keys, cycle, params, labelled: free(np.array([choose(ids) for ids in labelled.ids], np.int32))


badge = functools.partial(on_subpool, "badge", pick_badge)
cluster_margin = functools.partial(on_subpool, "cluster_margin", pick_cluster_margin)
density = functools.partial(on_subpool, "density", pick_density)
coreset = functools.partial(on_subpool, "coreset", pick_coreset, known=True)
