"""All-CNN-C on all labels of CIFAR-10 for 150 epochs, a seed after the other; what a killed call had done stays done.

  python -m experiments.accelerator.all_cnn MADE FILE [--tiny]

FILE gets a line every EVERY epochs (`run` is its seed) and one at the end of each seed (`seed`). Checkpoints go below
MADE.
"""

import pathlib
import sys
import time

import jax
import numpy as np
from ml_collections import ConfigDict

from asal_jax.models.classifier import make_accuracy, make_classifier, make_slices
from asal_jax.models.train import chunks
from asal_jax.pools import data as data_sets
from asal_jax.rng import seed_keys
from asal_jax.store.checkpoint import Checkpoints, committed
from asal_jax.types import Data, Splits
from configs import cifar_ten
from experiments.accelerator.parts import readable
from experiments.speed.records import append, surroundings

SEEDS, EVERY, CYCLE = (0, 1, 2), 5, 0
TINY_SEEDS = (0,)


def settings(tiny: bool) -> ConfigDict:
  """CIFAR ten's, the paper's recipe; or seven epochs of small batches."""
  config = cifar_ten.get_config()
  config.precision = "float32" if tiny else "tensorfloat32"
  if tiny:
    config.classifier.update(epochs=7, batch_size=16, decay_epochs=(5,))
  return config


def train(seed: int, config: ConfigDict, splits: Splits, folder: pathlib.Path, file: pathlib.Path) -> None:
  """Trains on the whole pool from the newest checkpoint in `folder`, and leaves the lines of a seed."""
  section, pixel_range = config.classifier, tuple(config.data.pixel_range)
  pool, test, classes = splits.pool, jax.device_put(splits.test), len(splits.class_names)
  classifier = make_classifier(section, pool.images.shape[1:], classes, pixel_range)
  begin, epochs = make_slices(classifier, section, pixel_range, shared=True)
  accuracy = make_accuracy(classifier, pixel_range, classes)
  keys, count = seed_keys((seed,)), np.int32(len(pool.labels))
  images, labels = jax.device_put(pool.images), jax.device_put(pool.labels[None])
  with Checkpoints(folder) as checkpoints, jax.default_matmul_precision(config.precision):
    done = checkpoints.latest()
    shapes = jax.eval_shape(begin, keys, CYCLE)
    state = checkpoints.restore(shapes) if done else committed(begin(keys, CYCLE))
    for start, stop in chunks(done, section.epochs, EVERY):
      started = time.perf_counter()
      state = jax.block_until_ready(epochs(state, keys, CYCLE, images, labels, count, start, stop))
      seconds = time.perf_counter() - started
      reached = float(accuracy(state.params, *test).overall[0])
      append(file, {"run": seed, "epoch": stop, "test_accuracy": reached, "seconds": seconds})
      checkpoints.save(stop, state)
    reached = float(accuracy(state.params, *test).overall[0])
  taken = {r["epoch"]: r["seconds"] for r in readable(file) if r.get("run") == seed}
  append(file, {
    "seed": seed, "epochs": section.epochs, "labels": int(count), "test_accuracy": reached,
    "seconds": sum(taken.values()), "config": config.to_dict(), **surroundings(),
  })  # fmt: skip


def main(made: pathlib.Path, file: pathlib.Path, tiny: bool) -> None:
  file.parent.mkdir(parents=True, exist_ok=True)
  config, splits = settings(tiny), data_sets.load("cifar10", cache=made)
  if tiny:
    few = lambda data, n: Data(np.asarray(data.images[:n]), data.labels[:n])  # noqa: E731
    splits = splits._replace(pool=few(splits.pool, 48), test=few(splits.test, 100))
  for seed in TINY_SEEDS if tiny else SEEDS:
    if seed not in {r.get("seed") for r in readable(file)}:
      train(seed, config, splits, made / f"all_cnn-seed{seed}" / "checkpoints", file)


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:] == ["--tiny"])
