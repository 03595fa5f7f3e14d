"""Labels that people write, fuzzed: they are read as they are meant, or the file and the line are named."""

import csv
import re
from typing import NamedTuple

from fuzz import damaged, fuzzed, read
from hypothesis import strategies as st
from spelt import MEANT, NAMES, WRONG, written

from asal_jax.pools.known import known_labels

FILES = tuple(
  sorted(["a.png", "b c.png", "x,y.png", 'q"t.png', "é.png", "cat/1.png", "s/l.png", "-1.png", "x;y.png"])
)
PATHS = (
  "A.png",
  "a.png\0",
  "b  c.png",
  "../a.png",
  "cat",
  "/a.png",
  "x.png",
  "a.png/",
  "..",
  "=a.png",
  "a" * 5000,
)


class Sheet(NamedTuple):
  """`rows` of (file, label, strategy), and how they are written."""

  rows: list
  ours: bool
  delimiter: str
  end: str
  mark: bool
  header: list
  quoting: int

  @property
  def bytes(self):
    rows = [[name.upper() if self.mark else name for name in self.header]]
    for file, label, strategy in self.rows:
      row = {"who": "ann", "note": "", "when": "2026", "file": file, "label": label, "strategy": strategy}
      rows.append([row[name] for name in self.header])
    return written(rows, self.delimiter, self.end, self.mark, self.quoting)


FILE = st.sampled_from(FILES)
WRITTEN = FILE.flatmap(lambda file: st.sampled_from([file, f" {file}", f"./{file}", file.replace("/", "\\")]))
ROW = st.tuples(WRITTEN, st.sampled_from([*MEANT]), st.sampled_from(["test", "random"]))
ODD = st.one_of(
  st.tuples(WRITTEN, st.sampled_from(WRONG) | st.text(max_size=6), st.just("random")),
  st.tuples(st.sampled_from(PATHS) | st.text(max_size=6), st.sampled_from([*MEANT]), st.just("test")),
)
# A file once, mostly: else nearly all sheets contradict themselves.
ROWS = st.lists(ROW, max_size=8, unique_by=lambda row: plain(row[0])) | st.lists(ROW, max_size=8)
MIXED = st.one_of(ROWS, ROWS, st.tuples(ROWS, ODD, ROWS).map(lambda parts: [*parts[0], parts[1], *parts[2]]))


@st.composite
def sheet(draw):
  ours = draw(st.booleans())
  columns = [
    "file",
    "label",
    *(("who", "strategy") if ours else draw(st.sampled_from([(), ("note",), ("when", "note")]))),
  ]
  return Sheet(
    draw(MIXED), ours, draw(st.sampled_from(",;\t")), draw(st.sampled_from(["\n", "\r\n", "\r"])), draw(st.booleans()),
    draw(st.permutations(columns)), draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
  )  # fmt: skip


def plain(file):
  return file.strip().replace("\\", "/").removeprefix("./")


def truth(made):
  """file -> class, None where it is not known, of what a sheet means; None where it must be refused."""
  said, folders = {}, {"cat/1.png": "cat"}
  for path, label, _ in made.rows:
    if not (path.strip() or label.strip() or {"when", "who"} & {*made.header}):
      continue  # A blank line.
    file = next((file for file in FILES if file in (path.strip(), plain(path))), None)
    meaning = MEANT.get(label, MEANT.get(label.strip(), "wrong"))
    if file is None and made.ours:
      continue  # It may be gone since.
    if file is None or (meaning == "wrong" and label.strip()):
      return None
    if meaning is not None:
      said.setdefault(file, set()).add(meaning)
  if not made.ours and any(len(meanings) > 1 for meanings in said.values()):
    return None
  found = {file: folders.get(file) for file in FILES}
  for file, meanings in said.items():
    if len(meanings) > 1 or meanings & {"n.a.", "?"}:
      continue
    if found[file] not in (None, *meanings):
      return None
    [found[file]] = meanings
  return found


def classes(folder, data):
  """File -> class, as the package reads the bytes; None where it refuses them, naming file and line."""
  path = folder / "labels.csv"
  path.write_bytes(data)
  known = read(lambda: known_labels(FILES, NAMES, path), rf"^data.labels: {re.escape(str(path))}: .*line \d+")
  return known and {file: NAMES[k] if k >= 0 else None for file, k in zip(FILES, known.labels, strict=True)}


@fuzzed(80, 3000, sheet(), fewest=0.2)
def test_a_label_sheet_is_read_as_it_is_meant_or_refused(folder, made):
  found = classes(folder, made.bytes)
  assert found == truth(made)
  return found is not None


def says(data, file, name):
  """Whether some line of a text has the file and the class in it."""
  text = data.decode("utf-8-sig").casefold().replace("\\", "/").replace('""', '"')
  return file.casefold() in text.replace("\r", "\n") and name.casefold() in text


@fuzzed(60, 3000, damaged(sheet().map(lambda made: made.bytes)) | st.binary(max_size=60))
def test_a_damaged_label_sheet_gives_no_label_that_it_does_not_say(folder, data):
  found = classes(folder, data)
  said = [(file, name) for file, name in (found or {}).items() if name and file != "cat/1.png"]
  assert all(says(data, file, name) for file, name in said)
  return found is not None
