"""Named streams: reproducible, and distinct for distinct names, indices and their order."""

import pathlib
import re
import zlib

import jax
import jax.numpy as jnp
import numpy as np

import asal_jax
from asal_jax.rng import seed_keys, stream


def words(key):
  return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_streams_are_distinct_and_reproducible():
  uses = [(), ("a",), ("b",), ("a", 0), ("a", 1), ("a", 0, 1), ("a", 1, 0), ("a", 0, 0), ("b", 1)]

  def draw():
    return [words(stream(jax.random.key(0), *use) if use else jax.random.key(0)) for use in uses]

  assert len(set(draw())) == len(uses)
  assert draw() == draw()
  assert words(stream(jax.random.key(1), "a")) not in draw()


def test_traced_indices_give_the_same_streams():
  key = jax.random.key(3)
  traced = jax.jit(lambda i: stream(key, "batches", i, 2))
  for i in (0, 5):
    assert words(traced(i)) == words(traced(jnp.int32(i))) == words(stream(key, "batches", i, 2))


def test_seed_keys():
  keys = seed_keys((4, 0, 9))
  assert [words(key) for key in keys] == [words(jax.random.key(seed)) for seed in (4, 0, 9)]


def test_names_in_use_do_not_collide():
  sources = pathlib.Path(asal_jax.__file__).parent.rglob("*.py")
  names = {name for path in sources for name in re.findall(r'stream\(\w+, "(\w+)"', path.read_text())}
  assert {"weights", "batches", "latents", "start_set"} <= names
  assert len({zlib.crc32(name.encode()) for name in names}) == len(names)
