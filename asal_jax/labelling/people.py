"""People who label: questions are shown by a channel, and the job waits, or stops, until they are answered."""

import pathlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.labelling import questions
from asal_jax.labelling.answers import Answer, Answers
from asal_jax.labelling.questions import About, Question
from asal_jax.store.progress import Progress, log

PAUSE = 0.3
"""Seconds between two looks at what was answered."""


class Channel(NamedTuple):
  """A way to people: a page, a sheet, another tool.

  deliver(question): shows a posted question, and what it has grown by; the same again is nothing. gather(): brings new
  answers into the answers' file, where the channel does not do that by itself. waits: whether the job waits for the
  answers; else it stops, and the same command goes on. hint(question): what a person is told to do.
  """

  deliver: Callable[[Question], None]
  gather: Callable[[], None]
  waits: bool
  hint: Callable[[Question], str]


class People:
  """Whoever labels the images of a workdir, by whichever channel; of several processes the first asks."""

  def __init__(self, workdir: pathlib.Path, about: About, make_channel: Callable[[Answers], Channel]):
    self.workdir = workdir
    self.answers = Answers(workdir, about.class_names, about.people)
    if processes.is_writer():
      questions.announce(workdir, about)
      self.channel = make_channel(self.answers)

  def ask(self, question: Question, images: UInt8[np.ndarray, "m h w c"]) -> None:
    """Shows a question, and does not wait; InputError where other images stand under its name."""
    if processes.is_writer():
      questions.post(self.workdir, question, images)
      self.channel.deliver(question)

  def tell(self, *given: Answer) -> None:
    """Adds answers that are known from elsewhere."""
    if processes.is_writer() and given:
      self.answers.add(*given)
    self.answers.refresh()

  def was_asked(self, strategy: str, cycle: int) -> bool:
    """Whether a strategy's question of a cycle was posted."""
    return processes.agreed(
      (questions.folder_of(self.workdir) / strategy / f"cycle_{cycle}" / "question.json").exists()
    )

  def labels(self, strategy: str, cycle: int) -> tuple[list[int], list[int]]:
    """(ids, labels) of a question that was asked, -1 for what is rejected; as soon as they are given.

    Raises InputError, which says what to do, where the channel's answers are not waited for and some are missing.
    """
    return processes.by_writer(self._labels)(strategy, cycle)

  def _labels(self, strategy: str, cycle: int) -> tuple[list[int], list[int]]:
    question = questions.read(questions.folder_of(self.workdir) / strategy / f"cycle_{cycle}")
    if not self._answered(question):
      if not self.channel.waits:
        raise InputError(self.channel.hint(question))
      self._wait(question)
    self.answers.write_csv(self.workdir / "labels.csv")
    return self.answers.outcome(question)

  def _answered(self, question: Question) -> bool:
    """Whether a question is done; what it has grown by is shown."""
    self.channel.gather()
    self.answers.refresh()
    if self.answers.done(question):
      return True
    self.channel.deliver(question)
    return False

  def _wait(self, question: Question) -> None:
    log.info("%s", self.channel.hint(question))
    shown = len(self.answers.outcome(question)[0])
    with Progress(
      f"labels for {question.strategy}", len(self.answers.labels(question)), shown, "image"
    ) as bar:
      while not self._answered(question):
        given = len(self.answers.outcome(question)[0])
        if given != shown:
          bar.update(given - shown)
          shown = given
        time.sleep(PAUSE)


def names(files: Sequence[str], ids: Sequence[int]) -> tuple[str, ...]:
  """What images are called: their paths, or numbers where they have none."""
  return tuple(files[i] if len(files) else f"image {i}" for i in ids)
