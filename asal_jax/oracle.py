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


def start_set(
  key: Key[Array, ""], labels: Int32[np.ndarray, " n"], size: int, classes: int
) -> Int32[np.ndarray, " size"]:
  """`size` pool ids drawn without replacement, as many of each class as of any other (one more of the first).

  Raises InputError where a class has fewer samples than are asked for.
  """
  ids = []
  for k in range(classes):
    members = np.flatnonzero(labels == k)
    wanted = size // classes + (k < size % classes)
    if len(members) < wanted:
      raise InputError(
        f"loop.start: {size} needs {wanted} samples of class {k}, the pool has {len(members)}; lower it"
      )
    order = jax.random.permutation(stream(key, "start_set", k), len(members))
    ids.append(members[np.asarray(order[:wanted])])
  return np.concatenate(ids).astype(np.int32)
