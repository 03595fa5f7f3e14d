"""Figure 13: do the pool's matches of a GAN's samples have the labels that the samples are annotated with?"""

import json
import logging
import pathlib

import jax
from ml_collections import ConfigDict

from asal_jax import devices, job
from asal_jax.acquisition.table import FEATURES
from asal_jax.reporting.agreement import measure_agreement
from asal_jax.rng import stream
from asal_jax.running.prepare import Preparation
from asal_jax.running.workdir import surroundings
from asal_jax.store.stages import Stages
from asal_jax.types import encode
from experiments.paper import runs, table
from experiments.paper.runs import Run

SAMPLES = 1_300
"""The paper's number for each GAN."""


def measure(config: ConfigDict, workdir: pathlib.Path, cache: pathlib.Path, samples: int = SAMPLES) -> dict:
  """The agreement in each feature set, as `Agreement` has it, who annotated, and the classes; plain values.

  GAN, features and index must be in the cache, else InputError tells which stage to run. The samples are of random
  latents. They are annotated by the judge, a stand-in for the paper's person; what it rejects counts nowhere. Each
  class that is annotated weighs the same, as in the paper.
  """
  splits = job.load(config, None, cache)
  workdir.mkdir(parents=True, exist_ok=True)
  stages = Stages(workdir / "stages.jsonl")
  preparation = Preparation(config, splits.pool.images, cache, frozenset(), stages, lambda *_: None)
  with jax.default_matmul_precision(config.precision):
    gan, state = preparation.gan
    feature_sets = {name: preparation.feature_set(name) for name in FEATURES}
    judge, pixel_range = job.train_judge(config, splits, cache), tuple(config.data.pixel_range)
    z = jax.random.normal(stream(jax.random.key(config.gan.seed), "agreement"), (samples, gan.latent_dim))
    images = encode(devices.jit(gan.generate)(state.generator, z), pixel_range)
    found = measure_agreement(
      images, judge.label(images), feature_sets, splits.pool.labels, len(splits.class_names), pixel_range
    )
  about = {
    "annotated_by": "a classifier trained on all labels, a stand-in for a person",
    "classes": list(splits.class_names),
    "samples": samples,
  }
  return {**about, **{name: one._asdict() for name, one in found.items()}, **surroundings()}


def write(run: Run, scale: str, root: pathlib.Path = runs.ROOT) -> pathlib.Path:
  """agreement.json in the run's workdir."""
  config, workdir = runs.settings(run, scale, table.strategies(run)), root / runs.workdir(run, scale)
  logging.getLogger("asal_jax").setLevel(logging.INFO)
  path = workdir / "agreement.json"
  path.write_text(json.dumps(measure(config, workdir, root / runs.CACHE), indent=2) + "\n")
  return path
