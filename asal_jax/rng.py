"""Named streams of randomness: one root key a seed, never split in place."""

import zlib

import jax
import numpy as np
from jaxtyping import Array, Int, Key


def stream(key: Key[Array, ""], name: str, *indices: int | Int[Array, ""]) -> Key[Array, ""]:
  """The key of the stream `name` at `indices` (cycle, epoch, iteration ...).

  Two uses never share a stream, so for one seed all strategies see the same start set, initial weights and
  data order whatever else they draw.
  """
  key = jax.random.fold_in(key, zlib.crc32(name.encode()))
  for index in indices:
    key = jax.random.fold_in(key, index)
  return key


def seed_keys(seeds: tuple[int, ...]) -> Key[Array, " s"]:
  """One root key a seed, stacked."""
  return jax.jit(jax.vmap(jax.random.key))(np.array(seeds, np.int32))
