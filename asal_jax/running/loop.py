"""The active-learning loop on one page: choose, have it labelled, train from scratch, measure; all seeds at once."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Int32, Key, UInt8

from asal_jax import devices, processes
from asal_jax.acquisition.table import World
from asal_jax.errors import InputError, NotFinite
from asal_jax.models.classifier import Accuracy
from asal_jax.running.watch import watch_classifiers, watch_latents
from asal_jax.store.journal import Journal, Record
from asal_jax.store.progress import Progress
from asal_jax.types import LabelledSet, Oracle, Params, Pool, Query


class Learner(NamedTuple):
  """The classifier's jitted fit and accuracy (see classifier.py), and the test set on device, if there is one."""

  fit: Callable[..., Params]
  accuracy: Callable[..., Accuracy]
  test_images: UInt8[Array, "n h w c"] | None
  test_labels: Int32[Array, " n"]
  classes: int


class Labelled:
  """What a strategy has had labelled, for all seeds, in buffers of fixed capacity; rows from `count` on are free.

  `images` uint8 [s, capacity, h, w, c]: read once, when they are labelled, so that training never touches the pool;
  `labels` int32 [s, capacity], -1 for what was rejected; `ids` int32 [s, capacity], -1 for what is not of the pool.
  """

  def __init__(self, image_shape: tuple[int, int, int], seeds: int, capacity: int):
    self.images = np.zeros((seeds, capacity, *image_shape), np.uint8)
    self.labels, self.ids = np.zeros((seeds, capacity), np.int32), np.full((seeds, capacity), -1, np.int32)
    self.count = 0

  def add(self, selection: Record, images: UInt8[Any, "s b h w c"]) -> None:
    """Appends a selection with its images; InputError where it names a sample twice, or one labelled before."""
    labels = np.array(selection["labels"], np.int32)
    rows = slice(self.count, self.count + labels.shape[1])
    if selection["ids"] is not None:
      self.ids[:, rows] = np.array(selection["ids"], np.int32)
      known = np.sort(self.ids[:, : rows.stop], axis=1)
      if np.any((np.diff(known, axis=1) == 0) & (known[:, 1:] >= 0)):
        raise damaged()
    self.images[:, rows], self.labels[:, rows], self.count = images, labels, rows.stop

  @property
  def known(self) -> LabelledSet:
    """Ids and labels of what is labelled."""
    return LabelledSet(self.ids[:, : self.count], self.labels[:, : self.count])


class Everything(NamedTuple):
  """A pool labelled whole, as `Labelled` but for its images u8[n h w c], which all seeds share."""

  images: UInt8[Array, "n h w c"]
  labels: Int32[np.ndarray, "s n"]
  count: int


def damaged() -> InputError:
  """What a person is told of a selection that can not be."""
  return InputError(
    "selection: it asks for labelled samples again, or for none there is; selections.jsonl is damaged, or the strategy"
  )


def read_images(pool: Pool, ids: Any) -> UInt8[Any, "s b h w c"]:
  """A selection's images; InputError where it names no sample of the pool."""
  ids = np.array(ids, np.int32)
  if ids.min() < 0 or ids.max() >= len(pool):
    raise damaged()
  return np.asarray(pool.read(ids))


class Strategy(NamedTuple):
  """What a strategy does in a cycle.

  choose(cycle, classifiers [s ...], what is labelled) -> a selection, as of `Journal.selection`; images(selection) ->
  u8[s b h w c]; label(selection) -> int32[s b], -1 for what is rejected; InputError where a person has yet to give
  labels.
  """

  name: str
  choose: Callable[[int, Params, Labelled], Record]
  images: Callable[[Record], UInt8[Any, "s b h w c"]]
  label: Callable[[Record], Int32[np.ndarray, "s b"]]


def label_counts(labelled: Labelled | Everything, classes: int) -> Int[np.ndarray, "s k"]:
  """Labels of each class, a row a seed; what was rejected counts nowhere."""
  rows = labelled.labels[:, : labelled.count]
  return np.stack([np.bincount(row[row >= 0], minlength=classes) for row in rows])


def fit(learner: Learner, keys: Key[Array, " s"], cycle: int, labelled: Labelled | Everything) -> Params:
  """Classifiers of all seeds, trained from scratch on what is labelled."""
  return learner.fit(keys, cycle, labelled.images, labelled.labels, np.int32(labelled.count))


def measure(
  name: str,
  cycle: int,
  learner: Learner,
  keys: Key[Array, " s"],
  labelled: Labelled | Everything,
  journal: Journal,
) -> Params:
  """Trains, tests, and writes the cycle's metrics; returns the classifiers."""
  started = time.perf_counter()
  params = jax.block_until_ready(fit(learner, keys, cycle, labelled))
  seconds = (time.perf_counter() - started) / len(keys)
  accuracy = None
  if learner.test_images is not None:
    accuracy = jax.tree.map(np.asarray, learner.accuracy(params, learner.test_images, learner.test_labels))
  watch_classifiers(name, cycle, journal.seeds, params, accuracy)
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
    try:
      ids, calls = query(keys, cycle, params, labelled.known)
    except NotFinite as error:
      watch_latents(name, cycle, journal.seeds, error.finite)
      raise
    seconds = (time.perf_counter() - started) / len(keys)
    entropy = np.asarray(world.scorers["entropy"].images(params, world.pool.read(ids))).mean(axis=1)
    return journal.selection(name, cycle, ids, entropy, seconds, calls)

  return Strategy(name, choose, lambda selection: read_images(world.pool, selection["ids"]), label)


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
        selection = processes.agreed(strategy.choose(cycle, jax.block_until_ready(params), labelled))
      if selection["labels"] is None:
        selection = obtain_labels(strategy, selection, journal)
      labelled.add(selection, strategy.images(selection))
      params = None
      if (name, cycle) not in journal.metrics:
        params = measure(name, cycle, learner, keys, labelled, journal)
      accuracies = [a for row in journal.metrics[name, cycle] if (a := row["test_accuracy"]) is not None]
      shown = {"accuracy": float(np.mean(accuracies))} if accuracies else {}
      progress.update(1, labels=labelled.count, **shown)


def run_supervised(
  learner: Learner, keys: Key[Array, " s"], pool: Pool, oracle: Oracle, journal: Journal
) -> None:
  """The fully supervised reference: the whole pool is labelled, and in memory.

  `learner.fit` must be one of its own, made for shared images.
  """
  if ("supervised", 0) in journal.metrics:
    return
  n = len(pool)
  images = pool.resident
  if images is None:
    images = devices.place_rows(pool.block, (n, *pool.image_shape))
  labels = np.tile(oracle(np.arange(n, dtype=np.int32)), (len(keys), 1))
  with Progress("supervised", 1, unit="fit") as progress:
    measure("supervised", 0, learner, keys, Everything(images, labels, n), journal)
    progress.update(1, labels=n)
