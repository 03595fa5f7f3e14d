"""What the page is told of a workdir: the image that a person is shown, and all that stands around it, as JSON."""

import pathlib
from typing import Any

from asal_jax.labelling import questions
from asal_jax.labelling.answers import NA, UNSURE, Answer, Answers
from asal_jax.labelling.page.pictures import Nearest
from asal_jax.labelling.page.session import Session, Turn, keys
from asal_jax.labelling.questions import START, TEST, Question

NEIGHBOURS = 3
"""Labelled images that are shown beside an image."""

SPOKEN = {NA: "rejected", UNSURE: "not sure"}
"""Answers that are no class, as the page says them."""

FINISHED = (
  "All is answered: waiting for the next images. A running job goes on by itself; one that was stopped goes on when it "
  "is started again."
)


class View:
  """A workdir as the page shows it; raises InputError where nobody was asked anything yet."""

  def __init__(self, workdir: pathlib.Path):
    self.workdir, self.about = workdir, questions.read_about(workdir)
    self.answers = Answers(workdir, self.about.class_names, self.about.people)
    self.session = Session(self.answers)
    self.asked: list[Question] = []
    self._nearest = Nearest(workdir, self.answers)

  def refresh(self) -> None:
    """Takes in what was asked and answered since the last look."""
    self.answers.refresh()
    self.asked = questions.posted(self.workdir, self.asked)

  def turn(self, name: str, image: int) -> Turn | None:
    """An image that people are asked about or have answered, None for all others."""
    question = next((q for q in self.asked if q.name == name), None)
    if question is None or image not in question.ids:
      return None
    known = image in self.answers.labels(question) or self.answers.given(question, image)
    return Turn(question, image) if known else None

  def show(self, who: str, back: int = 0, thinks: bool = False, note: str = "") -> dict[str, Any]:
    """What a person sees: the image to answer, or the one `back` answers ago.

    thinks: whether the person sees what the classifier thinks of an image before answering.
    """
    self.refresh()
    history = self.session.history(who, self.asked)
    back = min(back, len(history))
    turn = history[-back] if back else self.session.next(who, self.asked)
    of = turn.question if turn else next((q for q in self.asked[::-1] if not self.answers.done(q)), None)
    same, several = self.answers.agreement()
    return {
      "title": self.about.title,
      "classes": [
        {"name": name, "key": key}
        for name, key in zip(self.about.class_names, keys(self.about.class_names), strict=True)
      ],
      "task": turn and self._task(turn, who, thinks),
      "waiting": "" if turn else self._waiting(who),
      "progress": of and self._progress(of),
      "last": self._last(history[-1], who) if history else None,
      "back": back,
      "history": len(history),
      "agreement": f"People agree on {same} of {several} images that several answered." if several else "",
      "note": note,
    }

  def _task(self, turn: Turn, who: str, thinks: bool) -> dict[str, Any]:
    question, image = turn
    given = self.answers.given(question, image)
    disputed = self.answers.disputed(question, image)
    return {
      "question": question.name,
      "id": image,
      "file": question.files[question.ids.index(image)],
      "image": _address(turn),
      "given": given[who].label if who in given else "",
      "times": self.answers.times(question, image, who),
      "disputed": _dispute(given, who) if disputed else "",
      "thought": self._thought(turn) if thinks else "",
      "near": [
        {"image": f"{_address(near)}?stored", "label": self._settled(near)}
        for near in self._nearest.to(turn, self.asked, NEIGHBOURS)
      ],
    }

  def _progress(self, question: Question) -> dict[str, Any]:
    labels = self.answers.labels(question)
    seen = {*labels.values()}
    unseen = [name for k, name in enumerate(self.about.class_names) if k not in seen]
    settled = [label for label in labels.values() if label is not None]
    shows = {TEST: "Test set", START: "Start set"}
    return {
      "what": shows.get(question.strategy, f"{question.strategy}, cycle {question.cycle}"),
      "done": len(settled),
      "of": len(labels),
      "unseen": f"No image yet of: {', '.join(unseen)}." if question.strategy == START and unseen else "",
      "enough": question.strategy == START and any(label >= 0 for label in settled),
      "name": question.name,
    }

  def _last(self, turn: Turn, who: str) -> dict[str, Any]:
    label = self.answers.given(*turn)[who].label or ""
    file = turn.question.files[turn.question.ids.index(turn.id)]
    return {
      "question": turn.question.name,
      "id": turn.id,
      "label": SPOKEN.get(label, label),
      "file": file,
      "thought": self._thought(turn),
    }

  def _thought(self, turn: Turn) -> str:
    """What the classifier thinks of an image, '' where that is not known."""
    question, image = turn
    if not question.probabilities:
      return ""
    row = question.probabilities[question.ids.index(image)]
    best = max(range(len(row)), key=row.__getitem__)
    return f"{self.about.class_names[best]} ({row[best]:.0%})"

  def _settled(self, turn: Turn) -> str:
    label = self.answers.settled(*turn)
    return "" if label is None else self.about.class_names[label]

  def _waiting(self, who: str) -> str:
    count, names = self.session.others(who, self.asked)
    if not self.asked:
      return "Nothing is asked yet: waiting for the first images."
    if not count:
      return FINISHED
    images = "One image waits" if count == 1 else f"{count} images wait"
    held = f"; {' and '.join(names)} {'looks' if len(names) == 1 else 'look'} at them now" if names else ""
    return f"{images} for other people{held}. You have no more for the moment."


def _address(turn: Turn) -> str:
  """Of an image, below the page's."""
  return f"image/{turn.question.name}/{turn.id}"


def _dispute(given: dict[str, Answer], who: str) -> str:
  said = [
    f"{'you' if name == who else name} said {SPOKEN.get(answer.label or '', answer.label)}"
    for name, answer in given.items()
  ]
  return f"People disagree: {', '.join(said)}. Please look again."
