"""The balanced walk: random samples where they show a class often enough, a walk on the neighbour graph where not."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from asal_jax.acquisition.strategy import generator
from asal_jax.acquisition.walk import Frontier, Graph, Search, Starts, neighbours, share, side_by_side
from asal_jax.types import Pool, Query

RANDOM = 0.5
"""Share of the calls that a random sub-pool takes."""


def shortage(counts: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
  """How far each of k classes lies below an equal share of the samples counted, from 0 (not) to 1 (not seen).

  The count is first raised by two standard deviations of a Poisson count, so that chance alone is hardly a shortage.
  """
  equal = counts.sum() / len(counts)
  return np.maximum(0, 1 - (counts + 2 * np.sqrt(counts + 1)) / equal)


def by_class(ranked: list[int], classes: dict[int, int], batch: int) -> list[int]:
  """The first `batch` of `ranked` when the classes take turns, each in its own order, the best ranked class first."""
  seen: dict[int, int] = {}
  turns = []
  for place, i in enumerate(ranked):
    turn = seen[classes[i]] = seen.get(classes[i], -1) + 1
    turns.append((turn, place))
  return [ranked[place] for _, place in sorted(turns)[:batch]]


def balanced_walk(
  pool: Pool, predict: Callable[..., Any], graph: Graph, classes: int, calls: int, batch: int,
  extra: Starts | None = None,
) -> Query:  # fmt: skip
  """`batch` samples, the most uncertain of each predicted class in turn, among `calls` that are scored.

  RANDOM of the calls go to random samples. Classes predicted for fewer of them than an equal share are looked for by
  walks from graph neighbours of their labelled samples, and from those of `extra`: each gets calls by its `shortage`.
  What is left of the calls goes to random samples too, all of them where no class is short.
  """
  calls = max(calls, batch)

  def search(rng, labelled, labels, more) -> Search:
    frontier = Frontier(graph, labelled)
    yield from frontier.fill(rng, share(calls, RANDOM))
    short = shortage(np.bincount(list(frontier.classes.values()), minlength=classes))
    rest = (calls - len(frontier.scores)) / max(1.0, short.sum())
    for k in np.argsort(-short, kind="stable")[: np.count_nonzero(short)]:
      frontier.queue = []
      size = int(rest * short[k])
      known = neighbours(graph, rng, labelled[labels == k], frontier.labelled, size)
      begin = [*more.tolist(), *known]
      begun = yield from frontier.visit(begin, share(size, 0.5))
      yield from frontier.expand(size - len(begun))
    yield from frontier.fill(rng, calls)
    return by_class(frontier.ranked(), frontier.classes, batch)

  def query(keys, cycle, params, labelled):
    none = np.zeros((len(keys), 0), np.int32)
    more = none if extra is None else extra(keys, cycle, params, labelled)
    rngs = [generator("balanced", key, cycle) for key in keys]
    searches = [search(*each) for each in zip(rngs, labelled.ids, labelled.labels, more, strict=True)]
    return side_by_side(pool, predict, params, searches)

  return query
