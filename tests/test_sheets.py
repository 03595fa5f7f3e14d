"""Sheets that people fill in: rows as spreadsheet programs save them, names in any case, what is told of mistakes."""

import pytest

from asal_jax.errors import InputError
from asal_jax.store import sheets


@pytest.mark.parametrize(
  "content",
  [
    b"file,label\na,cat\n\nb c,dog\n",
    b"\xef\xbb\xbffile;label\r\na;cat\r\n;;\r\nb c; dog ;\r\n",
    b"file\tlabel\ra\tcat\r\r b c\tdog",
    b'"file","label"\n"a","cat",,\n\n"b c","dog"\n',
  ],
  ids=["plain", "semicolon and mark", "tab and old Mac", "quoted"],
)
def test_rows_are_read_however_they_are_saved(tmp_path, content):
  (tmp_path / "a.csv").write_bytes(content)
  found = list(sheets.rows(tmp_path / "a.csv"))
  assert found == [(1, ["file", "label"]), (2, ["a", "cat"]), (4, ["b c", "dog"])]


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (None, r"^x: can not read .*a.csv \(No such file or directory\)"),
    ("täg".encode("latin-1"), r"^x: .*a.csv: line 1 is no text in UTF-8"),
    (b"a\n" + b"y" * 200_000, r"^x: .*a.csv: line 2 is no CSV"),
  ],
)
def test_what_is_no_sheet_is_told(tmp_path, content, message):
  if content is not None:
    (tmp_path / "a.csv").write_bytes(content)
  with pytest.raises(InputError, match=message):
    list(sheets.rows(tmp_path / "a.csv", "x"))


def test_names_are_meant_in_any_case_where_only_one_is():
  spelt = sheets.spellings(("Cat", " big dog", "Aa", "aA"), ("n.a.",))
  assert (spelt["Cat"], spelt["cat"], spelt["big dog"], spelt["n.a."]) == ("Cat", "Cat", " big dog", "n.a.")
  assert (spelt["Aa"], spelt["aA"], spelt.get("aa")) == ("Aa", "aA", None)


@pytest.mark.parametrize("names", [("a", "a "), ("a", " "), ("a", "n.a."), ("", "b")])
def test_names_that_can_not_be_told_apart(names):
  with pytest.raises(
    InputError, match=r"^x: found .*; needed are distinct names, not empty and none of 'n.a.'"
  ):
    sheets.spellings(names, ("n.a.",), "x")


def test_the_first_mistakes_are_named_with_a_hint():
  assert sheets.hint("BRID", ("Dog", "Bird"), ()) == ", did you mean 'Bird'?"
  assert sheets.hint("xyz", ("Dog", "Bird"), ()) == ""
  assert sheets.hint("brid", ("Dog", "Bird"), ["bad"] * sheets.NAMED) == ""
  assert sheets.several(["a", "b"]) == "a; b"
  assert sheets.several([*"abcdefg"]) == "a; b; c; d; e; and 2 more"
