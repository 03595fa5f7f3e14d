"""Labels that come with a folder of images: in a CSV of file and label, or by sub-folders named after classes."""

import collections
import pathlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from asal_jax.errors import InputError
from asal_jax.store import sheets

NO_CLASS = ("n.a.", "?")
"""What people write in place of a class, as in labelling/answers.py: the image stays unlabelled."""

TEST = "test"
"""Of the column `strategy` of a run's labels.csv: what was labelled for the test set, as in labelling/questions.py."""

ANSWERED = {"who", "strategy"}
"""Columns by which a run's labels.csv is known: several people may have answered, and files may be gone since."""


class Known(NamedTuple):
  """`labels` i32[n], -1 where none is known, and the files that were labelled for a test set."""

  labels: Int32[np.ndarray, " n"]
  tested: frozenset[str]


def name_classes(names: str, files: Sequence[str], field: str = "data.class_names") -> tuple[str, ...]:
  """The classes that 'cat,dog' names; where it names none the sub-folders that hold `files`.

  Raises:
    InputError: there are less than two, or names that are empty, not distinct, or stand for no class.
  """
  found = tuple(name.strip() for name in names.split(",")) if names.strip() else ()
  found = found or tuple(sorted({file.split("/")[0] for file in files if "/" in file}))
  if len(found) < 2:
    held = "" if names.strip() else f"; sub-folders that hold images could name them, there are {len(found)}"
    raise InputError(
      f"{field}: found {names!r}{held}; needed are at least two names, as in --config.{field}=cat,dog"
    )
  sheets.spellings(found, NO_CLASS, field)
  return found


def known_labels(
  files: Sequence[str], class_names: tuple[str, ...], sheet: pathlib.Path | None, gone: Iterable[str] = ()
) -> Known:
  """What is known of `files`, sorted paths below their folder, by a CSV and by the sub-folders they lie in.

  Args:
    files: of the images.
    class_names: labels 0, 1, ...
    sheet: the CSV with columns file and label; None: there is none.
    gone: files that are no images, of which the CSV may speak.

  Raises:
    InputError: the CSV can not be read, names unknown files or classes, or contradicts itself or a sub-folder.
  """
  spelt = sheets.spellings(class_names, ())
  parents = [file.split("/")[0] if "/" in file else "" for file in files]
  places = {name: k for k, name in enumerate(class_names)}
  labels = np.array(
    [places.get(spelt.get(name, spelt.get(name.casefold(), "")), -1) for name in parents], np.int32
  )
  if sheet is None:
    return Known(labels, frozenset())
  said, tested = _read(sheet, files, class_names, frozenset(gone))
  rows = {file: i for i, file in enumerate(files)}
  for file, (label, line) in said.items():
    row = rows[file]
    if labels[row] not in (-1, label):
      raise InputError(
        f"data.labels: {sheet}: line {line} says {class_names[label]!r} of {file}, which lies in the folder of class "
        f"{class_names[labels[row]]!r}; move it, or change the line"
      )
    labels[row] = label
  return Known(labels, tested)


def _read(
  path: pathlib.Path, files: Sequence[str], class_names: tuple[str, ...], gone: frozenset[str]
) -> tuple[dict[str, tuple[int, int]], frozenset[str]]:
  """(file -> label and the line that says so, files of a test set) of a CSV."""
  rows, header = _open(path)
  ours = {*header} >= ANSWERED
  named = collections.defaultdict(list)
  for file in files:
    named[_plain(file)].append(file)
  spelt, bad, tested = sheets.spellings(class_names, NO_CLASS), [], set()
  said: dict[str, dict[str, int]] = collections.defaultdict(dict)  # file -> answer -> line
  for line, cells in rows:
    row = dict(zip(header, [*cells, *[""] * len(header)], strict=False))
    label, meant = row["label"], named.get(_plain(row["file"]), [])
    meant = [file for file in meant if file.strip() == row["file"]] or meant
    meaning = spelt.get(label, spelt.get(label.casefold()))
    if len(cells) > len(header):
      bad.append(f"line {line} has {len(cells)} cells, the header {len(header)}")
    elif len(meant) > 1:
      bad.append(f"line {line} may mean any of {', '.join(map(repr, meant))}: rename all but one")
    elif not meant:
      if not ours and row["file"] not in gone:
        bad.append(
          f"line {line} has the unknown file {row['file']!r:.80}{sheets.hint(row['file'], files, bad)}"
        )
    elif label and meaning is None:
      bad.append(f"line {line} has the unknown class {label!r:.60}{sheets.hint(label, class_names, bad)}")
    elif meaning is not None:
      said[meant[0]].setdefault(meaning, line)
      if ours and row["strategy"] == TEST:
        tested.add(meant[0])
  if not ours:
    bad += [_contradiction(file, answers) for file, answers in said.items() if len(answers) > 1]
  if bad:
    raise InputError(
      f"data.labels: {path}: {sheets.several(bad)}; files are paths below the folder, classes are "
      f"{', '.join(class_names)}"
    )
  # Of several people: what all of them say.
  agreed = [(file, *next(iter(answers.items()))) for file, answers in said.items() if len(answers) == 1]
  places = {name: k for k, name in enumerate(class_names)}
  found = {file: (places[answer], line) for file, answer, line in agreed if answer in places}
  return found, frozenset(tested)


def _open(path: pathlib.Path) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
  """The rows of a CSV below its header, and that."""
  rows = sheets.rows(path, "data.labels")
  line, header = next(rows, (1, []))
  header = [cell.lower() for cell in header]
  if not {"file", "label"} <= {*header} or len({*header}) < len(header):
    raise InputError(
      f"data.labels: {path}: line {line} has the columns {', '.join(header) or '(none)':.200}; needed are "
      "file and label, others may stand beside them, none twice, separated by a comma, a semicolon or a tab"
    )
  return rows, header


def _contradiction(file: str, answers: dict[str, int]) -> str:
  (one, first), (other, second) = list(answers.items())[:2]
  return f"line {first} says {one!r} of {file}, line {second} says {other!r}"


def _plain(file: str) -> str:
  """A path as other systems write it and a sheet has it, in one form."""
  return unicodedata.normalize("NFC", file.strip().replace("\\", "/").removeprefix("./"))
