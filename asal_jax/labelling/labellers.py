"""Labellers of a cycle's images: a classifier as a stand-in for a person, or a file that a person fills in."""

import csv
import difflib
import io
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Int32, UInt8

from asal_jax.errors import InputError
from asal_jax.types import Labeller

NA = "n.a."
"""What a person writes beside an image that shows no class; its label is -1."""

SHOWN_AS = {
  "classifier": "a classifier trained on all labels, a stand-in for a person",
  "file": "a person, by file",
}
"""The labellers and how every output names them."""

COLUMNS = ["image", "label"]
SIDE = 112
"""Pixels that the shorter side of an image has at least in its PNG."""

ROUNDING = 2
"""Grey levels by which another device may round a pixel of the same generated image."""

NAMED = 5
"""Bad rows that one message names."""


def make_classifier_labeller(
  judged: Callable[[UInt8[np.ndarray, "n h w c"]], Int32[np.ndarray, " n"]],
) -> Labeller:
  """A labeller that asks `label` of `judge.Judge`, -1 for what that rejects: a stand-in for a person, named so."""

  def label(strategy: str, cycle: int, images: UInt8[np.ndarray, "s b h w c"]) -> Int32[np.ndarray, "s b"]:
    return judged(images.reshape(-1, *images.shape[2:])).reshape(images.shape[:2])

  return label


def make_file_labeller(
  folder: pathlib.Path, class_names: tuple[str, ...], seeds: tuple[int, ...]
) -> Labeller:
  """A labeller that writes images for a person, and reads the labels this person wrote beside them.

  The images of a cycle go to `folder/<strategy>/cycle_<cycle>/seed<seed>_<row>.png`, enlarged, with a `labels.csv`
  to fill in and the same images as `images.npy`, uint8 [s, b, h, w, c]. What a person wrote is never overwritten.

  The labeller raises InputError until every row is filled in: how many are not, or the lines that are wrong. It
  raises it too where the folder holds other images. Names are understood in any case where that is unambiguous.

  Raises InputError for class names that are empty, not distinct or 'n.a.'.
  """
  spellings = _spellings(class_names)

  def label(strategy: str, cycle: int, images: UInt8[np.ndarray, "s b h w c"]) -> Int32[np.ndarray, "s b"]:
    where, (_, b) = pathlib.Path(folder) / strategy / f"cycle_{cycle}", images.shape[:2]
    names = [f"seed{seed}_{row:0{len(str(b - 1))}}.png" for seed in seeds for row in range(b)]
    sheet = where / "labels.csv"
    if sheet.exists():
      _check_same(where, images)
    else:
      _write(where, names, images)
    found = _read(sheet, names, spellings, (*class_names, NA))
    return np.array(found, np.int32).reshape(images.shape[:2])

  return label


def _spellings(class_names: tuple[str, ...]) -> dict[str, int]:
  """What a person may write, to the label: names as they are, and in lower case where only one is meant."""
  names = [name.strip() for name in class_names]
  if not all(names) or len({*names, NA}) <= len(names):
    raise InputError(f"class_names: found {class_names}; needed are distinct names, not empty and not '{NA}'")
  meanings = {**dict(zip(names, range(len(names)), strict=True)), NA: -1}
  folded = [name.casefold() for name in meanings]
  return {name.casefold(): k for name, k in meanings.items() if folded.count(name.casefold()) == 1} | meanings


