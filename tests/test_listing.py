"""The image files below a folder: links, names, and what has changed."""

import collections
import os

import pytest
from photographs import write

from asal_jax.errors import InputError
from asal_jax.pools.listing import changes, left_out, list_images

NAMES = [f"{'abc'[i % 3]}/{i}.png" for i in range(6)]


@pytest.fixture
def folder(tmp_path):
  write(tmp_path / "photos", NAMES)
  return tmp_path / "photos"


def test_files_are_known_by_bytes_and_time(folder):
  (folder / "a" / ".hidden.png").write_bytes(b"")
  (folder / "a" / "x.JPG").write_bytes(b"123")
  os.utime(folder / "a" / "x.JPG", ns=(0, 5))
  found, others = list_images(folder)
  assert found["a/x.JPG"] == [3, 5]
  assert list(found) == sorted([*NAMES, "a/x.JPG"])
  assert not others


def test_links_are_followed_once(folder, tmp_path):
  other = tmp_path / "elsewhere"
  write(other, ["x.png"])
  (folder / "linked").symlink_to(other)
  (folder / "a" / "up").symlink_to(folder)
  (folder / "file.png").symlink_to(other / "x.png")
  (folder / "broken.png").symlink_to(other / "none.png")
  os.mkfifo(folder / "pipe.png")
  (folder / "twice").symlink_to(other)
  found, others = list_images(folder)
  assert list(found) == sorted([*NAMES, "linked/x.png", "file.png"])
  assert others == {"unreadable names and links": 2}


def test_names_that_can_not_be_written_are_left_out(folder):
  try:
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
  except OSError:
    pytest.skip("this file system takes no such names")
  found, others = list_images(folder)
  assert list(found) == sorted(NAMES)
  assert others.total() == 1


def test_names_that_would_break_a_line_of_a_sheet_are_left_out(folder):
  """Unquoted in a CSV, 'x' and a carriage return before 'a.png,cat' would be a line about another image."""
  for name in ("x\ra.png", "x\na.png", "x\u2028a.png"):
    (folder / name).write_bytes(b"")
  found, others = list_images(folder)
  assert list(found) == sorted(NAMES)
  assert others.total() == 3


def test_a_folder_that_can_not_be_read_is_told(tmp_path):
  with pytest.raises(InputError, match=r"^data.test_folder: can not read .*none \(No such file"):
    list_images(tmp_path / "none", "data.test_folder")


def test_changes_are_counted_and_the_first_named():
  before = {"a": [1, 1], "b": [1, 1], "c": [2, 1]}
  assert changes(before, dict(before)) == ""
  assert changes(before, {"a": [1, 1], "b": [1, 2], "c": [3, 1]}) == "2 altered (b, c)"
  assert (
    changes(before, {f"{i}": [0, 0] for i in range(4)} | {"a": [1, 1]})
    == "4 added (0, 1, 2, ...), 2 removed (b, c)"
  )


def test_what_is_left_out_is_counted_by_kind():
  assert left_out(collections.Counter()) == ""
  assert left_out(collections.Counter({".txt": 1})) == "; 1 file of other kinds left out (.txt 1)"
  many = collections.Counter({".a": 1, "": 2_000, ".c": 3, ".d": 3})
  assert left_out(many) == "; 2,007 files of other kinds left out (without suffix 2,000, .c 3, .d 3)"
