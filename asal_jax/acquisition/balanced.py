"""The balanced walk: random samples where they show a class often enough, a walk on the neighbour graph where not."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from asal_jax.acquisition.batch import by_class, k_centre
from asal_jax.acquisition.strategy import draw
from asal_jax.acquisition.walk import Frontier, Graph, Search, Starts, neighbours, searching, share
from asal_jax.types import Pool, Query

RANDOM, STARTS = 0.5, 0.5
"""Share of the calls that a random sub-pool takes, and of a walk's calls that neighbours of labelled samples take."""

SPREAD = 1_000
"""Random samples that are compared by their features while a class has no label."""


def shortage(counts: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
  """How far each of k classes lies below an equal share of the samples counted, from 0 (not) to 1 (not seen).

  The count is first raised by two standard deviations of a Poisson count, so that chance alone is hardly a shortage.
  """
  equal = counts.sum() / len(counts)
  return np.maximum(0, 1 - (counts + 2 * np.sqrt(counts + 1)) / equal)


def balanced_walk(
  pool: Pool, predict: Callable[..., Any], graph: Graph, features: Float32[np.ndarray, "n d"], classes: int,
  calls: int, batch: int, matches: Starts | None = None,
) -> Query:  # fmt: skip
  """`batch` samples, the most uncertain of each predicted class in turn, among `calls` that are scored.

  RANDOM of the calls go to random samples. Classes predicted for fewer of them than an equal share are looked for by
  walks from graph neighbours of their labelled samples, each with calls by its `shortage`; the other calls go to random
  samples too, all of them where no class is short.

  As long as a class has no label its uncertainty says nothing: half of the batch is then those of SPREAD random samples
  that are farthest (`k_centre`) from what is labelled, by their features and without a call.

  With `matches`, the ablation, ASAL's matches are that half, and half of the starts of each walk.
  """
  calls = max(calls, batch)

  def explore(rng, labelled, matched) -> list[int]:
    half = -(-batch // 2)
    if matched is not None:
      return matched[:half].tolist()
    ids = draw(rng, len(pool), labelled, max(SPREAD, batch))
    return ids[k_centre(features[ids], features[labelled], np.arange(0), half)].tolist()

  def search(rng, labelled, labels, matched) -> Search:
    missing = len(np.unique(labels[labels >= 0])) < classes
    explored = explore(rng, labelled, matched) if missing else []
    frontier = Frontier(len(pool), labelled, graph)
    yield from frontier.fill(rng, share(calls, RANDOM))
    short = shortage(np.bincount(list(frontier.classes.values()), minlength=classes))
    rest = (calls - len(frontier.scores)) / max(1.0, short.sum())
    for k in np.argsort(-short, kind="stable")[: np.count_nonzero(short)]:
      frontier.queue = []
      size = int(rest * short[k])
      starts = share(size, STARTS)
      begin = [] if matched is None else matched[: starts // 2].tolist()
      begin += neighbours(graph, rng, labelled[labels == k], frontier.labelled, starts - len(begin))
      begun = yield from frontier.visit(begin, size)
      yield from frontier.expand(size - len(begun))
    yield from frontier.fill(rng, calls)
    ranked = [i for i in frontier.ranked() if i not in explored]
    return [*explored, *by_class(ranked, frontier.classes, batch - len(explored))]

  return searching("balanced", pool, predict, search, matches)
