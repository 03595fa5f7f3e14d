"""What is timed: MNIST ten with nets of width 16 and LeNet-5, on any number of jittered images."""

import pathlib
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from asal_jax import job
from asal_jax.labelling.oracle import start_sets
from asal_jax.models.classifier import make_classifier, make_fit
from asal_jax.rng import seed_keys
from asal_jax.types import Classifier, LabelledSet, Params, Splits
from configs import mnist_ten

SIZES = (160_000, 1_000_000, 4_000_000, 16_000_000)
LABELLED = 100

GAN_ITERATIONS, COUNTED_ITERATIONS = 1_000, 4_000
"""Iterations that the GAN is trained for here, as selections take no longer with a better one; and those of MNIST ten's
reduced runs, which the preparation counts: each takes as long as another."""


def make_config(n: int, index: str = "exact", subpool: int = 200) -> ConfigDict:
  """The reduced configuration of MNIST ten on n jittered images, choosing 10 for one seed."""
  config = mnist_ten.get_config("small")
  config.name = "Selection time"
  config.seeds = (0,)
  config.strategies = ("asal_critic",)
  config.subpool = subpool
  config.data.jitter = n
  config.gan.looks, config.gan.iterations = 0, GAN_ITERATIONS
  config.loop.start, config.loop.per_cycle = LABELLED, 10
  config.index.name = index
  return config


class Start(NamedTuple):
  """A cycle about to begin: classifiers [1 ...] trained on LABELLED samples, and these samples."""

  classifier: Classifier
  keys: Any
  params: Params
  labelled: LabelledSet


def make_start(config: ConfigDict, splits: Splits) -> Start:
  """Draws the start set and trains on it."""
  pool, labels = splits.pool
  pixel_range = tuple(config.data.pixel_range)
  classifier = make_classifier(config.classifier, pool.image_shape, len(splits.class_names), pixel_range)
  keys = seed_keys(config.seeds)
  ids = start_sets(keys[:1], labels, LABELLED, len(splits.class_names))
  fit = make_fit(classifier, config.classifier, pixel_range)
  params = fit(keys, 0, jnp.asarray(pool.read(ids)), jnp.asarray(labels[ids]), np.int32(LABELLED))
  return Start(classifier, keys, params, LabelledSet(ids, labels[ids]))


def load(config: ConfigDict, cache: pathlib.Path) -> Splits:
  """The data of a configuration; needs MNIST of tensorflow-datasets."""
  return job.load(config, None, cache)
