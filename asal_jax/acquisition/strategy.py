"""Strategies: which unlabelled samples to ask for next. A maker binds the world and returns a Query."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, UInt8
from ml_collections import ConfigDict

from asal_jax.acquisition.names import parse_strategy
from asal_jax.models.classifier import Scorer
from asal_jax.rng import stream
from asal_jax.search.features import FeatureSet
from asal_jax.search.matching import match
from asal_jax.types import Params, Query


class Synthesis(NamedTuple):
  """A trained generator and its two ways to latents f32[s b z], ascended and random (see synthesis.py)."""

  generate: Callable[[Params, Float[Array, "b z"]], Float[Array, "b h w c"]]
  params: Params
  ascended: Callable[..., Float[Array, "s b z"]]
  random: Callable[..., Float[Array, "s b z"]]


class World(NamedTuple):
  """What a strategy may see: no label is in it. `scorers` and `feature_sets` are by name."""

  images: UInt8[Array, "n h w c"]
  scorers: dict[str, Scorer]
  synthesis: Synthesis | None
  feature_sets: dict[str, FeatureSet]


def draw_unlabelled(
  name: str, keys, cycle, excluded: Bool[np.ndarray, "s n"], size: int
) -> Int32[np.ndarray, "s size"]:
  """`size` ids a seed, uniform without replacement among the rest; -1 behind them where fewer are left."""
  draws = np.full((len(excluded), size), -1, np.int32)
  for row, key, labelled in zip(draws, keys, excluded, strict=True):
    rng = np.random.default_rng(np.asarray(jax.random.key_data(stream(key, name, cycle))))
    rest = np.flatnonzero(~labelled)
    row[: len(rest)] = rng.choice(rest, min(size, len(rest)), replace=False, shuffle=True)
  return draws


def random_sampling(batch: int) -> Query:
  """Uniform draws: the baseline to exceed."""
  return lambda keys, cycle, params, excluded: draw_unlabelled("random", keys, cycle, excluded, batch)


def exhaustive(images: UInt8[Array, "n h w c"], scorer: Scorer, batch: int) -> Query:
  """The `batch` highest scores in the whole pool (section 3.1, Eqs. 1 and 2): time linear in the pool."""

  @jax.jit
  def best(scores, excluded):
    return jax.lax.top_k(jnp.where(excluded, -jnp.inf, scores), batch)[1]

  return lambda keys, cycle, params, excluded: np.asarray(best(scorer.pool(params, images), excluded))


def subpool(images: UInt8[Array, "n h w c"], scorer: Scorer, size: int, batch: int) -> Query:
  """The `batch` highest scores among `size` random unlabelled samples: time constant in the pool, no GAN."""

  def query(keys, cycle, params, excluded):
    drawn = draw_unlabelled("subpool", keys, cycle, excluded, max(size, batch))
    ranked = best_first(drawn[:, None], drawn.shape[1], lambda ids: scorer.at(params, images, ids))
    return ranked[:, 0, :batch]

  return query


def asal(
  images: UInt8[Array, "n h w c"], scorer: Scorer, synthesis: Synthesis, features: FeatureSet, *,
  rescore: int = 1, random_latents: bool = False,
) -> Query:  # fmt: skip
  """ASAL (section 4): synthesize, then match each synthetic sample to the nearest unlabelled real one.

  With `rescore` = k > 1 the classifier scores the k nearest of each and the best is taken; `random_latents`
  leaves the ascent out.
  """
  latents = synthesis.random if random_latents else synthesis.ascended

  @jax.jit
  def embed(generator, params, z):
    # A seed at a time, because batch statistics must not couple the seeds.
    return jax.vmap(lambda z: features.project(params, synthesis.generate(generator, z)))(z)

  def query(keys, cycle, params, excluded):
    z = latents(keys, cycle, synthesis.params, params)
    queries = np.asarray(embed(synthesis.params, features.params, z))
    if rescore == 1:
      return match(features.index, queries, excluded)
    score_at = lambda ids: scorer.at(params, images, ids)  # noqa: E731
    return match(features.index, queries, excluded, rescore, lambda near: best_first(near, rescore, score_at))

  return query


def best_first(near: Int32[np.ndarray, "s b m"], k: int, score_at) -> Int32[np.ndarray, "s b m"]:
  """The first k of each row reordered by falling score; the others, by distance, stay behind them.

  `score_at(ids i32[s j]) -> f32[s j]`; ids of -1 (no such neighbour) come last.
  """
  first = near[:, :, :k]
  scores = np.asarray(score_at(np.maximum(first, 0).reshape(len(near), -1))).reshape(first.shape)
  order = np.argsort(-np.where(first < 0, -np.inf, scores), axis=2, kind="stable")
  return np.concatenate([np.take_along_axis(first, order, axis=2), near[:, :, k:]], axis=2)


def make_query(name: str, config: ConfigDict, world: World) -> Query:
  """The strategy called `name` (see names.py)."""
  batch, parsed, scorer = config.loop.per_cycle, parse_strategy(name), world.scorers[config.score]
  if parsed.base == "random":
    return random_sampling(batch)
  if parsed.base in world.scorers:
    return exhaustive(world.images, world.scorers[parsed.base], batch)
  if parsed.base == "subpool":
    return subpool(world.images, scorer, config.subpool, batch)
  assert world.synthesis is not None, "ASAL needs a GAN"
  return asal(
    world.images, scorer, world.synthesis, world.feature_sets[str(parsed.features)],
    rescore=parsed.rescore, random_latents=parsed.random_latents,
  )  # fmt: skip
