"""The paper's strategies: which unlabelled samples to ask for next. Makers that return a Query."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Key

from asal_jax import devices
from asal_jax.errors import NotFinite
from asal_jax.models.classifier import Scorer
from asal_jax.pools.blocks import walk
from asal_jax.rng import stream
from asal_jax.search.features import FeatureSet
from asal_jax.search.matching import match
from asal_jax.store.rows import Partial
from asal_jax.types import Choice, Params, Pool, Query


class Synthesis(NamedTuple):
  """A trained generator and its two ways to latents f32[s b z], ascended and random (see synthesis.py)."""

  generate: Callable[[Params, Float[Array, "b z"]], Float[Array, "b h w c"]]
  params: Params
  ascended: Callable[..., Float[Array, "s b z"]]
  random: Callable[..., Float[Array, "s b z"]]


def generator(name: str, key: Key[Array, ""], cycle: int) -> np.random.Generator:
  """NumPy's generator for the stream `name` of a seed in a cycle."""
  return np.random.default_rng(np.asarray(jax.random.key_data(stream(key, name, cycle))))


def draw(
  rng: np.random.Generator, n: int, labelled: Int32[np.ndarray, " e"], size: int
) -> Int32[np.ndarray, " m"]:
  """`size` ids of 0..n-1, or all that are left, uniform without replacement among those not `labelled`.

  Its time does not depend on n: ranks among the unlabelled are drawn, and the labelled below each are counted.
  """
  left = n - len(labelled)
  ranks = rng.choice(left, min(size, left), replace=False, shuffle=True)
  below = np.searchsorted(np.sort(labelled) - np.arange(len(labelled)), ranks, side="right")
  return (ranks + below).astype(np.int32)


def draw_unlabelled(
  name: str, keys, cycle, n: int, labelled: Int32[np.ndarray, "s e"], size: int
) -> Int32[np.ndarray, "s size"]:
  """`draw` for every seed; -1 behind where fewer are left."""
  draws = np.full((len(labelled), size), -1, np.int32)
  for row, key, ids in zip(draws, keys, labelled, strict=True):
    drawn = draw(generator(name, key, cycle), n, ids, size)
    row[: len(drawn)] = drawn
  return draws


def free(ids: Int32[np.ndarray, "s b"]) -> Choice:
  """What was chosen without the classifier scoring one image of the pool."""
  return Choice(ids, np.zeros(len(ids), np.int32))


def random_sampling(n: int, batch: int) -> Query:
  """Uniform draws from a pool of n: the baseline to exceed."""
  return lambda keys, cycle, params, labelled: free(
    draw_unlabelled("random", keys, cycle, n, labelled.ids, batch)
  )


@functools.partial(jax.jit, donate_argnums=(0, 1))
def merge_best(best, ids, scores: Float[Array, "s m"], hidden: Bool[Array, "s m"], start):
  """The highest of `best` f32[s b] (of `ids`) and of a block's scores from id `start` on, ties by id."""
  scores = jnp.concatenate([best, jnp.where(hidden, -jnp.inf, scores)], axis=1)
  rows = start + jnp.arange(scores.shape[1] - best.shape[1], dtype=jnp.int32)
  candidates = jnp.concatenate([ids, jnp.broadcast_to(rows, (len(ids), len(rows)))], axis=1)
  best, at = lax.top_k(scores, best.shape[1])
  return best, jnp.take_along_axis(candidates, at, axis=1)


def exhaustive(pool: Pool, scorer: Scorer, batch: int, partial: Partial) -> Query:
  """The `batch` highest scores in the whole pool (section 3.1, Eqs. 1 and 2): time linear in the pool.

  A pool that is not resident passes block by block; `partial` keeps what a pass that is killed had found.
  """

  def query(keys, cycle, params, labelled):
    best, ids = np.full((len(keys), batch), -np.inf, np.float32), np.full((len(keys), batch), -1, np.int32)
    done = 0
    found = partial.load()
    if found is not None and found["cycle"] == cycle:
      best, ids, done = found["best"], found["ids"], int(found["blocks"])
    for i, block in enumerate(walk(pool, done), done):
      scores = scorer.block(params, block.images)
      hidden = np.zeros(scores.shape, bool)
      hidden[:, : block.fresh - block.start] = True
      for row, known in zip(hidden, labelled.ids - block.start, strict=True):
        row[known[(known >= 0) & (known < len(row))]] = True
      # Waited for: else all that is read while older blocks are scored is in memory.
      best, ids = jax.block_until_ready(merge_best(best, ids, scores, hidden, np.int32(block.start)))
      partial.save(lambda i=i, b=best, x=ids: {"cycle": cycle, "best": b, "ids": x, "blocks": i + 1})
    partial.remove()
    return Choice(np.asarray(ids), np.full(len(keys), len(pool), np.int32))

  return query


def subpool(pool: Pool, scorer: Scorer, size: int, batch: int) -> Query:
  """The `batch` highest scores among `size` random unlabelled samples: time constant in the pool, no GAN."""

  def query(keys, cycle, params, labelled):
    drawn = draw_unlabelled("subpool", keys, cycle, len(pool), labelled.ids, max(size, batch))
    ranked = best_first(drawn[:, None], drawn.shape[1], lambda ids: scorer.images(params, pool.read(ids)))
    return Choice(ranked[:, 0, :batch], (drawn >= 0).sum(axis=1).astype(np.int32))

  return query


def asal(
  pool: Pool, scorer: Scorer, synthesis: Synthesis, features: FeatureSet, *,
  rescore: int = 1, random_latents: bool = False,
) -> Query:  # fmt: skip
  """ASAL (section 4): synthesize, then match each synthetic sample to the nearest unlabelled real one.

  With `rescore` = k > 1 the classifier scores the k nearest of each and the best is taken; `random_latents`
  leaves the ascent out.
  """
  latents = synthesis.random if random_latents else synthesis.ascended

  def embed(generator, params, z):
    # A seed at a time, because batch statistics must not couple the seeds.
    return jax.vmap(lambda z: features.project(params, synthesis.generate(generator, z)))(z)

  embed = devices.jit(devices.over_devices(embed, (None, None, 0)))

  def query(keys, cycle, params, labelled):
    z = latents(keys, cycle, synthesis.params, params)
    queries = np.asarray(embed(synthesis.params, features.params, z))
    finite = np.isfinite(queries).all(axis=(1, 2))
    if not finite.all():
      raise NotFinite(finite)
    if rescore == 1:
      return free(match(features.index, queries, labelled.ids))
    calls = np.zeros(len(queries), np.int32)

    def reorder(near):
      calls[:] += np.sum(near[:, :, :rescore] >= 0, axis=(1, 2))
      return best_first(near, rescore, lambda ids: scorer.images(params, pool.read(ids)))

    return Choice(match(features.index, queries, labelled.ids, rescore, reorder), calls)

  return query


def best_first(near: Int32[np.ndarray, "s b m"], k: int, score_at) -> Int32[np.ndarray, "s b m"]:
  """The first k of each row reordered by falling score; the others, by distance, stay behind them.

  `score_at(ids i32[s j]) -> f32[s j]`; ids of -1 (no such neighbour) come last.
  """
  first = near[:, :, :k]
  scores = np.asarray(score_at(np.maximum(first, 0).reshape(len(near), -1))).reshape(first.shape)
  order = np.argsort(-np.where(first < 0, -np.inf, scores), axis=2, kind="stable")
  return np.concatenate([np.take_along_axis(first, order, axis=2), near[:, :, k:]], axis=2)
