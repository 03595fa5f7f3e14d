"""Label Studio's formats: a labelling configuration, tasks to import, and what people said in tasks that it gives back.

Pure, but for `picture`, which reads original images. The formats are Label Studio's "task format" and "predictions".
"""

import base64
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import UInt8

from asal_jax.errors import InputError
from asal_jax.labelling.answers import NA, UNSURE, Answer
from asal_jax.labelling.page import pictures
from asal_jax.labelling.questions import TEST, Question
from asal_jax.store.checkpoint import fingerprint

NOT_SURE = "not sure"
"""The choice that stands for UNSURE; a skipped task stands for NA."""

CONTROL, OBJECT = "label", "image"
"""What the choices and the image are called in the labelling configuration."""

MODEL = "asal"
"""The model version of our predictions."""

LARGEST = 512
"""Pixels that the longer side of an original has at most where it is shown."""


class Asked(NamedTuple):
  """An image of a question: its place there, and a hash of its pixels as the classifier sees them."""

  question: Question
  row: int
  fingerprint: str

  @property
  def key(self) -> dict[str, Any]:
    """What a task carries, and its answers bring back."""
    return {
      "question": self.question.name,
      "image_id": self.question.ids[self.row],
      "fingerprint": self.fingerprint,
    }


Known = Mapping[tuple[str, int], Asked]
"""(name of the question, id) -> the image, of all that was asked."""


def asked_images(question: Question, images: UInt8[np.ndarray, "m h w c"]) -> dict[tuple[str, int], Asked]:
  """The images of a question by its name and their ids."""
  return {
    (question.name, i): Asked(question, row, fingerprint(images[row])) for row, i in enumerate(question.ids)
  }


def configuration(class_names: Sequence[str]) -> str:
  """The labelling configuration: one of the classes, or 'not sure', for an image.

  Raises InputError for names that can not be told apart there, or that XML can not say.
  """
  others = (NOT_SURE, NA, UNSURE)
  # Label Studio takes what follows a $ for a field of the task.
  plain = all(
    name and name.isprintable() and name == name.strip() and "$" not in name for name in class_names
  )
  if not plain or len({*class_names, *others}) < len(class_names) + len(others):
    raise InputError(
      f"data.class_names: found {tuple(class_names)}; needed are distinct names of printable letters, without '$' and "
      f"spaces around them, not '{NOT_SURE}', '{NA}' or '{UNSURE}'"
    )
  choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in (*class_names, NOT_SURE))
  return (
    f'<View>\n  <Image name="{OBJECT}" value="${OBJECT}" zoom="true" maxWidth="{LARGEST}px"/>\n'
    f'  <Choices name="{CONTROL}" toName="{OBJECT}" choice="single-radio" required="true" showInline="true">\n'
    f"{choices}  </Choices>\n</View>\n"
  )


def task(image: Asked, picture: str, class_names: Sequence[str]) -> dict[str, Any]:
  """A task to import: the picture (an address, a data URI), our key, and what the classifier thinks."""
  question, key = image.question, image.key
  made = {"data": {OBJECT: picture, "file": question.files[image.row], **key}, "meta": key}
  if question.probabilities is None:
    return made
  thought = question.probabilities[image.row]
  best = max(range(len(thought)), key=thought.__getitem__)
  choice = {
    "from_name": CONTROL, "to_name": OBJECT, "type": "choices", "value": {"choices": [class_names[best]]}
  }  # fmt: skip
  return {**made, "predictions": [{"model_version": MODEL, "score": thought[best], "result": [choice]}]}


def picture(folder: str, file: str, image: UInt8[np.ndarray, "h w c"]) -> str:
  """A data URI: the original as a JPEG of at most LARGEST pixels a side, or where none can be shown `image`, enlarged.

  Raises InputError for an image of 2, or more than 3, channels.
  """
  shown, kind = pictures.original(folder, file, LARGEST), "jpeg"
  if shown is None:
    if image.shape[2] not in (1, 3):
      raise InputError(f"labeller: found images of {image.shape[2]} channels; Label Studio can show 1 or 3")
    shown, kind = pictures.stored(image), "png"
  return f"data:image/{kind};base64,{base64.b64encode(shown).decode()}"


def said(
  tasks: Any, known: Known, class_names: Sequence[str], people: Mapping[int, str], source: str
) -> list[Answer]:
  """What people said in tasks as Label Studio gives them: over HTTP, or in an export as JSON or JSON-MIN.

  One answer an annotation that says something: a class, NA where it was skipped, UNSURE. Predictions and drafts are no
  answers. `people` are names of annotators by id.

  Raises InputError, which names `source` and the task, for tasks of another project, run or labelling configuration.
  """
  if not isinstance(tasks, list):
    raise InputError(f"labels: {source} is no list of tasks; needed is an export of Label Studio as JSON")
  found = []
  for n, item in enumerate(tasks, 1):
    try:
      image, annotations = _known_image(item, known), _annotations(item)
      found += [
        answer for one in annotations if (answer := _answer(image, one, class_names, people)) is not None
      ]
    except InputError as error:
      raise InputError(f"labels: {source}: task {_name(item, n)}: {error}") from error
  return found


