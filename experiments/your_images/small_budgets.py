"""Which classifier serves 20 to 300 random labels: networks on pixels, or a linear model on features.

  python -m experiments.your_images.small_budgets [--workdir=runs/small_budgets] [--sprites=FOLDER] [--sets mnist]

Needs MNIST and CIFAR-10 in TFDS_DATA_DIR, and for sprites a folder that experiments.sprites.make wrote. Reduced: pools
of 10,000 images, GANs of width 16 and auto-encoders after 1,000 iterations; both see no labels. A learner is a line of
small_budgets.jsonl; the same command goes on where it was stopped, and prints the table.
"""

import argparse
import itertools
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int
from ml_collections import ConfigDict

from asal_jax.models.classifier import make_accuracy, make_classifier, make_slices
from asal_jax.pools import data as data_sets
from asal_jax.pools.attributes import attribute_splits
from asal_jax.pools.kinds import ArrayPool
from asal_jax.reporting import pairs
from asal_jax.reporting.summary import interval
from asal_jax.rng import seed_keys
from asal_jax.running.prepare import Preparation
from asal_jax.search.features import make_features
from asal_jax.store.stages import Stages
from asal_jax.types import Data, Splits
from configs import celeba_hat, cifar_ten, mnist_ten
from experiments.speed.records import append, lines, surroundings

RESULTS = pathlib.Path(__file__).with_suffix(".jsonl")
SEEDS = (0, 1, 2, 3, 4)
Accuracies = dict[str, list[list[float]]]
"""By number of labels: rows of a value a seed."""

LABELS, EPOCHS = (20, 50, 100, 300), (10, 30, 100)
POOL, TEST = 10_000, 2_000
"""The first images of pool and test set."""

FEATURES = ("pixels", "autoencoder", "critic")
SCALES = {"one scale": None, "own scales": 0}
"""What a feature is divided by: the standard deviation of all of them, or its own (whitening)."""

STRENGTH = 0.1
"""Of the logistic regression's penalty, the inverse: scikit-learn's C."""


class Benchmark(NamedTuple):
  """Images of a data set, the settings of its GAN and auto-encoder, and the networks that are tried."""

  config: ConfigDict
  load: Callable[[pathlib.Path, str], Splits]
  networks: tuple[str, ...]


class Learner(NamedTuple):
  """`measure()` trains and tests it."""

  images: str
  name: str
  measure: Callable[[], Accuracies]


BENCHMARKS = {
  "mnist": Benchmark(
    mnist_ten.get_config("small"), lambda cache, _: data_sets.load("mnist", cache=cache), ("linear", "lenet5")
  ),
  "cifar10": Benchmark(
    cifar_ten.get_config("small"), lambda cache, _: data_sets.load("cifar10", cache=cache), ("linear", "lenet5")
  ),
  "sprites hat": Benchmark(
    celeba_hat.get_config("small"), lambda _, folder: attribute_splits(pathlib.Path(folder), "Wearing_Hat"),
    ("linear", "lenet5", "celeba"),
  ),
}  # fmt: skip


def first(data: Data, count: int) -> Data:
  """The first images as arrays."""
  return Data(np.asarray(data.images[:count]), data.labels[:count])


def features(config: ConfigDict, name: str, pool: Data, test: Data, cache: pathlib.Path) -> tuple[Data, Data]:
  """The 50 principal components of a feature set of pool and test set, f32[n 50]."""
  config = config.copy_and_resolve_references()
  config.gan.width = config.gan.critic_width = 16
  config.gan.iterations, config.gan.looks, config.index.name = 1_000, 0, "exact"
  config.autoencoder.iterations, config.precision = 1_000, "float32"
  stages, makes = Stages(cache / "stages.jsonl"), frozenset({"gan", "features"})
  found = Preparation(config, ArrayPool(pool.images), cache, makes, stages, lambda *_: None).feature_set(name)
  project = make_features(found.project, tuple(config.data.pixel_range))
  seen = np.asarray(project(found.params, test.images))
  return pool._replace(images=np.asarray(found.features)), test._replace(images=seen)


def samples(count: int) -> Int[np.ndarray, "s m"]:
  """The images that are labelled first, of `count`: a row a seed."""
  return np.stack([np.random.default_rng(seed).permutation(count)[: LABELS[-1]] for seed in SEEDS])


def of_network(config: ConfigDict, network: str, pool: Data, test: Data) -> Accuracies:
  """Of the project's own training on pixels: a row an element of EPOCHS; fewer labels and epochs where it is long."""
  section, pixel_range = config.classifier.copy_and_resolve_references(), tuple(config.data.pixel_range)
  # A network on 64x64 images takes minutes a hundred labels.
  large = network != "linear" and pool.images.shape[1] > 32
  counts, stops = (LABELS[:-1], EPOCHS[:-1]) if large else (LABELS, EPOCHS)
  section.update(network=network, epochs=stops[-1], batch_size=10, optimizer="adam", learning_rate=1e-3)
  classes, ids = int(pool.labels.max()) + 1, samples(len(pool.labels))
  classifier = make_classifier(section, pool.images.shape[1:], classes, pixel_range)
  begin, epochs = make_slices(classifier, section, pixel_range)
  accuracy, keys = make_accuracy(classifier, pixel_range, classes), seed_keys(SEEDS)
  images, labels, seen = pool.images[ids], pool.labels[ids], jax.device_put(tuple(test))
  found = {}
  for count in counts:
    state, found[str(count)] = begin(keys, count), []
    for start, stop in itertools.pairwise((0, *stops)):
      state = epochs(state, keys, count, images, labels, np.int32(count), start, stop)
      reached = np.asarray(accuracy(state.params, *seen).overall, np.float64)
      found[str(count)].append(reached.round(4).tolist())
  return found


