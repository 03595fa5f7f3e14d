"""A pool without labels: people give all of them, and the numbers are those of the pool's oracle."""

import csv

import jax
import jax.export
import numpy as np
import pytest
import tiny

import asal_jax
from asal_jax import job
from asal_jax.errors import InputError
from asal_jax.labelling import questions
from asal_jax.labelling.answers import KNOWN, Answer, Answers, now
from asal_jax.labelling.people import Channel
from asal_jax.running import asking
from asal_jax.store.journal import read_lines
from asal_jax.types import Data

SETTINGS = {"strategies": ("random", "entropy"), "seeds": (0,), "loop.start": 10, "loop.budget": 20}
LOADED = tiny.config(**SETTINGS)
SETTINGS |= {"data.classes": ()}
BY_ORACLE = tiny.config(**SETTINGS, **{"loop.start_set": "random"})
BY_PEOPLE = tiny.config(**SETTINGS, labeller="file")
PEOPLE = {"label_counts", "test_accuracy", "balanced_accuracy", "new_entropy", "labels"}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
  """Images as arrays, whose labels are known."""
  loaded = job.load(LOADED, None, tmp_path_factory.mktemp("data"))
  return loaded._replace(pool=Data(np.asarray(loaded.pool.images.images), loaded.pool.labels))


@pytest.fixture(scope="module")
def unlabelled(splits):
  pool = Data(splits.pool.images, np.full_like(splits.pool.labels, -1))
  return splits._replace(pool=pool, files=[f"photo {i}.jpg" for i in range(len(pool.labels))])


@pytest.fixture(scope="module")
def reference(splits, tmp_path_factory):
  return asal_jax.run(BY_ORACLE, splits, workdir=tmp_path_factory.mktemp("oracle"))


def answer(answers, workdir, truth):
  """One who knows: answers all that is open. `truth` are the labels of pool and test set."""
  for question in questions.posted(workdir):
    labels = truth[question.strategy == questions.TEST]
    for i, label in answers.labels(question).items():
      if label is None:
        name = answers.class_names[labels[i]]
        answers.add(Answer(i, "", name, "ann", now(), question.strategy, question.cycle))


def finished(config, splits, workdir, truth):
  """Runs the job again and again, answering in between: (result, how often it stopped)."""
  for stops in range(20):
    try:
      return asal_jax.run(config, splits, workdir=workdir), stops
    except InputError as error:
      if "rows in" not in str(error):
        raise
      answer(Answers(workdir, splits.class_names), workdir, truth)
  raise AssertionError("it never ends")


@pytest.fixture
def at_once(monkeypatch, splits, tmp_path):
  """The job of one whose answers are there as soon as it asks."""

  def channel(config, workdir, about, answers):
    truth = splits.pool.labels, splits.test.labels
    return Channel(lambda question: None, lambda: answer(answers, workdir, truth), True, str)

  monkeypatch.setitem(asking.CHANNELS, "file", channel)
  return lambda splits, config=BY_PEOPLE: asal_jax.run(config, splits, workdir=tmp_path)


def told(path, names=PEOPLE):
  return [{k: line[k] for k in ("strategy", "cycle", *sorted(names))} for line in read_lines(path)]


def test_numbers_of_people_are_those_of_the_oracle(reference, unlabelled, splits, tmp_path):
  result, stops = finished(BY_PEOPLE, unlabelled, tmp_path, (splits.pool.labels, ()))
  assert told(tmp_path / "metrics.jsonl") == told(reference.workdir / "metrics.jsonl")
  ours, theirs = (read_lines(path / "selections.jsonl") for path in (tmp_path, reference.workdir))
  assert [line["ids"] for line in ours] == [line["ids"] for line in theirs]
  assert stops == 5  # the start set, and two cycles of each strategy
  told_by_hand = list(csv.reader((tmp_path / "labels.csv").read_text().splitlines()))[1:]
  asked = {i for line in ours for i in line["ids"][0]}
  assert len(told_by_hand) == len(asked)
  assert {row[5] for row in told_by_hand} == {"start", "random", "entropy"}
  assert (tmp_path / "report.html").stat().st_size > 0
  assert result.summary["entropy"]["aubc"] == reference.summary["entropy"]["aubc"]


def test_a_question_says_what_the_classifier_thinks(at_once, unlabelled, tmp_path):
  at_once(unlabelled)
  start, first, *_ = questions.posted(tmp_path)
  assert start.probabilities is None
  thought = np.array(first.probabilities)
  assert thought.shape == (5, 2)
  np.testing.assert_allclose(thought.sum(axis=1), 1, atol=1e-3)
  entropy = -(thought * np.log(np.maximum(thought, 1e-9))).sum(axis=1).mean()
  rows = read_lines(tmp_path / "metrics.jsonl")
  [told] = [r["new_entropy"] for r in rows if (r["strategy"], r["cycle"]) == (first.strategy, 1)]
  assert entropy == pytest.approx(told, abs=1e-3)
  assert first.files == tuple(f"photo {i}.jpg" for i in first.ids)


