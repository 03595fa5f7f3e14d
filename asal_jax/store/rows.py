"""Arrays larger than memory on disk, written row after row, and what an interrupted pass had so far."""

import io
import os
import pathlib
import time
import zlib
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from asal_jax import processes
from asal_jax.store.files import Damaged, log, opened, sealed, set_aside, sync_folder, whole_file, write_whole
from asal_jax.store.space import check_disk


class RowWriter:
  """A new .npy file at `path`, whose rows are appended in order; `rows` are there already.

  Until all `shape[0]` rows are written and it is closed it is called `<path>.part`, and the next writer of the same
  shape and type goes on with it: a kill loses what was being written. The checksum of each append is noted in
  `<path>.part.sums`; who goes on reads the file once, and keeps the rows before the first that are not what was
  written. Files are appended to and not mapped, because a full disk is then an error and not a signal that kills the
  process. Several processes append alike, the first writes.
  """

  def __init__(self, path: pathlib.Path, shape: tuple[int, ...], dtype: Any):
    self.path, self.part = path, path.with_name(path.name + ".part")
    self.notes = path.with_name(path.name + ".part.sums")
    self.shape, self.dtype = shape, np.dtype(dtype)
    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(self.dtype)
    np.lib.format.write_array_header_1_0(
      header, {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    )
    self.header, self.row_bytes = header.getvalue(), self.dtype.itemsize * int(np.prod(shape[1:]))
    self.appends: list[tuple[int, int]] = []
    self.file = self._open() if processes.is_writer() else None
    self.keep(processes.agreed(self._sound() if self.file else 0))
    check_disk(f"{path.parent.name}/{path.name}", path.parent, (shape[0] - self.rows) * self.row_bytes)

  def _open(self) -> IO[bytes]:
    """The unfinished file of this shape and type, or a new one."""
    file = self.part.open("r+b" if self.part.exists() else "w+b")
    if file.read(len(self.header)) != self.header:
      file.seek(0)
      file.truncate()
      file.write(self.header)
    return file

  def _sound(self) -> int:
    """How many rows of the file are what was written; `appends` says where each append ends, and its checksum."""
    assert self.file is not None
    rows = 0
    for note in map(opened, self.notes.read_bytes().splitlines() if self.notes.exists() else []):
      if note is None:
        break
      data = self.file.read((note["rows"] - rows) * self.row_bytes)
      if len(data) < (note["rows"] - rows) * self.row_bytes:
        break
      if zlib.crc32(data) != note["sum_of_rows"]:
        log.warning(
          "%s: rows %d to %d are not what was written; made again from there",
          self.part,
          rows,
          note["rows"] - 1,
        )
        break
      rows = note["rows"]
      self.appends.append((rows, note["sum_of_rows"]))
    return rows

  def keep(self, rows: int) -> None:
    """Drops what stands behind the first `rows` rows."""
    self.rows = rows
    if self.file:
      whole = [append for append in self.appends if append[0] <= rows]
      end = whole[-1][0] if whole else 0
      self.file.seek(len(self.header) + end * self.row_bytes)
      if end < rows:
        whole.append((rows, zlib.crc32(self.file.read((rows - end) * self.row_bytes))))
      self.file.truncate(len(self.header) + rows * self.row_bytes)
      self.appends = whole
      write_whole(self.notes, "".join(map(_note, whole)))

  def append(self, rows: np.ndarray) -> None:
    """Writes rows [m, ...] behind the others."""
    assert (rows.dtype, rows.shape[1:]) == (self.dtype, tuple(self.shape[1:])), (rows.dtype, rows.shape)
    self.rows += len(rows)
    if self.file and len(rows):
      data = np.ascontiguousarray(rows).data
      self.file.write(data)
      self.file.flush()
      self.appends.append((self.rows, zlib.crc32(data)))
      with self.notes.open("a") as file:
        file.write(_note(self.appends[-1]))

  def __enter__(self) -> "RowWriter":
    return self

  def __exit__(self, *error: Any) -> None:
    if self.file:
      self._close(whole=error[0] is None)
    if error[0] is None:
      processes.barrier()

  def _close(self, whole: bool) -> None:
    """Closes the file, which gets its name where it is whole."""
    assert self.file is not None
    if whole:
      assert self.rows == self.shape[0], f"{self.rows} of {self.shape[0]} rows were written"
      self.file.flush()
      os.fsync(self.file.fileno())
    self.file.close()
    if whole:
      os.replace(self.part, self.path)
      self.notes.unlink()
      sync_folder(self.path.parent)


def _note(append: tuple[int, int]) -> str:
  """The line of an append."""
  return sealed({"rows": append[0], "sum_of_rows": append[1]}) + "\n"


NAMES = "_names"
"""The member of an .npz that says which others it has."""


class Partial:
  """What a long pass has so far, in one .npz, saved at most every `seconds`: after a kill it goes on from there."""

  def __init__(self, path: pathlib.Path, seconds: float = 60.0):
    self.path, self.seconds, self.saved = path, seconds, time.monotonic()

  def load(self) -> dict[str, np.ndarray] | None:
    """What was saved last, or None; what is damaged is set aside. All processes have it before the first saves anew."""
    if not processes.by_writer(self._sound)():
      return None
    found = load_arrays(self.path)
    processes.barrier()
    return found

  def _sound(self) -> bool:
    """Whether there is something, and it is what was saved."""
    if not self.path.exists():
      return False
    try:
      load_arrays(self.path)
    except Damaged:
      set_aside(self.path, "is not what was written; made again")
      return False
    return True

  def save(self, make: Callable[[], dict[str, Any]]) -> None:
    """Saves the arrays that `make()` returns, if it is time to."""
    if not processes.is_writer() or time.monotonic() - self.saved < self.seconds:
      return
    arrays = make()
    members: dict[str, Any] = {**arrays, NAMES: np.array(list(arrays))}
    with whole_file(self.path) as file:
      np.savez(file, **members)
    self.saved = time.monotonic()

  def remove(self) -> None:
    """The pass is over."""
    if processes.is_writer():
      self.path.unlink(missing_ok=True)


def load_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The arrays that `Partial` saved; Damaged where the file is not what it wrote.

  Members of an .npz carry checksums; that none is missing is known by their names.
  """
  try:
    with path.open("rb") as file, np.load(file) as members:
      found = dict(members)
    if {*found.pop(NAMES)} == {*found}:
      return found
    reason = "an array is missing"
  except Exception as error:  # Of a flipped bit zipfile and numpy raise all kinds.
    reason = str(error)
  raise Damaged(f"{path}: damaged ({reason})")
