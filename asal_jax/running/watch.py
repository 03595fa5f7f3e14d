"""A watch on what a run computes: numbers that mean nothing any more stop it, in one line."""

import jax
import numpy as np
from jaxtyping import Float32

from asal_jax.errors import InputError
from asal_jax.models.classifier import LARGEST, Accuracy
from asal_jax.types import Params


def largest_weights(params: Params) -> Float32[np.ndarray, " s"]:
  """The largest size of a weight, by seed; NaN where one is none."""
  leaves = [np.abs(np.asarray(x)).reshape(len(x), -1).max(axis=1) for x in jax.tree.leaves(params)]
  return np.max(leaves, axis=0)


def watch_classifiers(
  name: str, cycle: int, seeds: tuple[int, ...], params: Params, accuracy: Accuracy | None
) -> None:
  """Raises InputError where a strategy's classifiers have diverged: by their logits of the test set, or weights."""
  what = "weights" if accuracy is None else "logits"
  sizes = largest_weights(params) if accuracy is None else np.asarray(accuracy.largest)
  for seed, size in zip(seeds, sizes, strict=True):
    if not size <= LARGEST:
      found = f"{what} of {size:.1g}" if np.isfinite(size) else f"{what} that are not finite"
      raise InputError(
        f"classifier.learning_rate: in cycle {cycle} of {name!r}, seed {seed}, the classifier has {found}; lower it, "
        "or train with classifier.optimizer=adam"
      )


def watch_latents(name: str, cycle: int, seeds: tuple[int, ...], finite: np.ndarray) -> None:
  """Raises InputError where the ascent of a seed has left the finite numbers; `finite` is bool[s]."""
  for seed in np.array(seeds)[~finite]:
    raise InputError(
      f"synthesis.learning_rate: in cycle {cycle} of {name!r}, seed {seed}, the ascent ends in latents or samples "
      "that are not finite; lower it"
    )
