"""What people answered: `workdir/answers.jsonl`, a line an answer, on disk before anybody goes on.

Lines are only ever appended, each in one write and with its checksum (those of before there were any are read too), so
that a page, a running job and a person at a terminal may all add to them at once and be killed at any time.
"""

import csv
import datetime
import io
import pathlib
from collections import Counter
from typing import Any, NamedTuple

from asal_jax.errors import InputError
from asal_jax.labelling.questions import TEST, Question, asked
from asal_jax.store.files import append, log, opened, plain, sealed, write_whole

NA = "n.a."
"""What a person answers where an image shows no class; its label is -1."""

UNSURE = "?"
"""What a person answers who can not tell; its label is -1 too."""

KNOWN = "known"
"""In place of a person's name: labels that came with the images."""

COLUMNS = ("file", "label", "who", "when", "cycle", "strategy")
"""Of labels.csv."""


class Answer(NamedTuple):
  """One line: a person's answer about an image of the pool (of the test set, where `strategy` is TEST).

  label: a class name, NA or UNSURE; None takes this person's earlier answer back. id None: the person says that the
  labels of this question are enough. when: UTC, ISO 8601.
  """

  id: int | None
  file: str
  label: str | None
  who: str
  when: str
  strategy: str
  cycle: int


def now() -> str:
  """UTC, to the second."""
  return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Answers:
  """All answers of a workdir, and what they settle."""

  def __init__(self, workdir: pathlib.Path, class_names: tuple[str, ...], people: int = 1):
    self.path, self.class_names, self.people = pathlib.Path(workdir) / "answers.jsonl", class_names, people
    self.lines: list[Answer] = []
    self._of: dict[tuple[bool, int], dict[str, list[Answer]]] = {}
    self._enough: set[tuple[str, int]] = set()
    self._settled: dict[tuple[bool, int], int | None] = {}
    self._read, self._lines, self._sealed = 0, 0, False
    self.refresh()

  def refresh(self) -> None:
    """Takes in what was appended since the last look; a line that is not whole yet waits.

    Raises InputError, with the line, for what is no answer, or of another class.
    """
    if not self.path.exists():
      return
    with self.path.open("rb") as file:
      file.seek(self._read)
      new = file.read()
    whole = new[: new.rfind(b"\n") + 1]
    self._read += len(whole)
    for line in whole.split(b"\n")[:-1]:
      self._lines += 1
      said = opened(line)
      self._sealed = self._sealed or said is not None
      if said is None:
        said = plain(line)
        # A line torn by a kill was never shown as answered; what another said is asked again.
        if said is None or self._sealed:
          log.warning("labels: %s: line %d is damaged; what it said is not counted", self.path, self._lines)
          continue
      self._take(self._checked(said))

  def _checked(self, said: Any) -> Answer:
    """The answer in a line; InputError for what this project does not write."""
    types, meant = Answer.__annotations__, {*self.class_names, NA, UNSURE, None}
    whole = isinstance(said, dict) and said.keys() == types.keys()
    if not whole or not all(isinstance(said[k], types[k]) and type(said[k]) is not bool for k in types):
      raise InputError(
        f"labels: {self.path}: line {self._lines} is no answer ({said!r:.100}); mend or remove it"
      )
    if said["label"] not in meant:
      raise InputError(
        f"labels: {self.path}: line {self._lines} has the unknown class {said['label']!r:.60}; classes are "
        f"{', '.join(self.class_names)}"
      )
    return Answer(**said)

  def _take(self, answer: Answer) -> None:
    self.lines.append(answer)
    if answer.id is None:
      self._enough.add((answer.strategy, answer.cycle))
      return
    self._settled.pop((answer.strategy == TEST, answer.id), None)
    of_image = self._of.setdefault((answer.strategy == TEST, answer.id), {})
    if answer.label is None:
      of_image.pop(answer.who, None)
    else:
      of_image.setdefault(answer.who, []).append(answer)

  def add(self, *answers: Answer) -> None:
    """Appends answers, on disk when this returns; OSError where they can not be written."""
    append(self.path, [sealed(answer._asdict()) for answer in answers])
    self.refresh()

  def given(self, question: Question, image: int) -> dict[str, Answer]:
    """The latest answer of each person about an image of the question, whichever question asked for it."""
    of_image = self._of.get((question.strategy == TEST, image), {})
    return {who: answers[-1] for who, answers in of_image.items()}

  def times(self, question: Question, image: int, who: str) -> int:
    """How often a person has answered about an image."""
    return len(self._of.get((question.strategy == TEST, image), {}).get(who, ()))

  def disputed(self, question: Question, image: int) -> bool:
    """Whether people disagree about an image that is not settled."""
    labels = {answer.label for answer in self.given(question, image).values()}
    return len(labels) > 1 and self.settled(question, image) is None

  def settled(self, question: Question, image: int) -> int | None:
    """The label of an image: a class, -1 where it was rejected, None as long as it is open.

    So many people as are asked for must have answered. Where they disagree all are asked once more, or one more
    person; then the majority counts, and where there is none the image is rejected.
    """
    key = (question.strategy == TEST, image)
    if key not in self._settled:  # Asked for every image at every answer, by the page and by the job.
      self._settled[key] = self._settle(question, image)
    return self._settled[key]

  def _settle(self, question: Question, image: int) -> int | None:
    given = self.given(question, image)
    if len(given) < (1 if KNOWN in given else self.people):
      return None
    (label, votes), *_ = Counter(answer.label for answer in given.values()).most_common()
    again = all(self.times(question, image, who) > 1 for who in given)
    if votes < len(given) and not again and (len(given) == self.people or 2 * votes <= len(given)):
      return None
    if 2 * votes <= len(given) or label not in self.class_names:
      return -1
    return self.class_names.index(label)

  def labels(self, question: Question) -> dict[int, int | None]:
    """The label of each image that is asked for now, None where it is open."""
    ids = asked(question, self.settled, len(self.class_names))
    return {i: self.settled(question, i) for i in ids}

  def done(self, question: Question) -> bool:
    """Whether the question needs no more answers."""
    if (question.strategy, question.cycle) in self._enough:
      return True
    return None not in self.labels(question).values()

  def outcome(self, question: Question) -> tuple[list[int], list[int]]:
    """(ids, labels) of what is settled of a question, in its order."""
    found = {i: label for i, label in self.labels(question).items() if label is not None}
    return [*found.keys()], [*found.values()]

  def agreement(self) -> tuple[int, int]:
    """(images about which all who answered say the same, images that several people answered)."""
    several = [given for given in self._of.values() if len(given) > 1]
    same = [given for given in several if len({answers[-1].label for answers in given.values()}) == 1]
    return len(same), len(several)

  def write_csv(self, path: pathlib.Path) -> None:
    """labels.csv: the latest answer of each person about each image, in the order given, for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    latest = [answers[-1] for given in self._of.values() for answers in given.values()]
    for answer in sorted(latest, key=lambda a: a.when):
      writer.writerow([answer._asdict()[column] for column in COLUMNS])
    write_whole(path, text.getvalue())
