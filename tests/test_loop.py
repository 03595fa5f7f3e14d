"""What counts as labelled, how labels are obtained, what a rejected sample does, what a stop leaves behind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from asal_jax.errors import InputError
from asal_jax.models.classifier import Accuracy, make_classifier, make_fit
from asal_jax.pools.kinds import ArrayPool
from asal_jax.rng import seed_keys, stream
from asal_jax.running.loop import (
  Labelled,
  Learner,
  Strategy,
  label_counts,
  obtain_labels,
  read_images,
  run_strategy,
)
from asal_jax.store.journal import Journal, read_lines
from configs.base import get_config

RNG = np.random.default_rng(0)
POOL = RNG.integers(0, 256, (9, 4, 4, 1), np.uint8)
SEEDS, KEYS = (0, 1), seed_keys((0, 1))
FIRST = {"ids": [[0, 1, 2], [2, 1, 8]], "labels": [[1, 0, -1], [-1, -1, 0]]}


def add(labelled, selection):
  labelled.add(selection, read_images(ArrayPool(POOL), selection["ids"]))


def labelled_pool():
  labelled = Labelled((4, 4, 1), 2, 7)
  add(labelled, FIRST)
  return labelled


def test_labelled_samples_stand_in_the_order_given_with_their_images():
  labelled = labelled_pool()
  add(labelled, {"ids": [[8, 5], [0, 3]], "labels": [[1, 1], [0, -1]]})
  assert labelled.count == 5
  # What was rejected is among the ids: it must not be chosen again.
  np.testing.assert_array_equal(labelled.ids[:, :5], [[0, 1, 2, 8, 5], [2, 1, 8, 0, 3]])
  np.testing.assert_array_equal(labelled.labels[:, :5], [[1, 0, -1, 1, 1], [-1, -1, 0, 0, -1]])
  np.testing.assert_array_equal(labelled.images[:, :5], POOL[labelled.ids[:, :5]])
  np.testing.assert_array_equal(label_counts(labelled, 3), [[1, 3, 0], [2, 0, 0]])


def test_synthetic_samples_have_no_ids():
  labelled, made = labelled_pool(), RNG.integers(0, 256, (2, 2, 4, 4, 1), np.uint8)
  for _ in range(2):
    labelled.add({"ids": None, "labels": [[1, -1], [0, 0]]}, made)
  np.testing.assert_array_equal(labelled.ids[:, 3:], -1)
  np.testing.assert_array_equal(labelled.images[:, 3:], np.concatenate([made, made], axis=1))


@pytest.mark.parametrize(
  "ids", [[[3, 4], [4, 1]], [[3, 2], [4, 5]], [[3, 4], [-1, 5]], [[3, 9], [4, 5]], [[3, 3], [4, 5]]],
  ids=["labelled", "rejected", "no sample", "beyond the pool", "twice"],
)  # fmt: skip
def test_what_is_no_unlabelled_sample_is_refused(ids):
  labelled = labelled_pool()
  with pytest.raises(InputError, match=r"selections.jsonl is damaged, or the strategy"):
    add(labelled, {"ids": ids, "labels": [[0, 0], [0, 0]]})
  assert labelled.count == 3


def test_labels_obtained_are_in_the_journal(tmp_path):
  journal = Journal(tmp_path, SEEDS)
  asked = journal.selection("random", 1, np.array([[3, 4], [4, 5]]), [0.1, 0.2], 0.5)
  strategy = Strategy("random", None, None, lambda selection: np.array(selection["ids"], np.int32) % 2)
  labelled = obtain_labels(strategy, asked, journal)
  assert labelled == {**asked, "labels": [[1, 0], [0, 1]]}
  assert read_lines(journal.selections_path) == [labelled]
  assert journal.selections == {("random", 1): labelled}


@pytest.mark.parametrize(("error", "kept"), [(InputError("fill it in"), True), (KeyError("a bug"), False)])
def test_a_selection_without_its_labels_is_kept_for_a_person(tmp_path, error, kept):
  journal = Journal(tmp_path, SEEDS)
  asked = journal.selection("gaal_people", 1, None, [0.1, 0.2], 0.5)

  def label(_):
    raise error

  with pytest.raises(type(error), match=r"fill it in|a bug"):
    obtain_labels(Strategy("gaal_people", None, None, label), asked, journal)
  assert read_lines(journal.selections_path) == [asked] * kept


@pytest.mark.parametrize("shared", [False, True])
def test_a_rejected_sample_teaches_nothing(shared):
  config = get_config().classifier
  config.update({"epochs": 3, "batch_size": 2})
  classifier = make_classifier(config, (4, 4, 1), 2, (0.0, 1.0))
  fit = make_fit(classifier, config, (0.0, 1.0), shared)

  def train(labels, changed=()):
    images = POOL[:5].copy()
    images[list(changed)] = 255 - images[list(changed)]
    images = images if shared else np.stack([images] * 2)
    labels = np.array([labels] * 2, np.int32)
    return jax.tree.leaves(fit(KEYS, 1, jnp.asarray(images), labels, np.int32(5)))

  def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))

  labels = [0, -1, 1, 1, -1]
  assert same(train(labels), train(labels, changed=(1, 4)))
  assert not same(train(labels), train(labels, changed=(2,)))
  assert not same(train(labels), train([0, 0, 1, 1, 0]))
  fresh = jax.vmap(lambda key: classifier.init(stream(key, "weights", 1)))(KEYS)
  assert same(train([-1] * 5), jax.tree.leaves(fresh))


class Told(Exception):
  """Stands for a kill."""


class Person:
  """A strategy that asks for the next ids and is told labels, but for each `breaks` once an error."""

  def __init__(self, journal, breaks):
    self.journal, self.breaks, self.events = journal, list(breaks), []

  def break_at(self, *event):
    self.events.append(event)
    if event in self.breaks:
      self.breaks.remove(event)
      raise (InputError if event[0] == "label" else Told)("stop")

  def choose(self, cycle, params, labelled):
    self.break_at("choose", cycle, *params.tolist())
    ids = np.array([np.setdiff1d(np.arange(9), row)[:2] for row in labelled.ids])
    return self.journal.selection("toy", cycle, ids, [0.0, 0.0], 0.0)

  def label(self, selection):
    self.break_at("label", selection["cycle"])
    return np.array([[0, -1], [1, 1]], np.int32)


def run_toy(folder, breaks=()):
  """All cycles of a toy whose classifiers are (the cycle, how many labels) they were trained on."""
  learner = Learner(
    lambda keys, cycle, images, labels, count: jnp.array([cycle, count]),
    lambda params, images, labels: Accuracy(params / 10, params / 20, params),
    jnp.asarray(POOL), jnp.zeros(9, jnp.int32), 2,
  )  # fmt: skip
  events = []
  while True:
    journal = Journal(folder, SEEDS)
    if ("toy", 0) not in journal.selections:
      journal.add_selection({**journal.selection("toy", 0, np.array(FIRST["ids"]), None, None), **FIRST})
    person = Person(journal, breaks)
    images = lambda selection: read_images(ArrayPool(POOL), selection["ids"])  # noqa: E731
    strategy = Strategy("toy", person.choose, images, person.label)
    try:
      run_strategy(strategy, Labelled((4, 4, 1), 2, 7), 3, KEYS, learner, journal)
      return events + person.events, journal
    except (InputError, Told):
      events += person.events
      breaks = person.breaks


def test_rejected_samples_count_against_the_budget_alone(tmp_path):
  rows = run_toy(tmp_path)[1].records()
  assert [(r["cycle"], r["seed"], r["labels"], r["label_counts"]) for r in rows] == [
    (0, 0, 3, [1, 1]), (0, 1, 3, [1, 0]),
    (1, 0, 5, [2, 1]), (1, 1, 5, [1, 2]),
    (2, 0, 7, [3, 1]), (2, 1, 7, [1, 4]),
  ]  # fmt: skip


@pytest.mark.parametrize(
  "breaks", [[("label", 1)], [("label", 1), ("label", 1), ("label", 2)], [("choose", 2, 1, 5), ("label", 2)]]
)
def test_a_run_that_waits_for_labels_goes_on_where_it_stopped(tmp_path, breaks):
  (tmp_path / "whole").mkdir()
  plain, whole = run_toy(tmp_path / "whole")
  events, journal = run_toy(tmp_path, breaks)
  # Each choice is made once, by classifiers of the cycle before; what broke is done again.
  assert plain == [("choose", 1, 0, 3), ("label", 1), ("choose", 2, 1, 5), ("label", 2)]
  assert sorted(events) == sorted([*plain, *breaks])
  assert list(dict.fromkeys(events)) == plain
  assert read_lines(journal.selections_path)[-1] == journal.selections["toy", 2]
  assert journal.selections == whole.selections
  assert tiny.without_seconds(journal.records()) == tiny.without_seconds(whole.records())
