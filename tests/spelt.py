"""What people write into sheets, and what it means."""

import csv
import io

NAMES = ("cat", "Dog", "1", "=SUM(A1)", "ß")
MEANT = {
  **{name: name for name in NAMES},
  "CAT": "cat", " cat ": "cat", "dog": "Dog", "\tDOG": "Dog", " 1": "1", "1\xa0": "1", "=sum(a1)": "=SUM(A1)",
  "SS": "ß", "": None, " ": None, "n.a.": "n.a.", "N.A.": "n.a.", "?": "?",
}  # fmt: skip
"""What may stand in a cell, and what it means; None: nothing is said."""

WRONG = (
  "1e0", "1.0", "01", "+1", "\u0661", "\u2460", "\uff11", "0x1", "True", "cat\0", "\0", "\ufeffcat", "c\u200bat",
  "\u0441at", "cat dog",
  "cat,dog", "'1", "=1", '="cat"', "SUM(A1)", "-1", "nan", "n.a", "cat\ncat", "ca\rt", "x" * 200_000,
)  # fmt: skip
"""What no class is called, though it looks so."""


def written(rows, delimiter=",", end="\n", mark=False, quoting=csv.QUOTE_MINIMAL):
  """The bytes of a sheet, as a spreadsheet saves it."""
  text = io.StringIO()
  csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
  return text.getvalue().encode("utf-8-sig" if mark else "utf-8")
