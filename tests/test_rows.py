"""Arrays written row after row, and partial results: whatever is torn or flipped, the end is the same."""

import logging

import numpy as np
import pytest

from asal_jax.store.files import Damaged, save_array
from asal_jax.store.rows import Partial, RowWriter, load_arrays

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)
APPENDS = (4, 8, 9, 15)


class Killed(Exception):
  pass


def killed(path, work):
  """Leaves what a writer leaves who was killed after `work(writer)`."""

  def write():
    with RowWriter(path, ROWS.shape, ROWS.dtype) as file:
      work(file)
      raise Killed

  with pytest.raises(Killed):
    write()


def begin(path):
  """Leaves what a writer leaves who was killed after some appends."""

  def work(file):
    for start, stop in zip((0, *APPENDS), APPENDS, strict=False):
      file.append(ROWS[start:stop])

  killed(path, work)


def go_on(path, dtype=ROWS.dtype):
  """Writes what is missing; returns how many rows were there."""
  with RowWriter(path, ROWS.shape, dtype) as file:
    found = file.rows
    file.append(ROWS[found:].astype(dtype))
  np.testing.assert_array_equal(np.load(path), ROWS)
  assert [each.name for each in path.parent.iterdir()] == [path.name]
  return found


def test_who_goes_on_has_all_rows_of_before(tmp_path):
  begin(tmp_path / "a.npy")
  assert go_on(tmp_path / "a.npy") == 15


def test_a_row_half_written_and_one_without_its_note_are_dropped(tmp_path):
  begin(tmp_path / "a.npy")
  with (tmp_path / "a.npy.part").open("ab") as file:
    file.write(ROWS[15:17].tobytes() + b"torn")
  assert go_on(tmp_path / "a.npy") == 15


@pytest.mark.parametrize("name", ["a.npy.part", "a.npy.part.sums"])
def test_any_flipped_byte_costs_the_rows_behind_it_and_nothing_else(tmp_path, name):
  save_array(tmp_path / "saved.npy", ROWS)
  header = (tmp_path / "saved.npy").stat().st_size - ROWS.nbytes
  whole = tmp_path / "whole"
  whole.mkdir()
  begin(whole / "a.npy")
  content = {path.name: path.read_bytes() for path in whole.iterdir()}
  assert set(content) == {"a.npy.part", "a.npy.part.sums"}
  for position in range(len(content[name])):
    folder = tmp_path / str(position)
    folder.mkdir()
    for each, data in content.items():
      flipped = bytearray(data)
      if each == name:
        flipped[position] ^= 4
      (folder / each).write_bytes(flipped)
    found = go_on(folder / "a.npy")
    row = (position - header) // 12
    if name == "a.npy.part":
      # Rows before the append in which the byte is.
      assert found == max([0, *(stop for stop in APPENDS if stop <= row)])
    else:
      assert found in (0, *APPENDS[:-1])


def test_a_flipped_row_is_told(tmp_path, caplog):
  caplog.set_level(logging.WARNING, "asal_jax")
  begin(tmp_path / "a.npy")
  data = bytearray((tmp_path / "a.npy.part").read_bytes())
  data[-5] ^= 1
  (tmp_path / "a.npy.part").write_bytes(data)
  go_on(tmp_path / "a.npy")
  assert "a.npy.part: rows 9 to 14 are not what was written; made again from there" in caplog.text


@pytest.mark.parametrize("cut", [0, 1, 13, 100, 10**4])
def test_cut_anywhere_it_goes_on(tmp_path, cut):
  begin(tmp_path / "a.npy")
  for name in ("a.npy.part", "a.npy.part.sums"):
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - cut)])
  assert go_on(tmp_path / "a.npy") in (0, *APPENDS)


def test_of_another_type_or_without_notes_it_begins_anew(tmp_path):
  begin(tmp_path / "a.npy")
  assert go_on(tmp_path / "a.npy", np.dtype(np.float64)) == 0
  (tmp_path / "a.npy").unlink()
  begin(tmp_path / "a.npy")
  (tmp_path / "a.npy.part.sums").unlink()
  assert go_on(tmp_path / "a.npy") == 0


@pytest.mark.parametrize("rows", [0, 4, 6, 9, 14])
def test_what_is_dropped_is_dropped_and_what_is_kept_still_checked(tmp_path, rows):
  for flipped in (False, True):
    begin(tmp_path / "a.npy")
    killed(tmp_path / "a.npy", lambda file: file.keep(rows))
    data = (tmp_path / "a.npy.part").read_bytes()
    (tmp_path / "a.npy.part").write_bytes(data[:-1] + bytes([data[-1] ^ flipped]))
    found = go_on(tmp_path / "a.npy")
    assert found < rows or rows == 0 if flipped else found == rows
    (tmp_path / "a.npy").unlink()


ARRAYS = {"first": np.arange(5.0), "second": np.arange(6, dtype=np.int32).reshape(2, 3)}


def saved(path):
  partial = Partial(path, seconds=0)
  partial.save(lambda: ARRAYS)
  return partial


def same(found):
  assert found.keys() == ARRAYS.keys()
  for name, array in ARRAYS.items():
    np.testing.assert_array_equal(found[name], array)
    assert found[name].dtype == array.dtype


def test_a_partial_result_is_what_was_saved(tmp_path):
  partial = saved(tmp_path / "sums.npz")
  same(partial.load())
  partial.remove()
  assert partial.load() is None
  assert not any(tmp_path.iterdir())


def test_of_a_partial_result_no_flip_and_no_cut_changes_a_number(tmp_path):
  path = tmp_path / "sums.npz"
  saved(path)
  whole, refused = path.read_bytes(), 0
  for content in (
    *(whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for i in range(len(whole)) for bit in (1, 128)),
    *(whole[:cut] for cut in range(0, len(whole), 7)),
  ):
    path.write_bytes(content)
    try:
      same(load_arrays(path))  # A time or a version, which decide nothing.
    except Damaged:
      refused += 1
  assert refused > len(whole)


def test_a_damaged_partial_result_is_set_aside_and_told(tmp_path, caplog):
  caplog.set_level(logging.WARNING, "asal_jax")
  path = tmp_path / "sums.npz"
  partial = saved(path)
  path.write_bytes(path.read_bytes()[:-30])
  assert partial.load() is None
  assert (tmp_path / "sums.npz.damaged").exists()
  assert "sums.npz: is not what was written; made again; set aside as sums.npz.damaged" in caplog.text


def test_it_is_saved_when_it_is_time(tmp_path):
  partial = Partial(tmp_path / "sums.npz", seconds=1e9)
  partial.save(lambda: pytest.fail("asked too early"))
  assert partial.load() is None


def test_an_array_is_saved_whole(tmp_path):
  save_array(tmp_path / "a.npy", ROWS)
  np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), ROWS)
  with pytest.raises(RuntimeError):
    save_array(tmp_path / "a.npy", Unsaveable())
  np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), ROWS)
  assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


class Unsaveable:
  def __array__(self, *_, **__):
    raise RuntimeError