def _write(where: pathlib.Path, names: Sequence[str], images: UInt8[np.ndarray, "s b h w c"]) -> None:
  """The images, then the CSV in one go: while there is none, all is written anew."""
  from PIL import Image

  channels = images.shape[-1]
  if channels not in (1, 3):
    raise InputError(f"labeller: found images of {channels} channels; 'file' can show 1 or 3")
  where.mkdir(parents=True, exist_ok=True)
  np.save(where / "images.npy", images)
  scale = -(-SIDE // min(images.shape[2:4]))
  for name, image in zip(names, images.reshape(-1, *images.shape[2:]), strict=True):
    large = image.repeat(scale, 0).repeat(scale, 1)
    Image.fromarray(large[..., 0] if channels == 1 else large).save(where / name)
  part = where / "labels.csv.part"
  with part.open("w", newline="", encoding="utf-8") as file:
    csv.writer(file).writerows([COLUMNS, *([name, ""] for name in names)])
  os.replace(part, where / "labels.csv")


def _check_same(where: pathlib.Path, images: UInt8[np.ndarray, "s b h w c"]) -> None:
  """InputError where the folder's labels were asked for other images."""
  path = where / "images.npy"
  saved = np.load(path) if path.exists() else np.zeros(0, np.uint8)
  if saved.shape != images.shape or np.abs(saved.astype(int) - images).max() > ROUNDING:
    raise InputError(
      f"labels: {where} belongs to other images (its images.npy) than this cycle's; choose another workdir, or move "
      "the folder away to have these images labelled anew"
    )


def _read(
  path: pathlib.Path, names: Sequence[str], spellings: dict[str, int], allowed: Sequence[str]
) -> list[int]:
  """The label of each name; InputError tells the lines that are wrong, else how many are still empty."""
  lines: dict[str, int] = {}
  labels: dict[str, int | None] = {}
  bad = []
  for line, cells in _rows(path):
    image, label, *more = [*cells, ""] if len(cells) == 1 else cells
    meaning = spellings.get(label, spellings.get(label.casefold()))
    if more:
      bad.append(f"line {line} has {len(cells)} columns, needed are {len(COLUMNS)}")
    elif image not in names:
      bad.append(f"line {line} has the unknown image {image!r:.60}{_hint(image, names, bad)}")
    elif image in lines:
      bad.append(f"line {line} has {image}, which stands in line {lines[image]} already")
    elif label and meaning is None:
      bad.append(f"line {line} has the unknown label {label!r:.60}{_hint(label, allowed, bad)}")
    lines.setdefault(image, line)
    labels[image] = meaning
  bad += [f"no line has {name}" for name in names if name not in lines]
  choice = f"{', '.join(allowed[:-1])}, or {NA} to reject an image"
  if bad:
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    raise InputError(f"labels: {path}: {'; '.join(bad[:NAMED])}{more}; allowed labels are {choice}")
  found = [label for name in names if (label := labels[name]) is not None]
  if len(found) < len(names):
    raise InputError(
      f"labels: {len(names) - len(found)} of {len(names)} rows in {path} are still empty; look at the images beside "
      f"it, write one of {choice}, save it as CSV, and start the same command again to go on"
    )
  return found


def _hint(found: str, allowed: Sequence[str], before: Sequence[str]) -> str:
  """The nearest spelling, as an end of a sentence; none for a row that no message will name."""
  # Thousands of rows against thousands of names would take hours.
  if len(before) >= NAMED:
    return ""
  folded = {name.casefold(): name for name in reversed(allowed)}
  near = difflib.get_close_matches(found.casefold(), list(folded), 1)
  return f", did you mean {folded[near[0]]!r}?" if near else ""


def _rows(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
  """(line, cells) of every row below the header that is not blank; as spreadsheet programs save them, too."""
  try:
    text = path.read_bytes().decode("utf-8-sig")
  except UnicodeDecodeError as error:
    raise InputError(f"labels: {path} is no text in UTF-8; save it as CSV in UTF-8") from error
  delimiter = max(",;\t", key=text.partition("\n")[0].count)
  reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
  header = None
  try:
    for row in reader:
      cells = [cell.strip() for cell in row]
      while cells and not cells[-1]:
        cells.pop()
      if cells and header is None:
        header = [cell.lower() for cell in cells]
        if header != COLUMNS:
          break
      elif cells:
        yield reader.line_num, cells
  except csv.Error as error:
    raise InputError(f"labels: {path}: line {reader.line_num} is no CSV ({error})") from error
  if header != COLUMNS:
    raise InputError(
      f"labels: {path}: line {reader.line_num} has the columns {', '.join(header or ['(none)'])}; needed are "
      f"{', '.join(COLUMNS)}, separated by a comma, a semicolon or a tab"
    )
