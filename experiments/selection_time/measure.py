"""Figures 7 and 8: what a selection and its preparation cost against the size of the pool.

  python -m experiments.selection_time.measure --most=1000000 [--workdir=runs/scale] [--to=FILE.jsonl]

The same command goes on where it was stopped; what the results hold is not done again.
"""

import pathlib
import statistics
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from asal_jax.acquisition.score import entropy
from asal_jax.acquisition.strategy import exhaustive, make_query
from asal_jax.errors import InputError
from asal_jax.models.classifier import make_classifier, make_scorer
from asal_jax.pools.jitter import JitteredPool
from asal_jax.pools.kinds import ArrayPool
from asal_jax.rng import seed_keys
from asal_jax.running.comparison import make_world
from asal_jax.running.prepare import Preparation
from asal_jax.store.rows import Partial
from asal_jax.store.space import check_disk, check_memory
from asal_jax.store.stages import Stages
from configs import celeba_hat
from experiments.selection_time.meter import Meter
from experiments.selection_time.parts import Stopwatch, timed_world
from experiments.selection_time.setting import SIZES, load, make_config, make_start
from experiments.speed.records import append, newest, surroundings, tell

FOLDER = pathlib.Path(__file__).parent
INDICES = {"exact": 16_000_000, "pynndescent": 16_000_000, "kdtree": 1_000_000}
"""The indices and the largest pool of each: in 50 dimensions a k-d tree visits most of its leaves."""

CALLS, LONGEST = 5, 30.0
"""A point is the median of CALLS selections, or of as many as began within LONGEST seconds."""

CELEBA_SIZES = (1_000, 2_000, 4_000, 8_000)
DISK_BYTES, MEMORY_BYTES, BASE_BYTES = 1_600, 420, 3 * 2**30
"""Needed a sample of the largest pool (features and all indices; exact search and one shard), and besides."""

WORKDIR = flags.DEFINE_string("workdir", "runs/scale", "GAN, features and indices; may be removed afterwards")
MOST = flags.DEFINE_integer("most", SIZES[-1], "the largest pool")
TO = flags.DEFINE_string("to", str(FOLDER / "results.jsonl"), "the results, a JSON line a point")

Select = Callable[[], tuple[float, dict[str, float]]]


class Bench:
  """The work of one workdir: things made once with their seconds, and selections timed with them."""

  def __init__(self, workdir: pathlib.Path, results: pathlib.Path):
    self.workdir, self.cache, self.results = workdir, workdir / "cache", results
    self.stages, self.meter = Stages(workdir / "stages.jsonl"), Meter(workdir / "meter.json")
    self.about = surroundings()
    self.known = {(r["kind"], r["what"], r["n"]) for r in newest(results, "kind", "what", "n")}

  def done(self, kind: str, what: str, n: int) -> bool:
    return (kind, what, n) in self.known

  def record(self, kind: str, what: str, n: int, **values) -> None:
    tell(f"{kind}: {what}, {n:,}: {values['seconds']:.4g} s")
    append(self.results, {"kind": kind, "what": what, "n": n, **values} | self.about)
    self.known.add((kind, what, n))

  def made(self, what: str, n: int, make: Callable[[], object]) -> object:
    """What `make` makes, its seconds over all goes recorded where it is made here."""
    with self.meter(f"{what} {n}"):
      thing = make()
    if not self.done("preparation", what, n):
      self.record("preparation", what, n, seconds=self.meter.seconds[f"{what} {n}"])
    return thing

  def timed(self, what: str, n: int, select: Select) -> None:
    """Records the median selection and its parts; the first, which compiles and reads the index in, is apart."""
    if self.done("selection", what, n):
      return
    started = time.perf_counter()
    select()
    first, calls = time.perf_counter() - started, []
    while len(calls) < CALLS and sum(seconds for seconds, _ in calls) < LONGEST:
      calls.append(select())
    seconds = statistics.median(total for total, _ in calls)
    parts = {name: statistics.median(parts[name] for _, parts in calls) for name in calls[0][1]}
    self.record("selection", what, n, seconds=seconds, first=first, parts=parts, calls=len(calls))


