"""Passes in blocks against one pass over everything."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax.pools import blocks
from asal_jax.pools.blocks import fold_blocks, map_blocks

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