def test_without_a_test_set_no_accuracy_is_told(at_once, unlabelled, splits, tmp_path):
  result = at_once(unlabelled._replace(test=Data(splits.test.images[:0], splits.test.labels[:0])))
  assert {r["test_accuracy"] for r in result.records} == {None}
  assert result.summary["entropy"]["aubc"] is None
  assert not (tmp_path / "figures" / "accuracy.png").exists()
  assert (tmp_path / "figures" / "entropy.png").exists()


def test_people_label_the_test_set_first(reference, at_once, unlabelled, splits, tmp_path):
  labels = np.where(np.arange(len(splits.test.labels)) < 3, splits.test.labels, -1)
  result = at_once(unlabelled._replace(test=Data(splits.test.images, labels)))
  assert questions.posted(tmp_path)[0].strategy == questions.TEST
  given = [line for line in Answers(tmp_path, splits.class_names).lines if line.strategy == questions.TEST]
  assert [line.who for line in given] == [KNOWN] * 3 + ["ann"] * (len(labels) - 3)
  assert result.summary["random"]["final_accuracy"] == reference.summary["random"]["final_accuracy"]


def test_labels_that_came_with_the_images_begin_the_start_set(at_once, unlabelled, splits, tmp_path):
  labels, given = unlabelled.pool.labels.copy(), np.arange(40, 46)
  labels[given] = splits.pool.labels[given]
  some = unlabelled._replace(pool=unlabelled.pool._replace(labels=labels))
  at_once(some)
  start = questions.posted(tmp_path)[0]
  assert start.ids[:6] == tuple(given)
  assert len(set(start.ids)) == len(start.ids)
  assert [
    line.id for line in Answers(tmp_path, some.class_names).lines if line.who == KNOWN
  ] == given.tolist()
  first = read_lines(tmp_path / "selections.jsonl")[0]
  assert first["ids"][0] == list(start.ids[:10])
  assert first["labels"][0][:6] == labels[given].tolist()


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"labeller": "pool"}, "labeller: found 'pool', but .* have no label"),
    ({"labeller": "file", "strategies": ("supervised",)}, "strategies: 'supervised' reads the labels"),
    ({"labeller": "file", "seeds": (0, 1, 2)}, "seeds: .*people would label 3 x 20 images a strategy"),
  ],
)
def test_what_needs_labels_is_refused(unlabelled, tmp_path, change, message):
  with pytest.raises(InputError, match=message):
    asal_jax.run(tiny.config(**{**SETTINGS, **change}), unlabelled, workdir=tmp_path)


def test_more_labels_than_the_budget_are_refused(unlabelled, splits, tmp_path):
  labels = np.where(np.arange(len(splits.pool.labels)) < 30, splits.pool.labels, -1)
  some = unlabelled._replace(pool=unlabelled.pool._replace(labels=labels))
  with pytest.raises(InputError, match=r"loop\.budget: found 20; 30 images have labels"):
    asal_jax.run(BY_PEOPLE, some, workdir=tmp_path)


def test_the_classifier_that_is_handed_over_is_the_last_one_measured(at_once, unlabelled, splits, tmp_path):
  one = tiny.config(**{**SETTINGS, "strategies": ("entropy",)}, labeller="file")
  result = at_once(unlabelled, one)
  rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
  assert [row["file"] for row in rows] == list(unlabelled.files)
  probability = np.array([float(row["probability"]) for row in rows])
  assert np.all((probability >= 0.5) & (probability <= 1))
  exported = jax.export.deserialize((tmp_path / "classifier" / "classifier.jaxexport").read_bytes())
  right = np.asarray(exported.call(splits.test.images)).argmax(axis=1) == splits.test.labels
  assert right.mean() == pytest.approx(result.records[-1]["test_accuracy"], abs=1e-6)


def test_a_budget_may_be_raised(at_once, unlabelled, tmp_path):
  few = tiny.config(**{**SETTINGS, "strategies": ("random",), "loop.budget": 15}, labeller="file")
  at_once(unlabelled, few)
  before = read_lines(tmp_path / "selections.jsonl")
  more = tiny.config(**{**SETTINGS, "strategies": ("random",), "loop.budget": 20}, labeller="file")
  result = at_once(unlabelled, more)
  assert [r["labels"] for r in result.records] == [10, 15, 20]
  assert read_lines(tmp_path / "selections.jsonl")[:2] == before
  with pytest.raises(InputError, match=r"belongs to another config \(it differs in loop\.budget\)"):
    at_once(unlabelled, few)
