"""What people are asked, on disk: a folder a question, from which any page, sheet or other tool can be served.

`workdir/labels/about.json` says what there is to know of all questions; `workdir/labels/<strategy>/cycle_<c>/` holds
one: `images.npy` as the classifier sees them, and `question.json`, written last. Questions are posted once and never
change; what is answered is in `answers.jsonl` (see answers.py).
"""

import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from asal_jax.errors import InputError
from asal_jax.pools.arrays import open_npy
from asal_jax.store.files import read_record, save_array, set_aside, write_sealed
from asal_jax.store.sums import checksum

START, TEST = "start", "test"
"""Questions that no strategy asks: for the labels to begin with, and for those of the test set."""

BROKEN = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a record of JSON raises where it is another's."""

ROUNDING = 2
"""Grey levels by which another device may round a pixel of the same generated image."""


class About(NamedTuple):
  """What all questions of a workdir share.

  title: of the run; class_names; folder: of the original files, absolute, '' where there are none; people: how many
  are to answer each image.
  """

  title: str
  class_names: tuple[str, ...]
  folder: str = ""
  people: int = 1


class Question(NamedTuple):
  """Images to be labelled, in the order in which they are shown.

  strategy, cycle: who asks; ids: of the pool, or of the test set where `strategy` is TEST; files: what each image is
  called, a path below `About.folder`; first: how many of them are asked at first; more: by how many the question grows
  while a class has not been seen, 0 where that does not matter; probabilities: what the classifier thinks of each
  image, a value a class, or none; checksum: of images.npy, '' as long as it is not posted, or of before there were any.
  """

  strategy: str
  cycle: int
  ids: tuple[int, ...]
  files: tuple[str, ...]
  first: int
  more: int = 0
  probabilities: tuple[tuple[float, ...], ...] | None = None
  checksum: str = ""

  @property
  def name(self) -> str:
    """The question's folder below `workdir/labels`."""
    return f"{self.strategy}/cycle_{self.cycle}"


def folder_of(workdir: pathlib.Path) -> pathlib.Path:
  """Where the questions of a workdir are."""
  return pathlib.Path(workdir) / "labels"


def announce(workdir: pathlib.Path, about: About) -> None:
  """Writes what all questions share."""
  folder_of(workdir).mkdir(parents=True, exist_ok=True)
  write_sealed(folder_of(workdir) / "about.json", about._asdict())


def read_about(workdir: pathlib.Path) -> About:
  """What all questions of a workdir share; InputError where nobody was asked anything yet."""
  path = folder_of(workdir) / "about.json"
  try:
    values: Any = read_record(path)
    about = About(**values | {"class_names": _tuple(values["class_names"])})
    names = (*about.class_names, about.title, about.folder)
    if not all(type(name) is str for name in names) or type(about.people) is not int:
      raise ValueError("other types than were written")
    return about
  except (OSError, *BROKEN) as error:
    raise InputError(
      f"labels: can not read {path} ({error}); no question was asked in this workdir yet: start its job first"
    ) from error


def post(workdir: pathlib.Path, question: Question, images: UInt8[np.ndarray, "m h w c"]) -> None:
  """Puts a question where it is answered; one that stands there already stays, its images are mended where damaged.

  Raises InputError where other images stand under its name.
  """
  where = folder_of(workdir) / question.name
  path = where / "images.npy"
  if (where / "question.json").exists():
    asked_before = read(where)
    same = _same(path, images) if _whole(path, asked_before) else _mended(path, images, asked_before.checksum)
    if not same:
      raise InputError(
        f"labels: {where} belongs to other images (its images.npy) than this cycle's; choose another workdir, or move "
        "the folder away to have these images labelled anew"
      )
    return
  where.mkdir(parents=True, exist_ok=True)
  save_array(path, images)
  write_sealed(where / "question.json", question._replace(checksum=checksum(path))._asdict())


def _whole(path: pathlib.Path, question: Question) -> bool:
  """Whether a question's images are those that were posted."""
  return path.exists() and question.checksum in ("", checksum(path))


