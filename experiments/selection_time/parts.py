"""What a selection's seconds go into: the seams of a `World`, each with a stopwatch."""

import time
from collections.abc import Callable
from typing import Any

import jax

from asal_jax.acquisition.table import World

PARTS = ("synthesis", "features", "search", "scoring", "reading")


class Stopwatch:
  """Adds up the seconds of each part of a selection; the total is measured around it."""

  def __init__(self):
    self.seconds = dict.fromkeys(PARTS, 0.0)

  def timed(self, part: str, function: Callable) -> Callable:
    """`function`, its results waited for and its seconds added to `part`."""

    def call(*arguments: Any, **options: Any) -> Any:
      started = time.perf_counter()
      result = jax.block_until_ready(function(*arguments, **options))
      self.seconds[part] += time.perf_counter() - started
      return result

    return call

  def select(self, query: Callable, rest: str, *arguments: Any) -> tuple[float, dict[str, float]]:
    """One selection: its seconds in all, and by part; those between the parts count to `rest`."""
    self.seconds = dict.fromkeys(PARTS, 0.0)
    started = time.perf_counter()
    query(*arguments)
    total = time.perf_counter() - started
    return total, self.seconds | {rest: self.seconds[rest] + total - sum(self.seconds.values())}


class TimedPool:
  """A pool whose reads of single images are timed; blocks of a pass are read while others are scored."""

  def __init__(self, pool: Any, watch: Stopwatch):
    self.pool, self.read = pool, watch.timed("reading", pool.read)

  def __len__(self) -> int:
    return len(self.pool)

  def __getattr__(self, name: str) -> Any:
    return getattr(self.pool, name)


class TimedIndex:
  """An index whose searches are timed."""

  def __init__(self, index: Any, watch: Stopwatch):
    self.index, self.search = index, watch.timed("search", index.search)

  def __len__(self) -> int:
    return len(self.index)


def timed_world(world: World, watch: Stopwatch) -> World:
  """The same world with a stopwatch at each seam."""
  scorers = {
    name: scorer._replace(
      block=watch.timed("scoring", scorer.block), images=watch.timed("scoring", scorer.images)
    )
    for name, scorer in world.scorers.items()
  }
  synthesis = world.synthesis
  if synthesis is not None:
    synthesis = synthesis._replace(
      ascended=watch.timed("synthesis", synthesis.ascended), random=watch.timed("synthesis", synthesis.random)
    )
  features = {
    name: features._replace(index=TimedIndex(features.index, watch))
    for name, features in world.feature_sets.items()
  }
  return world._replace(
    pool=TimedPool(world.pool, watch), scorers=scorers, synthesis=synthesis, feature_sets=features
  )
