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


def start_set(
  key: Key[Array, ""], labels: Int32[np.ndarray, " n"], size: int, classes: int, kind: str = "balanced"
) -> Int32[np.ndarray, " size"]:
  """`size` pool ids drawn without replacement, as START_SETS say; but for 'random' `class_sizes` of each class.

  Raises InputError where a class has fewer samples than are asked for.
  """
  if kind == "random":
    return np.asarray(jax.random.choice(stream(key, "start_set"), len(labels), (size,), replace=False))
  ids = []
  for k, wanted in enumerate(class_sizes(labels, size, classes, kind == "stratified")):
    members = np.flatnonzero(labels == k)
    if len(members) < wanted:
      raise InputError(
        f"loop.start: {size} needs {wanted} samples of class {k}, the pool has {len(members)}; lower it"
      )
    order = jax.random.permutation(stream(key, "start_set", k), len(members))
    ids.append(members[np.asarray(order[:wanted])])
  return np.concatenate(ids).astype(np.int32)
