"""The active-learning loop on one page: choose, have it labelled, train from scratch, measure; all seeds at once."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, Key, UInt8

from asal_jax.acquisition.strategy import World
from asal_jax.errors import InputError
from asal_jax.store.journal import Journal, Record
from asal_jax.store.progress import Progress
from asal_jax.types import Oracle, Params, Query


class Learner(NamedTuple):
  """The classifier's jitted fit and accuracy (see classifier.py), and the test set on device."""

  fit: Callable[..., Params]
  accuracy: Callable[..., Float[Array, " s"]]
  test_images: UInt8[Array, "n h w c"]
  test_labels: Int32[Array, " n"]
  classes: int


class Labelled:
  """What a strategy has had labelled, for all seeds, in buffers of fixed capacity; rows from `count` on are free.

  `images` uint8 [n h w c], for all seeds or with an axis of seeds before; `ids` int32 [s, capacity] are rows of it,
  `labels` int32 [s, capacity] has -1 for what was rejected, `mask` bool [s, n] is True for what must not be chosen.
  """

  def __init__(self, images: Any, ids: Int32[np.ndarray, "s capacity"], mask: Bool[np.ndarray, "s n"]):
    self.images, self.ids, self.mask = images, ids, mask
    self.labels, self.count = np.zeros_like(ids), 0

  def add(self, selection: Record) -> None:
    """Appends what a line of selections.jsonl says."""
    raise NotImplementedError

  def extend(self, labels: Int32[np.ndarray, "s b"]) -> slice:
    """Appends labels; returns their columns."""
    rows = slice(self.count, self.count + labels.shape[1])
    self.labels[:, rows] = labels
    self.count = rows.stop
    return rows


class LabelledPool(Labelled):
  """Labelled samples of the pool, whose images are shared by all seeds."""

  def __init__(self, images: UInt8[Array, "n h w c"], seeds: int, capacity: int):
    super().__init__(images, np.zeros((seeds, capacity), np.int32), np.zeros((seeds, len(images)), bool))

  def add(self, selection: Record) -> None:
    """Appends a selection; InputError where it names no unlabelled sample."""
    ids = np.array(selection["ids"], np.int32)
    twice = np.diff(np.sort(ids, axis=1), axis=1) == 0
    if ids.min() < 0 or twice.any() or np.take_along_axis(self.mask, ids, axis=1).any():
      raise InputError(
        "selection: it asks for labelled samples again; selections.jsonl is damaged, or the strategy"
      )
    self.ids[:, self.extend(np.array(selection["labels"], np.int32))] = ids
    np.put_along_axis(self.mask, ids, True, axis=1)


class Strategy(NamedTuple):
  """What a strategy does in a cycle.

  choose(cycle, classifiers [s ...], what is labelled) -> a selection, as of `Journal.selection`;
  label(selection) -> int32[s b], -1 for what is rejected; InputError where a person has yet to give labels.
  """

  name: str
  choose: Callable[[int, Params, Labelled], Record]
  label: Callable[[Record], Int32[np.ndarray, "s b"]]


def label_counts(labelled: Labelled, classes: int) -> Int[np.ndarray, "s k"]:
  """Labels of each class, a row a seed; what was rejected counts nowhere."""
  rows = labelled.labels[:, : labelled.count]
  return np.stack([np.bincount(row[row >= 0], minlength=classes) for row in rows])


def fit(learner: Learner, keys: Key[Array, " s"], cycle: int, labelled: Labelled) -> Params:
  """Classifiers of all seeds, trained from scratch on what is labelled."""
  count = np.int32(labelled.count)
  return learner.fit(keys, cycle, labelled.images, labelled.ids, labelled.labels, count)


def measure(
  name: str, cycle: int, learner: Learner, keys: Key[Array, " s"], labelled: Labelled, journal: Journal
) -> Params:
  """Trains, tests, and writes the cycle's metrics; returns the classifiers."""
  started = time.perf_counter()
  params = jax.block_until_ready(fit(learner, keys, cycle, labelled))
  seconds = (time.perf_counter() - started) / len(keys)
  accuracy = np.asarray(learner.accuracy(params, learner.test_images, learner.test_labels))
  counts = label_counts(labelled, learner.classes)
  journal.add_metrics(name, cycle, labelled.count, accuracy, counts, seconds)
  return params


def pool_strategy(
  name: str, query: Query, keys: Key[Array, " s"], world: World, label: Callable[[Record], Int32[np.ndarray, "s b"]],
  journal: Journal,
) -> Strategy:  # fmt: skip
  """A strategy that asks for samples of the pool, with their entropy under the classifiers that chose them."""

  def choose(cycle: int, params: Params, labelled: Labelled) -> Record:
    started = time.perf_counter()
    ids = query(keys, cycle, params, labelled.mask)
    seconds = (time.perf_counter() - started) / len(keys)
    entropy = np.asarray(world.scorers["entropy"].at(params, world.images, ids)).mean(axis=1)
    return journal.selection(name, cycle, ids, entropy, seconds)

  return Strategy(name, choose, label)


def obtain_labels(strategy: Strategy, selection: Record, journal: Journal) -> Record:
  """The selection with its labels, in the journal; without them it is kept there until a person has given them."""
  try:
    labels = strategy.label(selection)
  except InputError:
    journal.add_selection(selection)
    raise
  return journal.add_selection({**selection, "labels": labels.tolist()})


def run_strategy(
  strategy: Strategy,
  labelled: Labelled,
  cycles: int,
  keys: Key[Array, " s"],
  learner: Learner,
  journal: Journal,
) -> None:
  """All cycles of one strategy, from the start set in the journal; what the journal holds is not done again."""
  name, params = strategy.name, None
  with Progress(name, cycles, unit="cycle") as progress:
    for cycle in range(cycles):
      selection = journal.selections.get((name, cycle))
      if selection is None:
        if params is None:
          params = fit(learner, keys, cycle - 1, labelled)
        selection = strategy.choose(cycle, jax.block_until_ready(params), labelled)
      if selection["labels"] is None:
        selection = obtain_labels(strategy, selection, journal)
      labelled.add(selection)
      params = None
      if (name, cycle) not in journal.metrics:
        params = measure(name, cycle, learner, keys, labelled, journal)
      accuracy = np.mean([row["test_accuracy"] for row in journal.metrics[name, cycle]])
      progress.update(1, labels=labelled.count, accuracy=float(accuracy))


def run_supervised(
  learner: Learner, keys: Key[Array, " s"], images: UInt8[Array, "n h w c"], oracle: Oracle, journal: Journal
) -> None:
  """The fully supervised reference: the whole pool is labelled; `learner.fit` must be one of its own."""
  if ("supervised", 0) in journal.metrics:
    return
  pool = len(images)
  labelled = LabelledPool(images, len(keys), pool)
  ids = np.tile(np.arange(pool, dtype=np.int32), (len(keys), 1))
  labelled.add({"ids": ids, "labels": oracle(ids)})
  with Progress("supervised", 1, unit="fit") as progress:
    measure("supervised", 0, learner, keys, labelled, journal)
    progress.update(1, labels=pool)