def _name(item: Any, n: int) -> str:
  number = item.get("id") if isinstance(item, dict) else None
  return str(number) if isinstance(number, int) else f"number {n}"


def _known_image(item: Any, known: Known) -> Asked:
  """The image of a task, by the key that we gave it: in its meta, its data, or beside the rest (JSON-MIN)."""
  if not isinstance(item, dict):
    raise InputError("found no task; needed is an export of Label Studio as JSON")
  places = [place for place in (item.get("meta"), item.get("data"), item) if isinstance(place, dict)]
  key = next((place for place in places if "question" in place), {})
  question, i = key.get("question"), key.get("image_id")
  if not isinstance(question, str) or type(i) is not int:
    raise InputError("it is not of this run: it has no question and image_id; is it of another project?")
  image = known.get((question, i))
  if image is None or image.fingerprint != key.get("fingerprint"):
    raise InputError(
      f"it is of another run: image {i} of question {question!r:.80} was not asked here, or is another image; give "
      "this run a project of its own (--config.label_studio.project)"
    )
  return image


def _annotations(item: dict[str, Any]) -> list[Any]:
  """The annotations of a task; what JSON-MIN says of one, in the same form."""
  if "annotations" in item:
    given = item["annotations"]
    if not isinstance(given, list):
      raise InputError(f"its annotations are {given!r:.60}, needed is a list of them, whole")
    return given
  if "annotation_id" not in item:
    raise InputError("it has no annotations: is this a file to import, not an export?")
  choice = {"from_name": CONTROL, "type": "choices", "value": {"choices": [item.get(CONTROL)]}}
  return [{**item, "completed_by": item.get("annotator"), "result": [choice] if CONTROL in item else []}]


def _answer(
  image: Asked, annotation: Any, class_names: Sequence[str], people: Mapping[int, str]
) -> Answer | None:
  if not isinstance(annotation, dict):
    raise InputError(f"it has the annotation {annotation!r:.60}; needed are annotations, whole")
  label = _label(annotation, class_names)
  if label is None:
    return None
  question, i = image.question, image.question.ids[image.row]
  who, when = _who(annotation.get("completed_by"), people), _when(annotation)
  return Answer(i, question.files[image.row], label, who, when, question.strategy, question.cycle)


def _label(annotation: dict[str, Any], class_names: Sequence[str]) -> str | None:
  """A class, NA or UNSURE; None where nothing was chosen."""
  if annotation.get("was_cancelled") is True:
    return NA
  result = annotation.get("result")
  if not isinstance(result, list):
    raise InputError(f"an annotation has the result {result!r:.60}, needed is a list")
  if not result:
    return None
  ours = [part for part in result if isinstance(part, dict) and part.get("from_name") == CONTROL]
  value = ours[0].get("value") if len(ours) == 1 else None
  choices = value.get("choices") if isinstance(value, dict) else None
  if not isinstance(choices, list) or len(choices) != 1:
    raise InputError(
      f"an annotation has not one choice of {CONTROL!r}; is the labelling configuration another one?"
    )
  if choices == [NOT_SURE]:
    return UNSURE
  if choices[0] not in class_names:
    raise InputError(
      f"an annotation has the unknown label {choices[0]!r:.60}; the classes of this run are {', '.join(class_names)}"
    )
  return choices[0]


def _who(by: Any, people: Mapping[int, str]) -> str:
  """The e-mail address of an annotator, or the number where Label Studio tells no more."""
  if isinstance(by, dict):
    by = by.get("email") or by.get("id")
  if type(by) is int:
    return people.get(by) or str(by)
  if not isinstance(by, str) or not by or not by.isprintable():
    raise InputError(f"an annotation is by {by!r:.60}; needed is who made it")
  return by


def _when(annotation: dict[str, Any]) -> str:
  """UTC, ISO 8601, of the last change."""
  stamp = annotation.get("updated_at") or annotation.get("created_at")
  try:
    moment = datetime.datetime.fromisoformat(stamp)  # pyrefly: ignore
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).astimezone(datetime.UTC).isoformat()
  except (TypeError, ValueError, OverflowError) as error:
    raise InputError(f"an annotation has the date {stamp!r:.60}; needed is ISO 8601") from error


def news(found: Iterable[Answer], lines: Iterable[Answer]) -> list[Answer]:
  """Those of `found` that are later than all that `lines` have of the same person about the same image, by time."""
  latest: dict[tuple[bool, int | None, str], str] = {}
  new = []

  def is_later(answer: Answer) -> bool:
    key = (answer.strategy == TEST, answer.id, answer.who)
    later = answer.when > latest.get(key, "")
    if later:
      latest[key] = answer.when
    return later

  for answer in lines:
    is_later(answer)
  for answer in sorted(found, key=lambda one: one.when):
    if is_later(answer):
      new.append(answer)
  return new