def preparation(bench: Bench, config, pool) -> Preparation:
  makes = frozenset({"gan", "features"})
  return Preparation(config, pool, bench.cache, makes, bench.stages, lambda *_: None)


def gan(bench: Bench):
  """The GAN of all pools, trained on the smallest: its iterations do not depend on the pool's size."""
  config = make_config(SIZES[0])
  pool = load(config, bench.cache).pool.images
  return bench.made("gan", SIZES[0], lambda: preparation(bench, config, pool).gan)


def selections(bench: Bench, n: int, trained) -> Iterator[tuple[str, Select]]:
  """(name, a selection) of every strategy on a pool of n; what they need is made on the way."""
  config = make_config(n)
  splits = load(config, bench.cache)
  start, watch = make_start(config, splits), Stopwatch()

  def world(config):
    ready = preparation(bench, config, splits.pool.images)
    ready.gan = trained
    return make_world(config, ready, start.classifier, bench.workdir)

  def select(strategy: str, config, world, rest: str) -> Select:
    query = make_query(strategy, config, timed_world(world, watch))
    return lambda: watch.select(query, rest, start.keys, 1, start.params, start.labelled)

  # With the exact index this is the pass over the pool: that index is the features.
  exact = bench.made("features", n, lambda: world(config))
  for size in (200, 1_000):
    yield f"sub-pool of {size:,}", select("subpool", make_config(n, subpool=size), exact, "scoring")
  yield "ASAL, exact", select("asal_critic", config, exact, "features")
  for index, largest in INDICES.items():
    if index != "exact" and n <= largest:
      other = make_config(n, index)
      yield (
        f"ASAL, {index}",
        select("asal_critic", other, bench.made(index, n, lambda other=other: world(other)), "features"),
      )
  yield "max entropy, LeNet-5", select("entropy", config, exact, "reading")


def celeba(bench: Bench) -> None:
  """Max entropy with the classifier of the CelebA benchmark on 64x64 colour images; noise takes as long as faces."""
  config, keys, watch = celeba_hat.get_config(), seed_keys((0,)), Stopwatch()
  shape = (64, 64, 3)
  classifier = make_classifier(config.classifier, shape, 2)
  params = jax.vmap(classifier.init)(keys)
  noise = np.random.default_rng(0).integers(0, 256, (500, *shape), np.uint8)
  scorer = make_scorer(classifier, entropy, tuple(config.data.pixel_range))
  scorer = scorer._replace(block=watch.timed("scoring", scorer.block))
  for n in CELEBA_SIZES:
    pool = JitteredPool(ArrayPool(jnp.asarray(noise)), n, seed=0, flips=True)
    query = exhaustive(pool, scorer, 10, Partial(bench.workdir / "celeba.npz"))
    labelled = np.arange(100, dtype=np.int32)[None]
    bench.timed(
      "max entropy, CelebA's classifier", n,
      lambda query=query, known=labelled: watch.select(query, "reading", keys, 1, params, known),
    )  # fmt: skip


def main(_: list[str]) -> None:
  workdir = pathlib.Path(WORKDIR.value)
  check_disk("selection time", workdir, DISK_BYTES * MOST.value + BASE_BYTES)
  check_memory("selection time", MEMORY_BYTES * MOST.value + BASE_BYTES)
  workdir.mkdir(parents=True, exist_ok=True)
  bench = Bench(workdir, pathlib.Path(TO.value))
  celeba(bench)
  trained = gan(bench)
  for n in SIZES:
    if n <= MOST.value:
      for what, select in selections(bench, n, trained):
        bench.timed(what, n, select)


if __name__ == "__main__":
  try:
    app.run(main)
  except InputError as error:
    raise SystemExit(f"error: {error}") from None
