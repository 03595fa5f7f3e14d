"""The cells of the map: pools by imbalance, size and redundancy, learners, start sets."""

from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from asal_jax.types import Data, Splits
from configs import cifar_two, mnist_ten, mnist_two

BENCHMARKS = {"MNIST two": mnist_two, "MNIST ten": mnist_ten, "CIFAR two": cifar_two}

RARE = 0
"""The class that is made rare: of two and of ten the first one."""

CHEAP = (
  *("random", "entropy", "margin", "subpool50", "subpool200", "subpool1000"),
  *("seals", "badge200", "cluster_margin200", "coreset200", "density200", "anchoral200"),
  *("random_walk200", "labelled_walk50", "labelled_walk200"),
  *("balanced_walk50", "balanced_walk200", "balanced_walk1000"),
)
"""Strategies without a GAN."""

FEW = (
  "random",
  "entropy",
  "margin",
  "subpool50",
  "subpool200",
  "seals",
  "badge200",
  "balanced_walk50",
  "balanced_walk200",
)
"""The telling ones, where a network takes long to train."""

GAN = ("balanced_asal_walk50", "asal_critic", "asal_critic_rescore20", "asal_critic_walk200", "mixed_walk200")


ASCENT = {"synthesis.ascent_steps": 25, "synthesis.learning_rate": 0.04}
"""A quarter of the paper's steps, each four times as long: the same AUBC (0.6458 and 0.6460) in a quarter of it."""


class Cell(NamedTuple):
  """A pool and a learner.

  Of the pool the rare class is the share `rare` (None: as the data set has it); it has `images` different images
  (None: all), each `redundancy` times, jittered. `start_set` is as in `config.loop`, `score` as `config.score`.
  `held_out` marks the half on which the recommendation is confirmed; it was chosen on the others.
  """

  benchmark: str
  network: str
  rare: float | None
  images: int | None = None
  redundancy: int = 1
  start_set: str = "random"
  seeds: int = 20
  score: str = "entropy"
  gan: bool = False
  held_out: bool = False

  @property
  def name(self) -> str:
    """What it is called in the results."""
    rare = "as it is" if self.rare is None else f"{100 * self.rare:g} %"
    size = "all" if self.images is None else f"{self.images:,}"
    return (
      f"{self.benchmark}, {self.network}, rare {rare}, {size} x {self.redundancy}, {self.start_set} start"
      + ("" if self.score == "entropy" else f", {self.score}")
    )

  @property
  def strategies(self) -> tuple[str, ...]:
    """What is compared in it."""
    if self.network != "linear" or self.score != "entropy":
      return FEW
    return (*CHEAP, *GAN) if self.gan else CHEAP


def pool_rows(labels: np.ndarray, cell: Cell) -> np.ndarray:
  """The rows of the data set's pool that a cell has, rising; smaller shares are among larger ones."""
  order = np.random.default_rng(0).permutation(len(labels))
  rare, rest = order[labels[order] == RARE], order[labels[order] != RARE]
  share = len(rare) / len(order) if cell.rare is None else cell.rare
  # As many as the data set has of one of the two.
  total = min(len(rest) / (1 - share), len(rare) / share, cell.images or np.inf)
  return np.sort(np.concatenate([rare[: max(1, round(share * total))], rest[: round((1 - share) * total)]]))


def thinned(splits: Splits, cell: Cell) -> Splits:
  """A data set with the pool of a cell, without its jitter."""
  rows = pool_rows(splits.pool.labels, cell)
  return splits._replace(pool=Data(np.asarray(splits.pool.images)[rows], splits.pool.labels[rows]))


def settings(cell: Cell, pool: int) -> ConfigDict:
  """The job of a cell whose pool has `pool` different images; GANs are the reduced ones of the benchmark."""
  config = BENCHMARKS[cell.benchmark].get_config("small")
  ten = cell.benchmark == "MNIST ten"
  config.name = cell.name
  config.data.classes = ()  # Those of the benchmark are all that the pool has.
  config.strategies = cell.strategies
  config.seeds = tuple(range(cell.seeds))
  config.score = cell.score
  config.classifier.network = cell.network
  config.classifier.batch_size = 10 if cell.network == "linear" else 50
  config.loop.start, config.loop.per_cycle, config.loop.budget = (100, 10, 400) if ten else (20, 10, 320)
  config.loop.start_set = cell.start_set
  config.data.jitter = pool * cell.redundancy if cell.redundancy > 1 else 0
  config.gan.looks = 0
  config.index.name = "exact" if pool * cell.redundancy <= 200_000 else "pynndescent"
  return config


CELLS = (
  Cell("MNIST two", "linear", 0.01, gan=True),
  Cell("MNIST two", "linear", None, gan=True),
  Cell("MNIST two", "linear", 0.01, start_set="balanced", gan=True, held_out=True),
  Cell("MNIST two", "linear", 0.001, held_out=True),
  Cell("MNIST two", "linear", 0.1, held_out=True),
  Cell("MNIST two", "linear", None, images=500, redundancy=10),
  Cell("MNIST two", "linear", 0.01, images=500, redundancy=10, held_out=True),
  Cell("MNIST two", "linear", None, redundancy=10, held_out=True),
  Cell("MNIST two", "linear", 0.01, redundancy=10),
  Cell("MNIST two", "linear", 0.001, redundancy=10, start_set="stratified"),
  Cell("MNIST two", "linear", 0.001, redundancy=100, start_set="stratified", held_out=True),
  Cell("MNIST two", "linear", None, redundancy=100),
  Cell("CIFAR two", "linear", None, held_out=True),
  Cell("CIFAR two", "linear", 0.01),
  Cell("CIFAR two", "linear", 0.1),
  Cell("MNIST ten", "linear", None),
  Cell("MNIST ten", "linear", 0.001, held_out=True),
  Cell("MNIST ten", "linear", 0.01),
  Cell("MNIST ten", "linear", None, score="margin", held_out=True),
  Cell("MNIST ten", "linear", 0.01, score="margin"),
  Cell("MNIST two", "lenet5", None, seeds=5),
  Cell("MNIST two", "lenet5", 0.01, seeds=5, held_out=True),
  Cell("MNIST ten", "lenet5", None, seeds=5, held_out=True),
  Cell("MNIST ten", "lenet5", 0.01, seeds=5),
)
"""In the order in which they are run."""

SMALL = (CELLS[0], CELLS[1], CELLS[6])
"""The tenth of them that `make map-small` does again, without GANs."""
