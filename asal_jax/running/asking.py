"""The questions of a run that people label: its test set, its start set, each cycle of a strategy."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int32, Key, UInt8
from ml_collections import ConfigDict

from asal_jax.errors import InputError
from asal_jax.labelling import label_studio, sheet
from asal_jax.labelling.answers import KNOWN, Answer, now
from asal_jax.labelling.oracle import make_oracle, start_sets
from asal_jax.labelling.page import channel as page
from asal_jax.labelling.people import People, names
from asal_jax.labelling.questions import START, TEST, About, Question
from asal_jax.running.loop import read_images
from asal_jax.store.journal import Record
from asal_jax.types import Data, Splits

CHANNELS = {
  "file": lambda config, workdir, about, answers: sheet.make_channel(workdir, about, answers),
  "page": lambda config, workdir, about, answers: page.make_channel(workdir),
  "label_studio": lambda config, workdir, about, answers: label_studio.make_channel(
    workdir, config.label_studio, about, answers
  ),
}
"""How people are asked, by `config.labeller`."""

NEED_LABELS = ("supervised", "gaal_stand_in")
"""Strategies that read labels of the whole pool."""


class Start(NamedTuple):
  """The start set: `ids` i32[s m] and `labels` i32[s m], -1 where a person rejected the image."""

  ids: Int32[np.ndarray, "s m"]
  labels: Int32[np.ndarray, "s m"]


def known(data: Data) -> bool:
  """Whether all labels are."""
  return bool(np.all(np.asarray(data.labels) >= 0))


def make_people(config: ConfigDict, splits: Splits, workdir: pathlib.Path) -> People | None:
  """Those who label in this run, None where the pool's labels do; InputError where these are needed and unknown."""
  unknown = int(np.sum(np.asarray(splits.pool.labels) < 0))
  for name in NEED_LABELS:
    if unknown and name in config.strategies:
      raise InputError(
        f"strategies: {name!r} reads the labels of the whole pool, {unknown} of {len(splits.pool.labels)} are not known"
      )
  if unknown and config.labeller == "pool":
    raise InputError(
      f"labeller: found 'pool', but {unknown} of {len(splits.pool.labels)} images have no label; allowed are then "
      f"{', '.join(CHANNELS)}"
    )
  if config.labeller == "pool" and "gaal_people" not in config.strategies:
    return None
  make = CHANNELS["file" if config.labeller == "pool" else config.labeller]
  about = About(config.name, splits.class_names, splits.folder, config.people)
  return People(workdir, about, lambda answers: make(config, workdir, about, answers))


def ask_first(people: People, config: ConfigDict, splits: Splits, keys: Key[Array, " s"]) -> None:
  """Asks for the labels of the test set and of the start set, where they are not known; waits for none.

  What was asked in an earlier start stands, though the budget may have been raised since.
  """
  test = splits.test
  if not known(test) and not people.was_asked(TEST, 0):
    ids = tuple(range(len(test.labels)))
    question = Question(TEST, 0, ids, names(splits.test_files, ids), len(ids))
    tell_known(people, question, test.labels)
    people.ask(question, np.asarray(test.images if splits.test_pictures is None else splits.test_pictures))
  if not known(splits.pool) and not people.was_asked(START, 0):
    question = start_question(config, splits, keys)
    tell_known(people, question, splits.pool.labels)
    people.ask(question, pictures(splits, question.ids))


def pictures(splits: Splits, ids: Sequence[int]) -> UInt8[np.ndarray, "m h w c"]:
  """What people are shown of the pool."""
  return read_images(splits.shown, [ids])[0]


def corrected(people: People, labels: dict[int, int]) -> dict[int, int]:
  """Labels of the pool's images, {id: label}, as people see them by now."""
  pool, found = Question(START, 0, (), (), 0), {}
  for i, label in labels.items():
    seen = people.answers.settled(pool, i)
    found[i] = label if seen is None else seen
  return found


def tell_known(people: People, question: Question, labels: Int32[np.ndarray, " n"]) -> None:
  """Adds as answers what labels came with the images of a question."""
  new = [
    Answer(i, file, people.answers.class_names[labels[i]], KNOWN, now(), question.strategy, question.cycle)
    for i, file in zip(question.ids, question.files, strict=True)
    if labels[i] >= 0 and not people.answers.given(question, i)
  ]
  people.tell(*new)


def start_question(config: ConfigDict, splits: Splits, keys: Key[Array, " s"]) -> Question:
  """What is known already, then random images; as many as are needed to see every class, up to the budget.

  InputError where more is known than the budget.
  """
  labels, loop = np.asarray(splits.pool.labels), config.loop
  given = np.flatnonzero(labels >= 0)
  if len(given) > loop.budget:
    raise InputError(
      f"loop.budget: found {loop.budget}; {len(given)} images have labels already, needed are as many or more"
    )
  order = start_sets(keys, labels, loop.budget, len(splits.class_names), "random")[0]
  ids = [*given.tolist(), *(i for i in order.tolist() if labels[i] < 0)][: loop.budget]
  first = max(loop.start, len(given))
  return Question(START, 0, tuple(ids), names(splits.files, ids), first, loop.per_cycle)


def cycle_question(
  selection: Record, splits: Splits, probabilities: Float[np.ndarray, "b k"] | None = None
) -> Question:
  """A selection of one seed, whose images people label, and what the classifier that chose them thinks."""
  strategy, cycle, ids = selection["strategy"], selection["cycle"], tuple(selection["ids"][0])
  thought = (
    None if probabilities is None else tuple(tuple(round(float(p), 4) for p in row) for row in probabilities)
  )
  return Question(strategy, cycle, ids, names(splits.files, ids), len(ids), probabilities=thought)


def synthetic_question(strategy: str, cycle: int, count: int) -> Question:
  """The synthetic images of a cycle: ids below 0, which no image of the pool has."""
  ids = tuple(-1 - cycle * count - row for row in range(count))
  return Question(strategy, cycle, ids, tuple(f"synthetic image {-i}" for i in ids), count)


def tested(people: People | None, splits: Splits) -> Splits:
  """The splits with a test set whose labels are known: people's, without what they rejected."""
  if people is None or known(splits.test):
    return splits
  ids, labels = (np.array(column, np.int32) for column in people.labels(TEST, 0))
  ids, labels = ids[labels >= 0], labels[labels >= 0]
  names = [splits.test_files[i] for i in ids] if splits.test_files else ()
  return splits._replace(test=Data(np.asarray(splits.test.images)[ids], labels), test_files=names)


def start_set(people: People | None, config: ConfigDict, splits: Splits, keys: Key[Array, " s"]) -> Start:
  """The start set and its labels, the pool's or people's."""
  if people is not None and not known(splits.pool):
    ids, labels = people.labels(START, 0)
    if not any(label >= 0 for label in labels):
      raise InputError(
        f"labels: none of the {len(ids)} images of the start set shows a class; remove the workdir to begin anew"
      )
    return Start(np.array([ids], np.int32), np.array([labels], np.int32))
  labels, loop = splits.pool.labels, config.loop
  ids = start_sets(keys, labels, loop.start, len(splits.class_names), loop.start_set)
  return Start(ids, make_oracle(labels)(ids))
