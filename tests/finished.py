"""A finished run in which people labelled digits, in a workdir, for the tests of what it leaves."""

import csv
import json

import jax
import numpy as np
import scipy.special
import scipy.stats

from asal_jax.labelling import questions
from asal_jax.labelling.answers import KNOWN, NA, UNSURE, Answer, Answers
from asal_jax.labelling.questions import START, TEST, Question
from asal_jax.models.classifier import make_classifier, make_fit
from asal_jax.pools.data import load_digits
from asal_jax.pools.kinds import ArrayPool
from asal_jax.reporting.handover import Asked, hand_over
from asal_jax.rng import seed_keys
from asal_jax.types import Data, Splits
from configs import digits

RANGE = (0.0, 1.0)
NASTY = '<script>alert("x")</script>&.png'
START_LABELS, PER_CYCLE, CYCLES = 50, 10, 3


def settings(**overrides):
  config = digits.get_config()
  config.update_from_flattened_dict(
    {
      "seeds": (3,),
      "name": "a <b>run</b>",
      "strategies": ("random",),
      "data.name": "folder",
      "loop.budget": 80,
      **overrides,
    }
  )
  return config


def trained(config, splits, ids, labels):
  """A classifier of a run and its params, fitted on ids and labels of the pool."""
  shape, classes = splits.pool.images.image_shape, len(splits.class_names)
  classifier = make_classifier(config.classifier, shape, classes, RANGE)
  fit = make_fit(classifier, config.classifier, RANGE)
  images = np.asarray(splits.pool.images.read(ids))
  params = fit(seed_keys(config.seeds), 0, images[None], labels[None], np.int32(len(ids)))
  return classifier, jax.tree.map(lambda x: x[0], params), images


def record(cycle, accuracy, entropy):
  labels = START_LABELS + cycle * PER_CYCLE
  return {
    "strategy": "random", "seed": 3, "cycle": cycle, "labels": labels, "test_accuracy": accuracy,
    "new_entropy": entropy, "label_counts": [labels], "train_seconds": 0.1, "select_seconds": 0.1,
  }  # fmt: skip


class Run:
  """A finished run on the digits in a workdir: ids are labelled in order, what is asked after the start has guesses."""

  def __init__(self, workdir, *, tested=True, named=True, labels=None, rejected=(55, 66), pool=None):
    workdir.mkdir(exist_ok=True)
    whole = load_digits()
    self.workdir, self.truth = workdir, whole.pool.labels
    names = tuple(f"sub/{i}.png" if i else NASTY for i in range(len(whole.pool.images))) if named else ()
    test = whole.test if tested else Data(whole.test.images[:0], whole.test.labels[:0])
    unknown = Data(pool or ArrayPool(whole.pool.images), np.full(len(self.truth), -1, np.int32))
    self.splits = Splits(unknown, test, whole.class_names, files=names)
    self.config = settings()
    self.ids = np.arange(START_LABELS + CYCLES * PER_CYCLE, dtype=np.int32)
    self.labels = (self.truth[self.ids] if labels is None else labels).astype(np.int32)
    self.labels[list(rejected)] = -1
    self.classifier, self.params, images = trained(self.config, self.splits, self.ids, self.labels)
    self.asked = Asked(self.ids, self.labels, images)
    self.answers = Answers(workdir, whole.class_names)
    self.post(rejected)
    accuracies = [0.8, 0.825, 0.85, 0.875] if tested else [None] * (CYCLES + 1)
    self.records = [record(c, a, 0.2 * c or None) for c, a in enumerate(accuracies)]
    about = {
      "arguments": ["--config=configs/<x>.py"],
      "commit": "abc",
      "versions": {"jax": "1"},
      "device": {},
    }
    (workdir / "config.json").write_text(json.dumps(about))

  def post(self, rejected):
    """Questions whose guess is right for every other image, and answers by two people, who disagree about id 7."""
    files = [self.splits.files[i] if self.splits.files else str(i) for i in self.ids]
    name = lambda i: self.splits.class_names[self.labels[i]] if self.labels[i] >= 0 else NA  # noqa: E731
    for cycle in range(CYCLES + 1):
      ids = range(START_LABELS) if not cycle else range(40 + 10 * cycle, 50 + 10 * cycle)
      guess = tuple(tuple(np.eye(10)[(self.labels[i] + i % 2) % 10].tolist()) for i in ids)
      question = Question(
        "random" if cycle else START, cycle, tuple(ids), tuple(files[i] for i in ids), len(ids),
        probabilities=guess if cycle else None,
      )  # fmt: skip
      questions.post(self.workdir, question, self.asked.images[list(ids)])
      given = [Answer(i, files[i], name(i), "ann <i>", "", question.strategy, cycle) for i in ids]
      self.answers.add(*given)
    if len(rejected):
      self.answers.add(Answer(rejected[0], files[rejected[0]], UNSURE, "ann <i>", "", "random", 1))
    self.answers.add(
      Answer(7, files[7], "0", "bob", "", START, 0), Answer(8, files[8], name(8), "bob", "", START, 0)
    )
    self.answers.add(Answer(9, files[9], name(9), KNOWN, "", KNOWN, 0))
    self.answers.add(Answer(0, "test", "1", "bob", "", TEST, 0))

  def hand_over(self):
    hand_over(
      self.config,
      self.splits,
      self.classifier,
      self.params,
      self.asked,
      self.records,
      self.answers,
      self.workdir,
    )
    return self


def rows(workdir):
  with (workdir / "predictions.csv").open(newline="", encoding="utf-8") as file:
    return list(csv.DictReader(file))


def softmax_of(run):
  """The linear classifier in NumPy: probabilities f64[n k] of the whole pool."""
  dense = jax.tree.map(lambda p: np.asarray(p, float), run.params)["params"]["Dense_0"]
  pixels = np.asarray(run.splits.pool.images.block(0, len(run.truth)), float).reshape(-1, 64) / 255
  return scipy.special.softmax(pixels @ dense["kernel"] + dense["bias"], axis=1)
