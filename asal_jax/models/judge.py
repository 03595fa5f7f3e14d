"""The judge: a classifier trained on all labels of the pool, and the score that it gives a GAN."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8
from ml_collections import ConfigDict

from asal_jax import devices
from asal_jax.errors import InputError
from asal_jax.models.classifier import LARGEST, make_fit
from asal_jax.models.classifier import probabilities as of_logits
from asal_jax.networks.layers import precision
from asal_jax.pools.blocks import map_blocks, sample_ids
from asal_jax.rng import stream
from asal_jax.store.checkpoint import Cache, Checkpoints, fingerprint, restored
from asal_jax.store.progress import log
from asal_jax.types import Classifier, Data, Params, PixelRange, Pool, Splits, decode

VERSION = 1
"""Raised when code changes what the same settings make, so that older judges are not used."""


MOST = 200_000
"""Images that a judge is trained on; of a larger pool a random sample of so many."""


class Judge(NamedTuple):
  """A classifier that has seen every label of the pool (up to MOST): a stand-in for a person.

  probabilities(images u8[n h w c]) -> f32[n k], column k of label k, k = 2 for two classes; label(images
  u8[n h w c]) -> i32[n], the most probable label, or -1 where it is less probable than the judge's confidence;
  `test_accuracy` is the share of the test set whose most probable label is right, None without one.
  """

  probabilities: Callable[[UInt8[np.ndarray, "n h w c"]], Float32[np.ndarray, "n k"]]
  label: Callable[[UInt8[np.ndarray, "n h w c"]], Int32[np.ndarray, " n"]]
  test_accuracy: float | None


def classifier_section(config: ConfigDict) -> ConfigDict:
  """`config.judge` as a classifier's section: by cross-entropy, whose outputs are probabilities.

  The network sees pixels as the learner's does. Its confidence is no part of it: it trains nothing.
  """
  section = {name: value for name, value in config.judge.items() if name != "confidence"}
  return ConfigDict({**section, "loss": "cross_entropy", "pixel_range": config.classifier.pixel_range})


def make_judge(
  classifier: Classifier, config: ConfigDict, confidence: float, splits: Splits, pixel_range: PixelRange,
  cache: Cache,
) -> Judge:  # fmt: skip
  """The judge of a data set: `classifier`, trained by its settings `config`; from the cache, or put there.

  It labels what it gives a class at least the probability `confidence`, and rejects the rest. It reads labels of the
  whole pool. It is for evaluation and as the stand-in labeller, never for selection.
  """
  params = _trained(classifier, config, splits.pool, len(splits.class_names), pixel_range, cache)

  @devices.jit
  def softmax(params, images):
    def block(images):
      logits = classifier.logits(params, decode(images, pixel_range))
      return of_logits(logits), jnp.max(jnp.abs(logits), axis=1)

    return map_blocks(block, images)

  def probabilities(images: UInt8[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n k"]:
    found, largest = (np.asarray(each) for each in softmax(params, images))
    if not np.all(largest <= LARGEST):
      raise diverged(float(largest.max()))
    return found

  def label(images: UInt8[np.ndarray, "n h w c"]) -> Int32[np.ndarray, " n"]:
    p = probabilities(images)
    return np.where(p.max(axis=1) < confidence, -1, p.argmax(axis=1)).astype(np.int32)

  accuracy = None
  if len(splits.test.labels):
    accuracy = float(np.mean(probabilities(splits.test.images).argmax(axis=1) == splits.test.labels))
  return Judge(probabilities, label, accuracy)


def _trained(
  classifier: Classifier, config: ConfigDict, pool: Data, classes: int, pixel_range: PixelRange, cache: Cache
) -> Params:
  """The classifier's parameters after training on the whole pool, or on a sample of MOST images."""
  images: Pool = pool.images
  ids = sample_ids(len(images), MOST)
  labels = np.asarray(pool.labels, np.int32)[ids]
  made_from = {
    "version": VERSION, "classifier": config.to_dict(), "classes": classes, "images": images.fingerprint(),
    "labels": fingerprint(labels), "pixel_range": list(pixel_range),
    "precision": precision(),
  }  # fmt: skip
  key = stream(jax.random.key(0), "judge")

  def make(folder: pathlib.Path) -> None:
    with Checkpoints(folder / "checkpoints") as checkpoints:
      if not checkpoints.latest():
        log.info("judge: training on %d labels of %d images", len(labels), len(images))
        fit = make_fit(classifier, config, pixel_range, shared=True)
        taken = images.resident if len(ids) == len(images) else None
        taken = jnp.asarray(images.read(ids)) if taken is None else taken
        params = fit(key[None], 0, taken, labels[None], np.int32(len(labels)))
        if not all(np.isfinite(p).all() for p in map(np.asarray, jax.tree.leaves(params))):
          raise diverged(np.nan)
        checkpoints.save(1, jax.tree.map(lambda p: p[0], params))

  folder = cache.once("judge", made_from, make)
  return restored(folder / "checkpoints", jax.eval_shape(classifier.init, key))


def diverged(size: float) -> InputError:
  """What a person is told of a judge whose logits, up to `size`, mean nothing."""
  found = f"as large as {size:.1g}" if np.isfinite(size) else "that are not finite"
  return InputError(f"judge.learning_rate: the judge (its seed is 0) has weights or logits {found}; lower it")


def classifier_score(probabilities: Float[np.ndarray, "n k"]) -> float:
  """exp of the mean over images x of KL(p(y|x) || p(y)), p(y) the mean of p(y|x): from 1 to k, larger = better.

  The Inception score's formula (Salimans et al. 2016, section 4), over all images at once. The probabilities are
  the judge's, not the Inception network's: it is no Inception score and compares only under one judge.
  """
  from scipy import special

  p = np.asarray(probabilities, np.float64)
  divergences = special.rel_entr(p, p.mean(axis=0, keepdims=True)).sum(axis=1)
  return float(np.exp(divergences.mean()))
