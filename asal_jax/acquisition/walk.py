"""Walks on the neighbour graph of the pool: the most uncertain samples near those that are known, drawn or matched.

A graph is i32[n k], the neighbours of each sample, nearest first, -1 where they are fewer. What a seed does is a
generator that yields ids to score and is sent their scores; all seeds' are scored together.
"""

import heapq
from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np
from jaxtyping import Array, Float32, Int32, Key

from asal_jax.acquisition.strategy import draw, draw_unlabelled, generator
from asal_jax.search.checks import parts
from asal_jax.types import Choice, LabelledSet, Params, Pool, Query

WIDEST = 1024
"""Most samples of a seed that are scored together."""

Graph = Int32[np.ndarray, "n k"]

Search = Generator[
  Int32[np.ndarray, " m"], tuple[Float32[np.ndarray, " m"], Int32[np.ndarray, " m"]], list[int]
]
"""One seed's search: yields ids, is sent their scores and most probable classes, returns what to ask for."""

Starts = Callable[[Key[Array, " s"], int, Params, LabelledSet], Int32[np.ndarray, "s m"]]
"""Where walks begin: ids of each seed, of which -1, labelled ones and repetitions count for nothing."""


def share(calls: int | None, part: float) -> int:
  """So many of the calls."""
  return round((calls or 0) * part)


def drawn(n: int, size: int) -> Starts:
  """Random unlabelled samples."""
  return lambda keys, cycle, params, labelled: draw_unlabelled("walk", keys, cycle, n, labelled.ids, size)


def matches(query: Query) -> Starts:
  """What another strategy would ask for."""
  return lambda keys, cycle, params, labelled: query(keys, cycle, params, labelled).ids


def first(starts: Starts, size: int) -> Starts:
  """The first `size` of others."""
  return lambda keys, cycle, params, labelled: starts(keys, cycle, params, labelled)[:, :size]


def together(kinds: list[Starts]) -> Starts:
  """Those of all kinds."""

  def starts(keys, cycle, params, labelled):
    return np.concatenate([kind(keys, cycle, params, labelled) for kind in kinds], axis=1)

  return starts


def near_labelled(graph: Graph, size: int) -> Starts:
  """Unlabelled graph neighbours of labelled samples, these in random order."""

  def starts(keys, cycle, params, labelled):
    found = np.full((len(keys), size), -1, np.int32)
    for row, key, ids in zip(found, keys, labelled.ids, strict=True):
      near = neighbours(graph, generator("near_labelled", key, cycle), ids, set(ids.tolist()), size)
      row[: len(near)] = near
    return found

  return starts


def neighbours(
  graph: Graph, rng: np.random.Generator, ids: Int32[np.ndarray, " e"], excluded: Iterable[int], size: int
) -> list[int]:
  """Up to `size` distinct graph neighbours of `ids`, one after the other in random order, that are not excluded."""
  found: dict[int, None] = {}
  hidden = {-1, *excluded}
  for i in rng.permutation(ids):
    found.update(dict.fromkeys(j for j in rng.permutation(graph[i]).tolist() if j not in hidden))
    if len(found) >= size:
      break
  return list(found)[:size]


class Frontier:
  """What one seed's search in a pool of `size` has scored, and a queue of those whose neighbours were not looked at."""

  def __init__(self, size: int, labelled: Int32[np.ndarray, " e"], graph: Graph | None = None):
    self.size, self.labelled, self.graph = size, set(labelled.tolist()), graph
    self.scores: dict[int, float] = {}
    self.classes: dict[int, int] = {}
    self.queue: list[tuple[float, int]] = []

  def visit(self, ids: Iterable[int], calls: int) -> Search:
    """Scores those of `ids` that are new, at most `calls`; they join the queue."""
    new = list(dict.fromkeys(i for i in ids if i >= 0 and i not in self.labelled and i not in self.scores))[
      : max(0, calls)
    ]
    scores, classes = yield np.array(new, np.int32)
    for i, score, k in zip(new, scores.tolist(), classes.tolist(), strict=True):
      self.scores[i], self.classes[i] = score, k
      heapq.heappush(self.queue, (-score, i))
    return new

  def expand(self, calls: int) -> Search:
    """Best first: scores the neighbours of the most uncertain sample in the queue, until `calls` more are scored."""
    assert self.graph is not None
    most = len(self.scores) + calls
    while self.queue and len(self.scores) < most:
      _, i = heapq.heappop(self.queue)
      yield from self.visit(self.graph[i].tolist(), most - len(self.scores))
    return []

  def fill(self, rng: np.random.Generator, calls: int) -> Search:
    """Scores random samples until `calls` are scored in all."""
    ids = draw(rng, self.size, np.fromiter(self.labelled, np.int32), calls)
    return (yield from self.visit(ids.tolist(), calls - len(self.scores)))

  def ranked(self) -> list[int]:
    """All that were scored, most uncertain first, ties by id."""
    return sorted(self.scores, key=lambda i: (-self.scores[i], i))


