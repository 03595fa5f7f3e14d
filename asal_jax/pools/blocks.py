"""Passes over all images of a pool or test set, block by block, so that memory does not grow with the pool."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Int32, PyTree, Shaped, UInt8

from asal_jax import devices
from asal_jax.types import Pool

READ = 8192
"""Images read at a time from a pool that is not resident; a multiple of every `block_size`."""


def block_size(n: int) -> int:
  """Images decoded at a time out of n: what a CPU's caches hold, or enough to keep an accelerator busy."""
  return min(n, 128 if jax.default_backend() == "cpu" else 4096)


T = TypeVar("T")


def ahead(make: Callable[[int], T], count: int, start: int = 0) -> Iterator[T]:
  """`make(start)` ... `make(count - 1)` in order, each made by a thread while the one before it is used."""
  with ThreadPoolExecutor(1) as thread:
    pending = thread.submit(make, start) if start < count else None
    for i in range(start + 1, count + 1):
      assert pending is not None
      made = pending.result()
      pending = thread.submit(make, i) if i < count else None
      yield made


class Block(NamedTuple):
  """Images u8[m h w c] of the ids from `start` on; those below `fresh` were in the block before."""

  start: int
  fresh: int
  images: UInt8[Array, "m h w c"]


def block_rows(pool: Pool) -> int:
  """Images that `walk` yields at a time: the whole pool where it is resident."""
  return len(pool) if pool.resident is not None else min(READ, len(pool))


def walk(pool: Pool, first: int = 0) -> Iterator[Block]:
  """All images of a pool in order, from block `first` on: at once where it is resident, else read ahead.

  Blocks have one size, so the last one overlaps the one before it.
  """
  n, size = len(pool), block_rows(pool)
  if pool.resident is not None:
    if first == 0:
      yield Block(0, 0, pool.resident)
    return

  def read(i: int) -> Block:
    start = min(i * size, n - size)
    rows = lambda first, stop: pool.block(start + first, start + stop)  # noqa: E731
    return Block(start, i * size, devices.place_rows(rows, (size, *pool.image_shape)))

  yield from ahead(read, -(-n // size), first)


def sample_ids(n: int, most: int) -> Int32[np.ndarray, " m"]:
  """All of 0..n-1 where they are at most `most`, else so many of them, drawn once and for all, rising."""
  if n <= most:
    return np.arange(n, dtype=np.int32)
  return np.sort(np.random.default_rng(0).choice(n, most, replace=False)).astype(np.int32)


Sums = TypeVar("Sums")


def fold_blocks(
  function: Callable[[Sums, UInt8[Array, "m h w c"], Bool[Array, " m"]], Sums],
  carry: Sums,
  images: UInt8[Array, "n h w c"],
  fresh: Int32[Array, ""] | int = 0,
) -> Sums:
  """Folds `function(carry, block u8[m h w c], fresh bool[m])` over the images from row `fresh` on; inside jit.

  The last block overlaps the one before it; its rows that were seen already are not fresh. `function` adds to its
  carry: several devices each fold their own rows from zero, and the sums are added up.
  """
  if not devices.several():
    return _fold_blocks(function, carry, images, fresh)
  n = images.shape[0]
  even = n % jax.device_count() == 0

  def own(images, fresh):
    share, start, first = devices.own_rows(n)
    images = images if even else lax.dynamic_slice_in_dim(images, start, share)
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), carry)
    return lax.psum(_fold_blocks(function, zero, images, jnp.maximum(first, fresh) - start), devices.ALL)

  rows = PartitionSpec(devices.ALL) if even else PartitionSpec()
  specs = {"in_specs": (rows, PartitionSpec()), "out_specs": PartitionSpec()}
  sums = jax.shard_map(own, mesh=devices.mesh(), check_vma=False, **specs)(images, fresh)
  return jax.tree.map(jnp.add, carry, sums)


def _fold_blocks(function, carry, images, fresh):
  """`fold_blocks` on one device."""
  n, block = images.shape[0], block_size(images.shape[0])

  def body(i, carry):
    start = jnp.minimum(i * block, n - block)
    rows = start + jnp.arange(block)
    seen = (rows >= i * block) & (rows >= fresh)
    return function(carry, lax.dynamic_slice_in_dim(images, start, block), seen)

  return lax.fori_loop(0, -(-n // block), body, carry)


def map_blocks(
  function: Callable[[UInt8[Array, "m h w c"]], PyTree[Shaped[Array, "m ..."]]],
  images: UInt8[Array, "n h w c"],
) -> PyTree[Shaped[Array, "n ..."]]:
  """`function` of all images, row by row independent, a block at a time, each device its share; inside jit."""
  return devices.over_devices(functools.partial(_map_blocks, function), (0,))(images)


def _map_blocks(function, images):
  """`map_blocks` on one device."""
  n, block = images.shape[0], block_size(images.shape[0])
  shapes = jax.eval_shape(function, images[:block])

  def body(i, out):
    start = jnp.minimum(i * block, n - block)
    values = function(lax.dynamic_slice_in_dim(images, start, block))
    return jax.tree.map(lambda x, v: lax.dynamic_update_slice_in_dim(x, v, start, axis=0), out, values)

  zeros = jax.tree.map(lambda x: jnp.zeros((n, *x.shape[1:]), x.dtype), shapes)
  return lax.fori_loop(0, -(-n // block), body, zeros)
