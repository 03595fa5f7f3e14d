"""Passes over all images of a pool or test set, block by block, so that memory does not grow with the pool."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Shaped, UInt8


def block_size(n: int) -> int:
  """Images decoded at a time out of n: what a CPU's caches hold, or enough to keep an accelerator busy."""
  return min(n, 128 if jax.default_backend() == "cpu" else 4096)


Sums = TypeVar("Sums")


def fold_blocks(
  function: Callable[[Sums, UInt8[Array, "m h w c"], Bool[Array, " m"]], Sums],
  carry: Sums,
  images: UInt8[Array, "n h w c"],
) -> Sums:
  """Folds `function(carry, block u8[m h w c], fresh bool[m])` over all images; inside jit.

  The last block overlaps the one before it; its rows that were seen already are not fresh.
  """
  n, block = images.shape[0], block_size(images.shape[0])

  def body(i, carry):
    start = jnp.minimum(i * block, n - block)
    fresh = start + jnp.arange(block) >= i * block
    return function(carry, lax.dynamic_slice_in_dim(images, start, block), fresh)

  return lax.fori_loop(0, -(-n // block), body, carry)


def map_blocks(
  function: Callable[[UInt8[Array, "m h w c"]], Shaped[Array, "m *rest"]], images: UInt8[Array, "n h w c"]
) -> Shaped[Array, "n *rest"]:
  """`function` of all images, row by row independent, a block at a time; inside jit."""
  n, block = images.shape[0], block_size(images.shape[0])
  shape = jax.eval_shape(function, images[:block])

  def body(i, out):
    start = jnp.minimum(i * block, n - block)
    values = function(lax.dynamic_slice_in_dim(images, start, block))
    return lax.dynamic_update_slice_in_dim(out, values, start, axis=0)

  return lax.fori_loop(0, -(-n // block), body, jnp.zeros((n, *shape.shape[1:]), shape.dtype))
