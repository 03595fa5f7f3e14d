"""What is searched: critic features of real images, and clustered normal ones, with queries of their kind."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float32

from asal_jax.search.checks import parts
from asal_jax.search.index import INDICES
from asal_jax.store.checkpoint import Cache
from asal_jax.store.rows import RowWriter
from asal_jax.types import Index
from experiments.selection_time.bench import Bench, preparation
from experiments.selection_time.setting import load, make_config
from experiments.speed.pools import CLUSTERS, DIMENSIONS, WITHIN, clustered_rows

QUERIES = 200


class Searched(NamedTuple):
  """Queries f32[QUERIES d], and the index called `name` over the features, from the cache or put there."""

  queries: Float32[np.ndarray, "q d"]
  index: Callable[[str], Index]


def real(bench: Bench, n: int, trained: Any) -> Searched:
  """Critic features of n jittered MNIST images; queries are samples of the GAN, as in the method."""
  pool = load(make_config(n), bench.cache).pool.images

  def features(index: str):
    ready = preparation(bench, make_config(n, index), pool)
    ready.gan = trained
    return ready.feature_set("critic")

  exact = bench.made("features", n, lambda: features("exact"))
  gan, state = trained
  z = jax.random.normal(jax.random.key(1), (QUERIES, gan.latent_dim))
  queries = jax.jit(exact.project)(exact.params, gan.generate(state.generator, z))
  return Searched(np.asarray(queries), lambda name: features(name).index)


def clustered(bench: Bench, n: int, _: Any) -> Searched:
  """n clustered features; the queries are of the same clusters."""
  cache, made_from = Cache(bench.cache), {"clusters": CLUSTERS, "within": WITHIN, "n": n}

  def make(folder: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    with RowWriter(folder / "features.npy", (n, DIMENSIONS), np.float32) as file:
      file.keep(0)
      for part in parts(n):
        file.append(clustered_rows(rng, part.stop - part.start))

  path = cache.once("clustered", made_from, make) / "features.npy"

  def index(name: str) -> Index:
    build = lambda folder: INDICES[name].build(np.load(path, mmap_mode="r"), folder)  # noqa: E731
    return INDICES[name].load(cache.once(f"index_{name}", {**made_from, "index": name}, build))

  return Searched(clustered_rows(np.random.default_rng(2), QUERIES), index)
