"""Labels that are likely mistakes: those that a classifier trained on the other labels finds least probable."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, Key, UInt8
from ml_collections import ConfigDict

from asal_jax import devices
from asal_jax.models.classifier import make_fit, probabilities
from asal_jax.pools.blocks import map_blocks
from asal_jax.rng import stream
from asal_jax.types import Classifier, PixelRange, decode

FOLDS = 5
FEWEST = 4
"""Labels that a class needs for its own to be doubted: with fewer its folds are trained on next to none of it."""


class Doubts(NamedTuple):
  """Rows of the labelled set whose label was judged, the least probable label first.

  `rows` i32[m]; `given` f32[m] the probability of the label that people gave; `predicted` i32[m] the most probable
  class, and `probabilities` f32[m] its probability. `skipped`: classes with too few labels to be judged.
  """

  rows: Int32[np.ndarray, " m"]
  given: Float[np.ndarray, " m"]
  predicted: Int32[np.ndarray, " m"]
  probabilities: Float[np.ndarray, " m"]
  skipped: tuple[int, ...]


def deal(key: Key[Array, ""], labels: Int32[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
  """The fold of each row: FOLDS of them, whose shares of every class differ by one row at most."""
  order = np.asarray(jax.random.permutation(stream(key, "folds"), len(labels)))
  order = order[np.argsort(labels[order], kind="stable")]
  folds = np.empty(len(labels), np.int64)
  folds[order] = np.arange(len(labels)) % FOLDS
  return folds


def doubts(
  key: Key[Array, ""], classifier: Classifier, config: ConfigDict, pixel_range: PixelRange,
  images: UInt8[np.ndarray, "m h w c"], labels: Int32[np.ndarray, " m"], classes: int,
) -> Doubts | None:  # fmt: skip
  """Labels by their probability under a classifier of the same settings that was trained without them.

  `config` is `config.classifier`; rows of label -1 (rejected) count for nothing. None where fewer than two of the
  `classes` have FEWEST labels. All folds are one fit: they ride on the axis of the seeds, a fold's own labels taken
  out.
  """
  kept = np.flatnonzero(labels >= 0).astype(np.int32)
  images, labels = images[kept], labels[kept]
  counts = np.bincount(labels, minlength=classes)
  if np.sum(counts >= FEWEST) < 2:
    return None
  folds = deal(key, labels)
  others = np.where(folds[None] == np.arange(FOLDS)[:, None], np.int32(-1), labels[None])
  keys = jax.vmap(lambda fold: stream(key, "doubts", fold))(jnp.arange(FOLDS))
  params = make_fit(classifier, config, pixel_range, shared=True)(
    keys, 0, images, others, np.int32(len(labels))
  )

  def shares(params, images):
    return map_blocks(
      lambda block: probabilities(classifier.logits(params, decode(block, pixel_range))), images
    )

  of_folds = np.asarray(devices.jit(jax.vmap(shares, (0, None)))(params, images))
  found = of_folds[folds, np.arange(len(labels))]
  given = found[np.arange(len(labels)), labels]
  judged = np.flatnonzero(counts[labels] >= FEWEST)
  order = judged[np.argsort(given[judged], kind="stable")]
  skipped = tuple(int(k) for k in np.flatnonzero((counts > 0) & (counts < FEWEST)))
  best = found.argmax(axis=1).astype(np.int32)
  return Doubts(kept[order], given[order], best[order], found.max(axis=1)[order], skipped)