def side_by_side(pool: Pool, predict: Callable[..., Any], params: Params, searches: list[Search]) -> Choice:
  """Runs one search a seed in lockstep; what they yield at a time is read and scored together.

  Rows are filled up to a power of two of samples, for few compilations.
  """
  answers: list[Any] = [None] * len(searches)
  asked: list[Any] = [()] * len(searches)
  chosen: list[list[int]] = [[] for _ in searches]
  calls = np.zeros(len(searches), np.int32)
  going = set(range(len(searches)))
  while going:
    for s in sorted(going):
      try:
        asked[s] = searches[s].send(answers[s])
      except StopIteration as end:
        chosen[s], asked[s] = end.value, ()
        going.remove(s)
    if going:
      calls += np.array([len(ids) for ids in asked], np.int32)
      scores, classes = at_ids(pool, predict, params, asked)
      answers = [(scores[s, : len(ids)], classes[s, : len(ids)]) for s, ids in enumerate(asked)]
  return Choice(np.array(chosen, np.int32), calls)


def searching(
  name: str, pool: Pool, predict: Callable[..., Any], search: Callable[..., Search], starts: Starts | None = None
) -> Query:  # fmt: skip
  """Runs a search a seed: `search(generator, ids and labels of the labelled, its row of starts or None)`.

  The generator is of the stream `name`.
  """

  def query(keys, cycle, params, labelled):
    begin = [None] * len(keys) if starts is None else starts(keys, cycle, params, labelled)
    rngs = [generator(name, key, cycle) for key in keys]
    searches = [search(*each) for each in zip(rngs, *labelled, begin, strict=True)]
    return side_by_side(pool, predict, params, searches)

  return query


def at_ids(pool: Pool, function: Callable[..., Any], params: Params, asked: list[Any]) -> list[np.ndarray]:
  """What a function of (params, images u8[s m h w c]) gives, [s m ...] each, for the ids asked for by each seed.

  Of image 0 where these are fewer: in rows of few widths, and at most WIDEST at a time.
  """
  widest = max(map(len, asked))
  columns = min(WIDEST, 1 << max(4, (widest - 1).bit_length()))
  ids = np.zeros((len(asked), -(-max(1, widest) // columns) * columns), np.int32)
  for row, wanted in zip(ids, asked, strict=True):
    row[: len(wanted)] = wanted
  blocks = [function(params, pool.read(ids[:, rows])) for rows in parts(ids.shape[1], columns)]
  return [np.concatenate(each, axis=1) for each in zip(*blocks, strict=True)]


def walk(
  pool: Pool, predict: Callable[..., Any], graph: Graph, starts: Starts, calls: int, batch: int
) -> Query:
  """The `batch` highest scores among `calls` samples met on a best-first walk from `starts`.

  One queue for the whole batch. Where the graph leads no further, random samples are scored, so that `calls` is what
  a cycle costs whatever the pool's size (at least `batch`, at most what is unlabelled).
  """
  calls = max(calls, batch)

  def search(rng, known, _, begin) -> Search:
    frontier = Frontier(len(pool), known, graph)
    yield from frontier.visit(begin.tolist(), calls)
    yield from frontier.expand(calls - len(frontier.scores))
    yield from frontier.fill(rng, calls)
    return frontier.ranked()[:batch]

  return searching("fill", pool, predict, search, starts)


def seals(pool: Pool, predict: Callable[..., Any], graph: Graph, batch: int) -> Query:
  """SEALS: the `batch` highest scores among all unlabelled graph neighbours of the labelled samples.

  Random ones are scored beside them where they are fewer than the batch. Its calls grow with the labelled set.
  Source: Coleman et al., Similarity Search for Efficient Active Learning and Search of Rare Concepts, AAAI 2022.
  """

  def search(rng, known, *_) -> Search:
    frontier = Frontier(len(pool), known, graph)
    near = np.unique(graph[known]).tolist()
    yield from frontier.visit(near, len(near))
    yield from frontier.fill(rng, batch)
    return frontier.ranked()[:batch]

  return searching("fill", pool, predict, search)
