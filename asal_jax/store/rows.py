"""Arrays larger than memory on disk, written row after row, and what an interrupted pass had so far."""

import io
import os
import pathlib
import time
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from asal_jax import processes


class RowWriter:
  """A new .npy file at `path`, whose rows are appended in order; `rows` are there already.

  Until all `shape[0]` rows are written and it is closed it is called `<path>.part`, and the next writer of the same
  shape and type goes on with it: a kill loses what was being written. Files are appended to and not mapped, because
  a full disk is then an error and not a signal that kills the process. Several processes append alike, the first
  writes.
  """

  def __init__(self, path: pathlib.Path, shape: tuple[int, ...], dtype: Any):
    self.path, self.part = path, path.with_name(path.name + ".part")
    self.shape, self.dtype = shape, np.dtype(dtype)
    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(self.dtype)
    np.lib.format.write_array_header_1_0(
      header, {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    )
    self.header, self.row_bytes = header.getvalue(), self.dtype.itemsize * int(np.prod(shape[1:]))
    self.file = self._open() if processes.is_writer() else None
    written = os.path.getsize(self.part) - len(self.header) if self.file and self.file.tell() else 0
    self.keep(processes.agreed(max(0, written) // self.row_bytes))

  def _open(self) -> IO[bytes]:
    """The unfinished file of this shape and type, or a new one."""
    file = self.part.open("r+b" if self.part.exists() else "w+b")
    if file.read(len(self.header)) != self.header:
      file.seek(0)
      file.truncate()
      file.write(self.header)
    return file

  def keep(self, rows: int) -> None:
    """Drops what stands behind the first `rows` rows."""
    self.rows = rows
    if self.file:
      self.file.seek(len(self.header) + rows * self.row_bytes)
      self.file.truncate()

  def append(self, rows: np.ndarray) -> None:
    """Writes rows [m, ...] behind the others."""
    assert (rows.dtype, rows.shape[1:]) == (self.dtype, tuple(self.shape[1:])), (rows.dtype, rows.shape)
    if self.file:
      self.file.write(np.ascontiguousarray(rows).data)
      self.file.flush()
    self.rows += len(rows)

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
      os.fsync(self.file.fileno())
    self.file.close()
    if whole:
      os.replace(self.part, self.path)


class Partial:
  """What a long pass has so far, in one file, saved at most every `seconds`: after a kill it goes on from there."""

  def __init__(self, path: pathlib.Path, seconds: float = 60.0):
    self.path, self.seconds, self.saved = path, seconds, time.monotonic()

  def load(self) -> dict[str, np.ndarray] | None:
    """What was saved last, or None; all processes have it before the first saves anew."""
    if not processes.agreed(self.path.exists()):
      return None
    with np.load(self.path) as file:
      found = dict(file)
    processes.barrier()
    return found

  def save(self, make: Callable[[], dict[str, Any]]) -> None:
    """Saves the arrays that `make()` returns, if it is time to."""
    if not processes.is_writer() or time.monotonic() - self.saved < self.seconds:
      return
    part = self.path.with_name(self.path.name + ".part")
    with part.open("wb") as file:
      np.savez(file, **make())
    os.replace(part, self.path)
    self.saved = time.monotonic()

  def remove(self) -> None:
    """The pass is over."""
    if processes.is_writer():
      self.path.unlink(missing_ok=True)
