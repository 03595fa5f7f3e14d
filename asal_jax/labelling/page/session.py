"""Which image a person is shown next, and what becomes of an answer; nothing here knows of the page."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from asal_jax.errors import InputError
from asal_jax.labelling.answers import NA, UNSURE, Answer, Answers, now
from asal_jax.labelling.questions import START, TEST, Question

LEASE = 60.0
"""Seconds for which an image that one person looks at is not shown to another."""

RESERVED = "ux"
"""Letters that are commands of the page: undo, reject."""

ORDER = "1234567890abcdefghijklmnopqrstvwyz"
"""The keys of classes, in the order of the keyboard."""


def keys(class_names: Sequence[str]) -> list[str]:
  """The key of each class: its name where all are one letter or digit, else by their order; '' where keys run out."""
  folded = [name.lower() for name in class_names]
  if len(set(folded)) == len(folded) and all(len(name) == 1 and name in ORDER for name in folded):
    return folded
  return [*ORDER[: len(folded)], *[""] * (len(folded) - len(ORDER))]


class Turn(NamedTuple):
  """An image of a question that a person is to answer."""

  question: Question
  id: int


class Session:
  """The people who label one workdir; leases are in memory, answers on disk."""

  def __init__(self, answers: Answers, clock: Callable[[], float] = time.monotonic):
    self.answers, self.clock = answers, clock
    self._leases: dict[str, tuple[tuple[bool, int], float]] = {}

  def next(self, who: str, questions: Sequence[Question]) -> Turn | None:
    """The next image for a person, who has it alone for LEASE seconds; None where there is none now.

    The one this person has already; else the first open question's images in its order, those that people disagree
    about last.
    """
    held, _ = self._leases.pop(who, (None, 0.0))
    open_ = [turn for question in questions for turn in self._open(question) if self._free(turn, who)]
    if not open_:
      return None
    turn = next((turn for turn in open_ if key_of(turn) == held), open_[0])
    self._leases[who] = key_of(turn), self.clock() + LEASE
    return turn

  def _open(self, question: Question) -> list[Turn]:
    """What is asked of a question and not settled, in the order in which it is shown."""
    if self.answers.done(question):
      return []
    turns = [Turn(question, i) for i, label in self.answers.labels(question).items() if label is None]
    return sorted(turns, key=lambda turn: self.answers.disputed(*turn))

  def _free(self, turn: Turn, who: str) -> bool:
    """Whether an open image wants an answer of this person, and others are not about to give it."""
    given = self.answers.given(*turn)
    missing = self.answers.people - len(given)
    wanted = who not in given
    if missing <= 0:  # They disagree: each is asked once more.
      missing = sum(self.answers.times(*turn, name) < 2 for name in given)
      wanted = self.answers.times(*turn, who) < 2
    return wanted and len(self.looking([turn], who)) < missing

  def looking(self, turns: Sequence[Turn], who: str) -> list[str]:
    """Who else looks at one of these images."""
    held, now = {key_of(turn) for turn in turns}, self.clock()
    return [name for name, (key, end) in self._leases.items() if name != who and key in held and end > now]

  def others(self, who: str, questions: Sequence[Question]) -> tuple[int, list[str]]:
    """(images that are open, but not to this person now; who else looks at one of them)."""
    turns = [turn for question in questions for turn in self._open(question)]
    return len(turns), self.looking(turns, who)

  def history(self, who: str, questions: Sequence[Question]) -> list[Turn]:
    """What a person has answered and not taken back, the latest last."""
    named = {(q.strategy, q.cycle): q for q in questions}
    turns: dict[tuple[bool, int], Turn] = {}
    for line in self.answers.lines:
      if line.who == who and line.id is not None and (line.strategy, line.cycle) in named:
        turn = Turn(named[line.strategy, line.cycle], line.id)
        turns.pop(key_of(turn), None)
        if line.label is not None:
          turns[key_of(turn)] = turn
    return list(turns.values())

  def answer(self, turn: Turn, who: str, label: str, times: int) -> str:
    """Writes an answer down; what the person has to be told, or ''.

    times: how often this person had answered about the image when it was shown: the same answer sent twice counts
    once. An earlier answer is replaced, unless people disagreed and were asked again. Raises InputError for a label
    that is none.
    """
    if label not in (*self.answers.class_names, NA, UNSURE):
      raise InputError(f"label: found {label!r}; allowed are the classes, {NA!r} and {UNSURE!r}")
    self.answers.refresh()
    if times != self.answers.times(*turn, who):
      return ""
    given = self.answers.given(*turn)
    if who not in given and self.answers.settled(*turn) is not None:
      return f"{' and '.join(given)} answered this image meanwhile: your answer was not needed."
    if who not in given and self.answers.done(turn.question):
      return "This question was closed meanwhile: your answer was not needed."
    self._leases.pop(who, None)
    replaces = times == 1 and not self.answers.disputed(*turn)
    self.answers.add(*([_line(turn, who, None)] if replaces else []), _line(turn, who, label))
    return ""

  def undo(self, turn: Turn, who: str) -> None:
    """Takes a person's answer about an image back, where there is one; this person is asked for it again."""
    self.answers.refresh()
    if who in self.answers.given(*turn):
      self.answers.add(_line(turn, who, None))
      self._leases[who] = key_of(turn), self.clock() + LEASE

  def enough(self, question: Question, who: str) -> str:
    """Says that the labels of the start set are enough; what is in the way, or ''."""
    self.answers.refresh()
    if question.strategy != START:
      return "Only the start set can be ended early."
    if not any(label >= 0 for label in self.answers.outcome(question)[1]):
      return "No image has a class yet: label some first."
    if not self.answers.done(question):
      self.answers.add(Answer(None, "", None, who, now(), question.strategy, question.cycle))
    return ""


def _line(turn: Turn, who: str, label: str | None) -> Answer:
  """An answer given now."""
  question, image = turn
  file = question.files[question.ids.index(image)]
  return Answer(image, file, label, who, now(), question.strategy, question.cycle)


def key_of(turn: Turn) -> tuple[bool, int]:
  """An image, whichever question asks for it."""
  return turn.question.strategy == TEST, turn.id
