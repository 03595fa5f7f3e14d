"""The active-learning loop on one page: select, ask the oracle, train from scratch, measure; all seeds at once."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32, Key, UInt8
from ml_collections import ConfigDict

from asal_jax.errors import InputError
from asal_jax.journal import Journal
from asal_jax.progress import Progress
from asal_jax.strategy import World
from asal_jax.types import Oracle, Params, Query


class Learner(NamedTuple):
  """The classifier's jitted fit and accuracy (see classifier.py), and the test set on device."""

  fit: Callable[..., Params]
  accuracy: Callable[..., Float[Array, " s"]]
  test_images: UInt8[Array, "n h w c"]
  test_labels: Int32[Array, " n"]
  classes: int


class LabelledSet:
  """The labelled samples of all seeds, in buffers of fixed capacity; rows from `count` on are free.

  `ids` and `labels` are int32 [s, capacity], `mask` bool [s, n] is True for what is labelled.
  """

  def __init__(self, seeds: int, capacity: int, pool: int):
    self.ids = np.zeros((seeds, capacity), np.int32)
    self.labels = np.zeros((seeds, capacity), np.int32)
    self.mask: Bool[np.ndarray, "s n"] = np.zeros((seeds, pool), bool)
    self.count = 0

  def add(self, ids: Int32[np.ndarray, "s b"], oracle: Oracle) -> None:
    """Labels `ids` by the oracle and appends them; InputError where one is no unlabelled sample."""
    if ids.min() < 0 or np.take_along_axis(self.mask, ids, axis=1).any():
      raise InputError(
        "selection: it asks for labelled samples again; selections.jsonl is damaged, or the strategy"
      )
    rows = slice(self.count, self.count + ids.shape[1])
    self.ids[:, rows], self.labels[:, rows] = ids, oracle(ids)
    np.put_along_axis(self.mask, ids, True, axis=1)
    self.count = rows.stop

  def label_counts(self, classes: int) -> Int[np.ndarray, "s k"]:
    """Labels of each class, a row a seed."""
    return np.stack([np.bincount(row, minlength=classes) for row in self.labels[:, : self.count]])


def fit(learner: Learner, keys: Key[Array, " s"], cycle: int, world: World, labelled: LabelledSet) -> Params:
  """Classifiers of all seeds, trained from scratch on what is labelled."""
  return learner.fit(keys, cycle, world.images, labelled.ids, labelled.labels, np.int32(labelled.count))


def fit_start(learner: Learner, keys, world: World, start, oracle: Oracle, capacity: int) -> Params:
  """The classifiers of cycle 0, trained on the start set int32[s start]; `capacity` as in the run: no new compile."""
  labelled = LabelledSet(len(keys), capacity, len(world.images))
  labelled.add(start, oracle)
  return fit(learner, keys, 0, world, labelled)


def measure(
  name: str, cycle: int, learner: Learner, keys, world: World, labelled: LabelledSet, journal: Journal
) -> Params:
  """Trains, tests, and writes the cycle's metrics; returns the classifiers."""
  started = time.perf_counter()
  params = jax.block_until_ready(fit(learner, keys, cycle, world, labelled))
  seconds = (time.perf_counter() - started) / len(keys)
  accuracy = np.asarray(learner.accuracy(params, learner.test_images, learner.test_labels))
  journal.add_metrics(name, cycle, accuracy, labelled.label_counts(learner.classes), seconds)
  return params


def run_strategy(
  name: str, query: Query, config: ConfigDict, start: Int32[np.ndarray, "s start"], keys: Key[Array, " s"],
  world: World, learner: Learner, oracle: Oracle, journal: Journal,
) -> None:  # fmt: skip
  """All cycles of one strategy; what the journal holds already is not done again."""
  loop = config.loop
  cycles = (loop.budget - loop.start) // loop.per_cycle + 1
  labelled = LabelledSet(len(keys), loop.budget, len(world.images))
  params = None
  with Progress(name, cycles, unit="cycle") as progress:
    for cycle in range(cycles):
      selection = journal.selections.get((name, cycle))
      if selection is None and cycle == 0:
        selection = journal.add_selection(name, cycle, start, None, None)
      elif selection is None:
        if params is None:
          params = fit(learner, keys, cycle - 1, world, labelled)
        jax.block_until_ready(params)
        started = time.perf_counter()
        ids = query(keys, cycle, params, labelled.mask)
        seconds = (time.perf_counter() - started) / len(keys)
        entropy = np.asarray(world.scorers["entropy"].at(params, world.images, ids)).mean(axis=1)
        selection = journal.add_selection(name, cycle, ids, entropy, seconds)
      labelled.add(np.array(selection["ids"], np.int32), oracle)
      params = None
      if (name, cycle) not in journal.metrics:
        params = measure(name, cycle, learner, keys, world, labelled, journal)
      accuracy = np.mean([row["test_accuracy"] for row in journal.metrics[name, cycle]])
      progress.update(1, labels=labelled.count, accuracy=float(accuracy))


def run_supervised(learner: Learner, keys, world: World, oracle: Oracle, journal: Journal) -> None:
  """The fully supervised reference: the whole pool is labelled; `learner.fit` must be one of its own."""
  if ("supervised", 0) in journal.metrics:
    return
  pool = len(world.images)
  labelled = LabelledSet(len(keys), pool, pool)
  labelled.add(np.tile(np.arange(pool, dtype=np.int32), (len(keys), 1)), oracle)
  with Progress("supervised", 1, unit="fit") as progress:
    measure("supervised", 0, learner, keys, world, labelled, journal)
    progress.update(1, labels=pool)