def of_features(pool: Data, test: Data) -> Accuracies:
  """Of a logistic regression on features, fitted until it stands still: one row."""
  from sklearn.linear_model import LogisticRegression

  def accuracy(ids: Int[np.ndarray, " m"]) -> float:
    model = LogisticRegression(C=STRENGTH, max_iter=5_000).fit(pool.images[ids], pool.labels[ids])
    return round(float(model.score(test.images, test.labels)), 4)

  ids = samples(len(pool.labels))
  return {str(count): [[accuracy(row[:count]) for row in ids]] for count in LABELS}


def scaled(pool: Data, test: Data, axis: int | None) -> tuple[Data, Data]:
  """Both divided by the pool's standard deviation."""
  scale: Float32[np.ndarray, "..."] = pool.images.std(axis=axis)
  return pool._replace(images=pool.images / scale), test._replace(images=test.images / scale)


def learners(name: str, pool: Data, test: Data, cache: pathlib.Path) -> list[list[Learner]]:
  """All learners of a data set, those that take longer in later lists."""
  config, _, networks = BENCHMARKS[name]
  on = lambda feature, axis: of_features(*scaled(*features(config, feature, pool, test, cache), axis))  # noqa: E731
  found = {}
  for feature in FEATURES:
    of = [(f"logistic regression, {feature}, {scale}", axis) for scale, axis in SCALES.items()]
    found[feature] = [Learner(name, title, lambda f=feature, a=axis: on(f, a)) for title, axis in of]
  nets = [Learner(name, f"{of}, pixels", lambda of=of: of_network(config, of, pool, test)) for of in networks]
  return [found["pixels"], nets, found["autoencoder"], found["critic"]]


def table(records: list[dict]) -> str:
  """A row a data set and learner: accuracy in per cent at the end, and after the first number of epochs."""
  early = [f"{count}, {EPOCHS[0]} epochs" for count in LABELS]
  rows = [["images", "learner", *(f"{count} labels" for count in LABELS), *early]]
  rows.append(["---", "---", *["---:"] * (2 * len(LABELS))])
  for r in sorted(records, key=lambda r: [*BENCHMARKS].index(r["images"])):
    courses = [r["accuracy"].get(str(count), []) for count in LABELS]
    ends = [interval(course[-1]) if course else None for course in courses]
    late = [f"{100 * v['mean']:.1f} ±{100 * (v['high'] - v['mean']):.1f}" if v else "-" for v in ends]
    first = [f"{100 * np.mean(course[0]):.1f}" if len(course) > 1 else "-" for course in courses]
    rows.append([r["images"], r["learner"], *late, *first])
  return pairs.markdown(rows)


def main(workdir: pathlib.Path, sprites: str, sets: list[str]) -> None:
  cache = workdir / "cache"
  cache.mkdir(parents=True, exist_ok=True)
  jax.config.update("jax_compilation_cache_dir", str(workdir / "compiled"))
  about = surroundings("scikit-learn")
  del about["arguments"]  # Folders of this machine.
  heads, found = {}, []
  for name in sets:
    splits = BENCHMARKS[name].load(cache, sprites)
    pool, test = first(splits.pool, POOL), first(splits.test, TEST)
    shares = np.bincount(test.labels) / len(test.labels)
    heads[name] = {
      "pool": len(pool.labels),
      "test": len(test.labels),
      "largest_class": round(float(shares.max()), 4),
    }
    found.append(learners(name, pool, test, cache))
  for learner in itertools.chain(*itertools.chain(*zip(*found, strict=True))):
    if (learner.images, learner.name) not in {(r["images"], r["learner"]) for r in lines(RESULTS)}:
      line = {
        "images": learner.images,
        "learner": learner.name,
        "accuracy": learner.measure(),
        "seeds": SEEDS,
      }
      append(RESULTS, line | {"epochs": EPOCHS} | heads[learner.images] | about)
  print(table(lines(RESULTS)))


if __name__ == "__main__":
  parser = argparse.ArgumentParser("experiments.your_images.small_budgets", description=__doc__)
  parser.add_argument("--workdir", type=pathlib.Path, default=pathlib.Path("runs/small_budgets"))
  parser.add_argument("--sprites", default="runs/sprites")
  parser.add_argument("--sets", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
  asked = parser.parse_args()
  main(asked.workdir, asked.sprites, asked.sets)
