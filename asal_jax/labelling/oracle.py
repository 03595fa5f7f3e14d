"""The oracle: the only place where the method reads a pool label (checks and figures read them too)."""

import jax
import numpy as np
from jaxtyping import Array, Int32, Key

from asal_jax.errors import InputError
from asal_jax.rng import stream
from asal_jax.types import Oracle


def make_oracle(labels: Int32[np.ndarray, " n"]) -> Oracle:
  """An oracle that knows every label of the pool."""
  return lambda ids: labels[ids]


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


def start_set(
  key: Key[Array, ""], labels: Int32[np.ndarray, " n"], size: int, classes: int, stratified: bool = False
) -> Int32[np.ndarray, " size"]:
  """`size` pool ids drawn without replacement, as many of each class as `class_sizes` says.

  Raises InputError where a class has fewer samples than are asked for.
  """
  ids = []
  for k, wanted in enumerate(class_sizes(labels, size, classes, stratified)):
    members = np.flatnonzero(labels == k)
    if len(members) < wanted:
      raise InputError(
        f"loop.start: {size} needs {wanted} samples of class {k}, the pool has {len(members)}; lower it"
      )
    order = jax.random.permutation(stream(key, "start_set", k), len(members))
    ids.append(members[np.asarray(order[:wanted])])
  return np.concatenate(ids).astype(np.int32)
