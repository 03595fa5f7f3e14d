"""Passes in blocks against one pass over everything."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from asal_jax import devices
from asal_jax.acquisition.strategy import exhaustive
from asal_jax.models.classifier import Scorer
from asal_jax.pools import blocks
from asal_jax.pools.blocks import fold_blocks, map_blocks
from asal_jax.pools.kinds import MappedPool
from asal_jax.rng import seed_keys
from asal_jax.search.features import fit_pca
from asal_jax.store.rows import Partial
from asal_jax.types import LabelledSet

sizes = pytest.mark.parametrize("n", [1, 3, 8, 9, 15, 16, 21])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
  monkeypatch.setattr(blocks, "block_size", lambda n: min(n, 8))


def images(n):
  return np.random.default_rng(n).integers(0, 256, (n, 2, 3, 1), np.uint8)


@sizes
def test_fold_sees_each_row_once(n):
  def add(carry, block, fresh):
    assert block.shape == (min(8, n), 2, 3, 1)
    return carry[0] + jnp.sum(block * fresh[:, None, None, None], axis=0, dtype=jnp.int32), carry[
      1
    ] + fresh.sum()

  first = (jnp.zeros((2, 3, 1), jnp.int32), jnp.int32(0))
  total, count = jax.jit(lambda x: fold_blocks(add, first, x))(jnp.asarray(images(n)))
  np.testing.assert_array_equal(total, images(n).astype(int).sum(axis=0))
  assert count == n


@sizes
def test_map_keeps_the_order(n):
  def function(block):
    assert block.shape[0] == min(8, n)
    return block[:, :, 0, 0].astype(jnp.float32) / 2

  mapped = jax.jit(lambda x: map_blocks(function, x))(jnp.asarray(images(n)))
  assert mapped.dtype == jnp.float32
  np.testing.assert_array_equal(mapped, images(n)[:, :, 0, 0] / 2)


def test_map_of_one_value_a_row():
  mapped = jax.jit(lambda x: map_blocks(lambda block: block[:, 0, 0, 0] > 99, x))(jnp.asarray(images(21)))
  np.testing.assert_array_equal(mapped, images(21)[:, 0, 0, 0] > 99)


class Watched(MappedPool):
  """A pool in a file that knows how many results were awaited when a block of it was read."""

  def __init__(self, images):
    super().__init__(images)
    self.results, self.most_awaited = [], 0

  def block(self, start, stop):
    self.most_awaited = max(self.most_awaited, sum(not result.is_ready() for result in self.results))
    return super().block(start, stop)

  def watched(self, function):
    """`function`, jitted, of whose results the pool knows."""
    jitted = jax.jit(function)

    def call(*args):
      found = jitted(*args)
      self.results += jax.tree.leaves(found)[:1]
      return found

    return call


def slow(images):
  """f32[m 2] of images [m h w c], slower than reading them."""
  rows = images.reshape(len(images), -1)[:, :2].astype(jnp.float32)
  grown = lax.fori_loop(0, 8, lambda _, x: jnp.tanh(x @ x), jnp.full((300, 300), rows.mean()))
  return rows + 1e-9 * grown[0, 0]


def scored(pool, folder, _):
  scorer = Scorer(pool.watched(lambda params, images: slow(images)[None, :, 0]), lambda *_: None)
  labelled = LabelledSet(np.array([[0]], np.int32), np.array([[1]], np.int32))
  exhaustive(pool, scorer, 3, Partial(folder / "partial.npz"))(seed_keys((0,)), 0, (), labelled)


def summed_up(pool, _, monkeypatch):
  monkeypatch.setattr(devices, "jit", pool.watched)
  fit_pca(lambda params, images: slow(images), (), pool, 1, (0.0, 1.0))


@pytest.mark.parametrize("passes", [scored, summed_up])
def test_no_more_is_read_than_the_block_after_the_one_in_use(passes, tmp_path, monkeypatch):
  monkeypatch.setattr(blocks, "READ", 8)
  pool = Watched(images(8 * 12))
  passes(pool, tmp_path, monkeypatch)
  assert len(pool.results) >= 12
  assert pool.most_awaited <= 1