def _same(path: pathlib.Path, images: UInt8[np.ndarray, "m h w c"]) -> bool:
  """Whether these are the images that are kept, as another device may round them."""
  saved = open_npy(path, "labels", "needed are this cycle's images")
  return saved.shape == images.shape and bool(np.abs(saved.astype(int) - images).max() <= ROUNDING)


def _mended(path: pathlib.Path, images: UInt8[np.ndarray, "m h w c"], wanted: str) -> bool:
  """Writes images that are damaged or gone again, if these are they, to the bit."""
  again = path.with_name("again.npy")
  save_array(again, images)
  if checksum(again) != wanted:
    again.unlink()
    return False
  if path.exists():
    set_aside(path, "damaged (its checksum is another); written again")
  again.replace(path)
  return True


def read(path: pathlib.Path) -> Question:
  """The question in a folder; InputError where it is not what `post` wrote."""
  try:
    values: Any = read_record(path / "question.json")
    lists = {k: tuple(values[k]) for k in ("ids", "files")}
    thought = values["probabilities"]
    question = Question(
      **values | lists | {"probabilities": thought and tuple(tuple(row) for row in thought)}
    )
    _check_whole(question, f"{path.parent.name}/{path.name}")
    return question
  except (OSError, *BROKEN) as error:
    raise InputError(
      f"labels: {path / 'question.json'} is not what its job wrote ({error}); restore it, or move its folder away to "
      "have its images asked anew"
    ) from error


def _tuple(value: Any) -> tuple[Any, ...]:
  """A list of JSON; TypeError for what is none, a text too."""
  if not isinstance(value, list):
    raise TypeError(f"found {value!r:.60}, needed is a list")
  return tuple(value)


def _check_whole(question: Question, name: str) -> None:
  """ValueError where its values have other types or lengths than their contract, or it is of another folder."""
  ids, rows = question.ids, question.probabilities or ()
  numbers = (question.cycle, question.first, question.more, *ids)
  words = (question.strategy, *question.files, question.checksum)
  typed = all(type(i) is int for i in numbers) and all(type(word) is str for word in words)
  if not typed or not all(type(share) is float for row in rows for share in row):
    raise ValueError("other types than were written")
  if (
    question.name != name
    or not len({*ids}) == len(ids) == len(question.files)
    or len(rows) not in (0, len(ids))
  ):
    raise ValueError("of another question, or not whole")


def posted(workdir: pathlib.Path, known: Iterable[Question] = ()) -> list[Question]:
  """All questions of a workdir: the test set's, the start's, then by cycle and strategy; `known` are not read again."""
  order, have = {TEST: -2, START: -1}, {question.name: question for question in known}
  paths = [path.parent for path in folder_of(workdir).glob("*/cycle_*/question.json")]
  found = [have.get(f"{path.parent.name}/{path.name}") or read(path) for path in paths]
  return sorted(found, key=lambda q: (order.get(q.strategy, q.cycle), q.strategy))


def images_of(workdir: pathlib.Path, question: Question) -> UInt8[np.ndarray, "m h w c"]:
  """The images of a question as the classifier sees them, mapped; InputError where they are not there, or others."""
  path = folder_of(workdir) / question.name / "images.npy"
  needed = (
    f"needed are {len(question.ids)} images as its job wrote them: start the job again, which mends it, or move its "
    "folder away"
  )
  if path.exists() and not _whole(path, question):
    raise InputError(f"labels: {path} is damaged (its checksum is another); {needed}")
  images = open_npy(path, "labels", needed)
  if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(question.ids) or 0 in images.shape:
    raise InputError(f"labels: {path} is {images.dtype} {list(images.shape)}; {needed}")
  return images


def asked(question: Question, settled: Callable[[Question, int], int | None], classes: int) -> list[int]:
  """The ids that are asked for now: the first ones, and more as long as these do not show every class."""
  seen, count = set(), 0
  upto = question.first
  while True:
    for i in question.ids[count:upto]:
      label = settled(question, i)
      if label is None:
        return list(question.ids[:upto])
      seen.add(label)
    count = min(upto, len(question.ids))
    if not question.more or count == len(question.ids) or seen >= set(range(classes)):
      return list(question.ids[:count])
    upto = count + question.more
