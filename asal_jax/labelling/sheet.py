"""The channel `file`: a person fills in a CSV beside the images of a question.

Below a question's folder are the images, enlarged, as `<row>.png`, and `labels.csv`, which asks for the first of them;
where a question grows, `labels_<row>.csv` asks for those from that row on. What a person wrote is never overwritten.
"""

import csv
import io
import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

from asal_jax.errors import InputError
from asal_jax.labelling import questions
from asal_jax.labelling.answers import NA, UNSURE, Answer, Answers, now
from asal_jax.labelling.page import pictures
from asal_jax.labelling.people import Channel
from asal_jax.labelling.questions import START, About, Question, asked
from asal_jax.store import sheets
from asal_jax.store.files import whole_file, write_whole

ENOUGH = "enough"
"""What a person writes in place of a label of the start set to begin with what there is."""

WHO = "file"
"""In place of a person's name."""

HEADER = ["image", "label"]
LARGEST = 512
"""Pixels that a side of an original has at most in its PNG."""


def make_channel(workdir: pathlib.Path, about: About, answers: Answers) -> Channel:
  """Sheets below `workdir/labels`, one a question.

  Gathering takes in what is filled in, and raises InputError for the lines that are wrong. Names are understood in any
  case where that is unambiguous.

  Raises InputError for class names that are empty, not distinct or words that mean something else.
  """
  spellings, classes = sheets.spellings(answers.class_names, (NA, UNSURE, ENOUGH)), len(answers.class_names)

  def where(question: Question) -> pathlib.Path:
    return questions.folder_of(workdir) / question.name

  def deliver(question: Question) -> None:
    ids = asked(question, answers.settled, classes)
    rows = [row for row, i in enumerate(ids) if answers.settled(question, i) is None]
    rows = [row for row in rows if row >= _shown(where(question))]
    if rows:
      _write(where(question), rows, question, questions.images_of(workdir, question), about.folder)

  def gather() -> None:
    for question in questions.posted(workdir):
      if not answers.done(question):
        _take(where(question), question, answers, spellings)

  def hint(question: Question) -> str:
    labels = answers.labels(question)
    left = sum(label is None for label in labels.values())
    enough = f", or {ENOUGH} to begin with what there is" if question.strategy == START else ""
    return (
      f"labels: {left} of {len(labels)} rows in {_sheets(where(question))[-1]} are still empty; look at the images "
      f"beside it, write one of {_choice(answers.class_names)}{enough}, save it as CSV, and start the same command "
      "again to go on"
    )

  return Channel(deliver, gather, waits=False, hint=hint)


def _choice(class_names: Sequence[str]) -> str:
  return f"{', '.join(class_names)}, {UNSURE} where you can not tell, or {NA} to reject an image"


def _sheets(where: pathlib.Path) -> list[pathlib.Path]:
  """The sheets of a question, by the row from which they ask; a person's copies of them are none."""
  found = [path for path in where.glob("labels*.csv") if re.fullmatch(r"labels(_[0-9]+)?", path.stem)]
  return sorted(found, key=_first_row)


def _first_row(sheet: pathlib.Path) -> int:
  return int(sheet.stem.removeprefix("labels").removeprefix("_") or 0)


def _shown(where: pathlib.Path) -> int:
  """The row behind the last that a sheet asks for."""
  return max((int(row) + 1 for row in _images(where)), default=0) if _sheets(where) else 0


def _images(where: pathlib.Path) -> list[str]:
  """The rows that are shown, by the names of their images; other pictures are none."""
  return sorted(path.stem for path in where.glob("*.png") if re.fullmatch("[0-9]+", path.stem))


def _rows_of(where: pathlib.Path, start: int, stop: int) -> list[str]:
  """The rows from `start` to below `stop` that are shown, by the names of their images."""
  return [row for row in _images(where) if start <= int(row) < stop]


def _write(
  where: pathlib.Path, rows: list[int], question: Question, images: UInt8[np.ndarray, "m h w c"], folder: str
) -> None:
  """The images, originals where there are any, then the CSV in one go: while there is none, all is written anew."""
  channels, width = images.shape[-1], len(str(len(question.ids) - 1))
  if channels not in (1, 3):
    raise InputError(f"labeller: found images of {channels} channels; 'file' can show 1 or 3")
  names = [f"{row:0{width}}.png" for row in rows]
  for name, row in zip(names, rows, strict=True):
    original = pictures.original(folder, question.files[row], LARGEST, "PNG")
    with whole_file(where / name) as file:
      file.write(original or pictures.stored(images[row]))
  sheet = where / (f"labels_{rows[0]:0{width}}.csv" if _sheets(where) else "labels.csv")
  text = io.StringIO(newline="")
  csv.writer(text).writerows([HEADER, *([name, ""] for name in names)])
  write_whole(sheet, text.getvalue())


def _take(where: pathlib.Path, question: Question, answers: Answers, spellings: dict[str, str]) -> None:
  """Adds what the sheets of a question say and was not known."""
  found, new = _sheets(where), []
  starts = [*map(_first_row, found), len(question.ids)]
  spellings = {k: m for k, m in spellings.items() if m != ENOUGH or question.strategy == START}
  for sheet, start, stop in zip(found, starts, starts[1:], strict=False):
    names = [f"{row}.png" for row in _rows_of(where, start, stop)]
    for name, label in _read(sheet, names, spellings, answers).items():
      row = int(name.removesuffix(".png"))
      about = (None, "", None) if label == ENOUGH else (question.ids[row], question.files[row], label)
      earlier = None if label == ENOUGH else answers.given(question, question.ids[row]).get(WHO)
      if earlier is None or earlier.label != label:
        new.append(Answer(*about, WHO, now(), question.strategy, question.cycle))
  if new:
    answers.add(*new)


def _read(
  path: pathlib.Path, names: Sequence[str], spellings: dict[str, str], answers: Answers
) -> dict[str, str]:
  """The answer beside each name that has one; InputError tells the lines that are wrong."""
  lines: dict[str, int] = {}
  found: dict[str, str] = {}
  bad = []
  for line, cells in _rows(path):
    image, label, *more = [*cells, ""] if len(cells) == 1 else cells
    meaning = spellings.get(label, spellings.get(label.casefold()))
    if more:
      bad.append(f"line {line} has {len(cells)} columns, needed are {len(HEADER)}")
    elif image not in names:
      bad.append(f"line {line} has the unknown image {image!r:.60}{sheets.hint(image, names, bad)}")
    elif image in lines:
      bad.append(f"line {line} has {image}, which stands in line {lines[image]} already")
    elif label and meaning is None:
      bad.append(
        f"line {line} has the unknown label {label!r:.60}{sheets.hint(label, [*spellings.values()], bad)}"
      )
    lines.setdefault(image, line)
    if meaning is not None:
      found[image] = meaning
  bad += [f"no line has {name}" for name in names if name not in lines]
  if bad:
    raise InputError(
      f"labels: {path}: {sheets.several(bad)}; allowed labels are {_choice(answers.class_names)}"
    )
  return found


def _rows(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
  """(line, cells) of every row below the header."""
  rows = sheets.rows(path)
  line, header = next(rows, (1, []))
  header = [cell.lower() for cell in header]
  if header != HEADER:
    raise InputError(
      f"labels: {path}: line {line} has the columns {', '.join(header or ['(none)'])}; needed are "
      f"{', '.join(HEADER)}, separated by a comma, a semicolon or a tab"
    )
  yield from rows
