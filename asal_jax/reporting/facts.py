"""What the page at the end of a run says in numbers: who labelled what, and how the classifier did, cycle by cycle."""

import math
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32

from asal_jax.labelling import questions
from asal_jax.labelling.answers import KNOWN, UNSURE, Answers
from asal_jax.labelling.questions import TEST, Question
from asal_jax.reporting import summary

Z = 1.959964
"""Of a standard normal variable 95 % lie within +-Z."""


class Share(NamedTuple):
  """`hits` of `n`, and the ends of the share's 95 % interval."""

  hits: int
  n: int
  low: float
  high: float


def wilson(hits: int, n: int) -> Share:
  """A share with its 95 % score interval (Wilson 1927); of nothing it is 0 to 1."""
  if not n:
    return Share(hits, n, 0.0, 1.0)
  p, z2 = hits / n, Z**2
  middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
  half /= 1 + z2 / n
  return Share(hits, n, max(0.0, middle - half), min(1.0, middle + half))


class Labelling(NamedTuple):
  """What people said: how many labels of each class; images without one, by why; images that each person answered, the
  test set's among them; `known` labels that came with the images; of the images that several people answered
  (`several`), those about which all say the `same`."""

  counts: tuple[int, ...]
  rejected: int
  unsure: int
  undecided: int
  people: Mapping[str, int]
  known: int
  same: int
  several: int


def labelling(
  answers: Answers, ids: Int32[np.ndarray, " m"], labels: Int32[np.ndarray, " m"], classes: int
) -> Labelling:
  """Of the labelled set, and of all answers."""
  pool = Question("", 0, (), (), 0)
  why = Counter(_why(answers, pool, int(i)) for i in ids[labels < 0])
  images = {(a.strategy == TEST, a.id) for a in answers.lines if a.id is not None}
  said = [answers.given(pool._replace(strategy=TEST) if test else pool, i) for test, i in images]
  people = Counter(who for given in said for who in given)
  known = people.pop(KNOWN, 0)
  return Labelling(
    tuple(np.bincount(labels[labels >= 0], minlength=classes).tolist()),
    why["rejected"], why["unsure"], why["undecided"], dict(people.most_common()), known, *answers.agreement(),
  )  # fmt: skip


def _why(answers: Answers, pool: Question, image: int) -> str:
  """Why an image has no label."""
  said = {answer.label for answer in answers.given(pool, image).values()}
  return "undecided" if len(said) > 1 else "unsure" if said == {UNSURE} else "rejected"


class Cycle(NamedTuple):
  """A cycle of a strategy: labels asked for so far, accuracy on the test set, mean entropy of what was new (nats), and
  how often its label was the class that the classifier had predicted; None where that is not known."""

  strategy: str
  cycle: int
  labels: int
  accuracy: Share | None
  entropy: float | None
  agreement: Share | None


def cycles(
  records: Sequence[Mapping[str, Any]], answers: Answers, workdir: pathlib.Path, tested: int
) -> list[Cycle]:
  """Every line of the metrics but of `supervised`, by strategy and cycle; `tested` is the number of test images."""
  agreed = {(q.strategy, q.cycle): _agreement(q, answers) for q in questions.posted(workdir)}
  found = []
  for record in (one for one in records if one["strategy"] != summary.CEILING):
    accuracy = record["test_accuracy"] if tested else None
    key = record["strategy"], record["cycle"]
    share = None if accuracy is None else wilson(round(accuracy * tested), tested)
    found.append(Cycle(*key, record["labels"], share, record["new_entropy"], agreed.get(key)))
  return sorted(found, key=lambda one: (one.strategy, one.cycle))


def _agreement(question: Question, answers: Answers) -> Share | None:
  """How often the label of a question's images is the class that was predicted before they were asked for."""
  if question.probabilities is None:
    return None
  pairs = [
    (int(np.argmax(p)), answers.settled(question, i))
    for i, p in zip(question.ids, question.probabilities, strict=True)
  ]
  shown = [k == label for k, label in pairs if label is not None and label >= 0]
  return wilson(sum(shown), len(shown)) if shown else None
