"""Figures 7 and 8: what a selection and its preparation cost against the size of the pool.

  python -m experiments.selection_time.measure --most=1000000 [--workdir=runs/scale] [--to=FILE.jsonl]

The same command goes on where it was stopped; what the results hold is not done again.
"""

import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from asal_jax.acquisition.score import entropy
from asal_jax.acquisition.strategy import exhaustive
from asal_jax.acquisition.table import make_query
from asal_jax.models.classifier import make_classifier, make_scorer
from asal_jax.pools.jitter import JitteredPool
from asal_jax.pools.kinds import ArrayPool
from asal_jax.rng import seed_keys
from asal_jax.running.comparison import make_world
from asal_jax.store.rows import Partial
from asal_jax.types import LabelledSet
from configs import celeba_hat
from experiments.selection_time.bench import Bench, Select, gan, preparation, start
from experiments.selection_time.parts import Stopwatch, timed_world
from experiments.selection_time.setting import SIZES, load, make_config, make_start

FOLDER = pathlib.Path(__file__).parent
INDICES = {"exact": 16_000_000, "pynndescent": 16_000_000, "kdtree": 1_000_000}
"""The indices and the largest pool of each: in 50 dimensions a k-d tree visits most of its leaves."""

CELEBA_SIZES = (1_000, 2_000, 4_000, 8_000)


def selections(bench: Bench, n: int, trained) -> Iterator[tuple[str, Select]]:
  """(name, a selection) of every strategy on a pool of n; what they need is made on the way."""
  config = make_config(n)
  splits = load(config, bench.cache)
  begun, watch = make_start(config, splits), Stopwatch()

  def world(config):
    ready = preparation(bench, config, splits.pool.images)
    ready.gan = trained
    return make_world(config, ready, begun.classifier, 10, bench.workdir)

  def select(strategy: str, config, world, rest: str) -> Select:
    query = make_query(strategy, config, timed_world(world, watch))
    return lambda: watch.select(query, rest, begun.keys, 1, begun.params, begun.labelled)

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
  pixel_range = tuple(config.data.pixel_range)
  classifier = make_classifier(config.classifier, shape, 2, pixel_range)
  params = jax.vmap(classifier.init)(keys)
  noise = np.random.default_rng(0).integers(0, 256, (500, *shape), np.uint8)
  scorer = make_scorer(classifier, entropy, pixel_range)
  scorer = scorer._replace(block=watch.timed("scoring", scorer.block))
  for n in CELEBA_SIZES:
    pool = JitteredPool(ArrayPool(jnp.asarray(noise)), n, seed=0, flips=True)
    query = exhaustive(pool, scorer, 10, Partial(bench.workdir / "celeba.npz"))
    known = LabelledSet(np.arange(100, dtype=np.int32)[None], np.zeros((1, 100), np.int32))
    bench.timed(
      "max entropy, CelebA's classifier", n,
      lambda query=query, known=known: watch.select(query, "reading", keys, 1, params, known),
    )  # fmt: skip


def main() -> None:
  bench, most = start(FOLDER)
  celeba(bench)
  trained = gan(bench)
  for n in SIZES:
    if n <= most:
      for what, select in selections(bench, n, trained):
        bench.timed(what, n, select)


if __name__ == "__main__":
  main()
