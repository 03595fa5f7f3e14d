"""The oracle: the only place where the method reads a pool label (checks and figures read them too)."""

import functools

import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Int32, Key

from asal_jax.errors import InputError
from asal_jax.rng import stream
from asal_jax.types import Oracle


def make_oracle(labels: Int32[np.ndarray, " n"]) -> Oracle:
  """An oracle that knows every label of the pool."""
  return lambda ids: labels[ids]


START_SETS = ("balanced", "stratified", "random")
"""How a start set is drawn: as many of each class, by class frequency, or from all samples alike."""


def class_sizes(labels: Int32[np.ndarray, " n"], size: int, classes: int, stratified: bool) -> list[int]:
  """How `size` samples are shared out: as many of each class (one more of the first), or by class frequency.

  By frequency means largest remainders, and at least one of each class.
  """
  if not stratified:
    return [size // classes + (k < size % classes) for k in range(classes)]
  exact = size * np.bincount(labels, minlength=classes) / len(labels)
  sizes = exact.astype(int)
  sizes[np.argsort(sizes - exact, kind="stable")[: size - sizes.sum()]] += 1
  for k in np.flatnonzero(sizes == 0):
    sizes[k] += 1
    sizes[sizes.argmax()] -= 1
  return sizes.tolist()


@functools.partial(jax.jit, static_argnames="sizes")
def draw(keys: Key[Array, " s"], sizes: tuple[tuple[int, int], ...]) -> list[Int32[Array, "s wanted"]]:
  """For each (members, wanted) of a class: so many of 0..members-1, without replacement."""

  def of_class(k: int, members: int, wanted: int):
    # Not vmap: the members of all seeds at once would be much for a large pool.
    return lax.map(lambda key: jax.random.permutation(stream(key, "start_set", k), members)[:wanted], keys)

  return [of_class(k, *size) for k, size in enumerate(sizes)]


def start_sets(
  keys: Key[Array, " s"], labels: Int32[np.ndarray, " n"], size: int, classes: int, kind: str = "balanced"
) -> Int32[np.ndarray, "s size"]:
  """`size` pool ids a seed drawn without replacement, as START_SETS say; but for 'random' `class_sizes` of each class.

  Raises InputError where a class has fewer samples than are asked for.
  """
  if kind == "random":
    choice = lambda key: jax.random.choice(stream(key, "start_set"), len(labels), (size,), replace=False)  # noqa: E731
    return np.asarray(lax.map(choice, keys))
  members, sizes = [np.flatnonzero(labels == k) for k in range(classes)], []
  for k, wanted in enumerate(class_sizes(labels, size, classes, kind == "stratified")):
    if len(members[k]) < wanted:
      raise InputError(
        f"loop.start: {size} needs {wanted} samples of class {k}, the pool has {len(members[k])}; lower it"
      )
    sizes.append((len(members[k]), wanted))
  ids = [
    of_class[np.asarray(drawn)] for of_class, drawn in zip(members, draw(keys, tuple(sizes)), strict=True)
  ]
  return np.concatenate(ids, axis=1).astype(np.int32)
