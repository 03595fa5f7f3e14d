"""Images of questions as a browser shows them, and those that are nearest to one."""

import io
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from asal_jax.labelling import questions
from asal_jax.labelling.answers import Answers
from asal_jax.labelling.page.session import Turn, key_of
from asal_jax.labelling.questions import TEST, Question
from asal_jax.pools.photos import read_photo

LARGEST = 1200
"""Pixels that the longer side of a shown original has at most."""

SIDE = 256
"""Pixels that the shorter side of a stored image has at least when it is shown."""

COMPARED = 16
"""Pixels a side at which images are compared."""


def stored(image: UInt8[np.ndarray, "h w c"]) -> bytes:
  """The PNG of an image as the classifier sees it, enlarged without smoothing to a shorter side of SIDE or more."""
  from PIL import Image

  scale = -(-SIDE // min(image.shape[:2]))
  large = np.asarray(image).repeat(scale, 0).repeat(scale, 1)
  return _file(Image.fromarray(large[..., 0] if image.shape[2] == 1 else large), "PNG")


def original(folder: str, file: str, largest: int = LARGEST, kind: str = "JPEG") -> bytes | None:
  """An original file as JPEG (or PNG), upright, no side above `largest`; None where none that can be read is there."""
  from PIL import Image

  path = inside(folder, file)
  photo = read_photo(path, largest, "within") if path else ""
  return None if isinstance(photo, str) else _file(Image.fromarray(photo), kind, quality=90)


def inside(folder: str, file: str) -> pathlib.Path | None:
  """The path of a file that lies in a folder, links followed; None where it does not, or is no plain file."""
  if not folder or not file:
    return None
  root = pathlib.Path(folder).resolve()
  try:
    path = (root / file).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None
  except (OSError, ValueError, RuntimeError):  # Names that no file can have; loops of links.
    return None


def _file(image, kind: str, **options) -> bytes:
  data = io.BytesIO()
  image.save(data, kind, **options)
  return data.getvalue()


class Nearest:
  """The images of a workdir that people answered, by what they look like."""

  def __init__(self, workdir: pathlib.Path, answers: Answers):
    self.workdir, self.answers = workdir, answers
    self._read, self._asked = 0, 0
    self._where: dict[tuple[bool, int], Turn] = {}
    self._waiting: set[tuple[bool, int]] = set()
    self._turns: list[Turn] = []
    self._small: list[Float32[np.ndarray, " d"]] = []
    self._images: dict[str, UInt8[np.ndarray, "m h w c"]] = {}

  def to(self, turn: Turn, asked: Sequence[Question], count: int) -> list[Turn]:
    """The images with a class that are nearest to one in pixels, the nearest first."""
    self._take(asked)
    if not self._small:
      return []
    distances = np.square(np.stack(self._small) - self._look(turn)).sum(1)
    found: list[Turn] = []
    for k in np.argsort(distances, kind="stable"):
      other = self._turns[k]
      label = self.answers.settled(*other)
      if label is not None and label >= 0 and key_of(other) != key_of(turn):
        found.append(other)
      if len(found) == count:
        break
    return found

  def _take(self, asked: Sequence[Question]) -> None:
    """Looks at what was answered since the last time; labels that came with the images may precede their question."""
    if len(asked) != self._asked:
      turns = [Turn(question, i) for question in asked for i in question.ids]
      self._where, self._asked = {key_of(turn): turn for turn in turns}, len(asked)
    new = self.answers.lines[self._read :]
    self._read += len(new)
    self._waiting |= {(line.strategy == TEST, line.id) for line in new if line.id is not None}
    for key in [key for key in self._waiting if key in self._where]:
      self._waiting.remove(key)
      self._turns.append(self._where[key])
      self._small.append(self._look(self._where[key]))

  def _look(self, turn: Turn) -> Float32[np.ndarray, " d"]:
    question = turn.question
    if question.name not in self._images:
      self._images[question.name] = questions.images_of(self.workdir, question)
    image = self._images[question.name][question.ids.index(turn.id)]
    steps = [
      np.linspace(0, size, min(size, COMPARED), endpoint=False).astype(int) for size in image.shape[:2]
    ]
    rows = np.add.reduceat(image.astype(np.float32), steps[0], axis=0)
    sums = np.add.reduceat(rows, steps[1], axis=1)
    areas = np.outer(*(np.diff([*s, n]) for s, n in zip(steps, image.shape[:2], strict=True)))
    return (sums / areas[..., None].astype(np.float32)).ravel()
