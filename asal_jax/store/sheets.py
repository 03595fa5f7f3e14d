"""Sheets that people fill in: CSV as spreadsheet programs save it, and the names that are written there."""

import csv
import difflib
import io
import pathlib
import unicodedata
from collections.abc import Iterator, Sequence

from asal_jax.errors import InputError

NAMED = 5
"""Bad rows that one message names."""


def rows(path: pathlib.Path, field: str = "labels") -> Iterator[tuple[int, list[str]]]:
  """(first line, cells) of every row of a CSV that is not blank, the header too; stripped, without empty last cells.

  In UTF-8, with or without its mark; separated by a comma, a semicolon or a tab, whichever the first line has most of.

  Raises:
    InputError: the file can not be read, or is no such text; `field` says whose it is.
  """
  try:
    text = path.read_bytes().decode("utf-8-sig")
  except OSError as error:
    raise InputError(f"{field}: can not read {path} ({error.strerror})") from error
  except UnicodeDecodeError as error:
    line = error.object.count(b"\n", 0, error.start) + 1
    raise InputError(f"{field}: {path}: line {line} is no text in UTF-8; save it as CSV in UTF-8") from error
  lines = io.StringIO(text, newline="")
  delimiter = max(",;\t", key=lines.readline().count)
  lines.seek(0)
  # Strict: a quote that nothing closes would swallow the rows below it.
  reader, line = csv.reader(lines, delimiter=delimiter, strict=True), 1
  try:
    for row in reader:
      cells = [cell.strip() for cell in row]
      while cells and not cells[-1]:
        cells.pop()
      if cells:
        yield line, cells
      line = reader.line_num + 1
  except csv.Error as error:
    raise InputError(
      f"{field}: {path}: line {line} is no CSV ({error}); is there a quote that is not closed?"
    ) from error


def spellings(
  class_names: Sequence[str], others: Sequence[str], field: str = "class_names"
) -> dict[str, str]:
  """What a person may write, to what is meant: all as they are, and in any case, folded, where only one is meant.

  Args:
    class_names: of the labels.
    others: words that stand for no class.
    field: whose names they are.

  Raises:
    InputError: the names are empty, not distinct, one of the others, or have characters that order a terminal about.
  """
  words = [name.strip() for name in class_names] + [*others]
  plain = all(len(word.splitlines()) == 1 and "Cc" not in map(unicodedata.category, word) for word in words)
  if not plain or len({*words}) < len(words):
    shown = ", ".join(repr(other) for other in others)
    raise InputError(
      f"{field}: found {class_names}; needed are distinct names, not empty and none of {shown}, each on one line"
    )
  meanings, folded = (
    dict(zip(words, [*class_names, *others], strict=True)),
    [word.casefold() for word in words],
  )
  return {word.casefold(): m for word, m in meanings.items() if folded.count(word.casefold()) == 1} | meanings


def hint(found: str, allowed: Sequence[str], before: Sequence[str]) -> str:
  """The nearest spelling, as an end of a sentence; none for a row that no message will name, behind those `before`."""
  # Thousands of rows against thousands of names would take hours.
  if len(before) >= NAMED:
    return ""
  folded = {name.casefold(): name for name in reversed(allowed)}
  near = difflib.get_close_matches(found.casefold(), list(folded), 1)
  return f", did you mean {folded[near[0]]!r}?" if near else ""


def several(bad: Sequence[str]) -> str:
  """The first of what is wrong, and how many more there are."""
  more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
  return f"{'; '.join(bad[:NAMED])}{more}"
