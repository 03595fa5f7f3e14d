"""Small files that survive: written whole or appended to in one write, sealed by a checksum, set aside where damaged.

Light, so that who only reads questions need not wait for jax.
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import pathlib
import shutil
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from asal_jax.errors import InputError

log = logging.getLogger("asal_jax")

Record = dict[str, Any]

SEAL = ', "sum": "'
"""Stands before the checksum at the end of a sealed record."""


class Damaged(InputError):
  """A file that this project wrote and that is not what it wrote."""


@contextlib.contextmanager
def whole_file(path: pathlib.Path) -> Iterator[IO[bytes]]:
  """A file to write bytes to, which gets its name once all is on disk: a reader sees the old file or the whole new one.

  After an error the old file stays, and of the new one nothing.
  """
  temporary = path.with_name(path.name + ".part")
  try:
    with temporary.open("wb") as file:
      yield file
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(OSError):
      temporary.unlink(missing_ok=True)
    raise
  sync_folder(path.parent)


def save_array(path: pathlib.Path, array: Any) -> None:
  """Writes an .npy as `whole_file` does."""
  with whole_file(path) as file:
    np.save(file, array)


def sync_folder(folder: pathlib.Path) -> None:
  """Has the names in `folder` on disk, where its file system can tell."""
  with contextlib.suppress(OSError):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
      os.fsync(descriptor)
    finally:
      os.close(descriptor)


def write_whole(path: pathlib.Path, text: str) -> None:
  """Writes `text` in UTF-8, as `whole_file` does."""
  with whole_file(path) as file:
    file.write(text.encode())


def write_json(path: pathlib.Path, value: Any) -> None:
  """As `write_whole`, a value of JSON, for people and other programs; of several processes the first does."""
  # Imported here: it brings jax.
  from asal_jax import processes

  if processes.is_writer():
    write_whole(path, json.dumps(value, indent=2) + "\n")


def write_sealed(path: pathlib.Path, record: Record) -> None:
  """As `write_json`, a record that `read_sealed` reads again."""
  from asal_jax import processes

  if processes.is_writer():
    write_whole(path, sealed(record, indent=2) + "\n")


def read_sealed(path: pathlib.Path) -> Record:
  """The record that `write_sealed` wrote; Damaged where the file is not what it wrote, OSError where there is none."""
  record = opened(path.read_bytes())
  if record is None:
    raise Damaged(f"{path}: damaged (its checksum does not fit what it holds)")
  return record


def read_record(path: pathlib.Path) -> Record:
  """As `read_sealed`, where the file may also be of before there were checksums."""
  try:
    return read_sealed(path)
  except Damaged:
    record = plain(path.read_bytes())
    if record is None:
      raise
    return record


def sealed(record: Record, indent: int | None = None) -> str:
  """The record, of one entry at least, as JSON, with the checksum of what stands before it as its last entry."""
  body = json.dumps(record, indent=indent, ensure_ascii=False)[:-1].rstrip()
  return f'{body}{SEAL}{zlib.crc32(body.encode()):08x}"}}'


def opened(line: bytes) -> Record | None:
  """The record of what `sealed` made, without its checksum; None where it is damaged, or never was sealed."""
  body, mark, rest = line.removesuffix(b"\n").rpartition(SEAL.encode())
  if not mark or rest != f'{zlib.crc32(body):08x}"}}'.encode():
    return None
  return _record(body + b"}")


def append(path: pathlib.Path, lines: list[str]) -> None:
  """Appends lines, all in one write, and returns when they are on disk; OSError where they can not be written.

  Several processes may append at once. A line within which the file ends (somebody was killed) is ended first.
  """
  descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
  try:
    with contextlib.suppress(OSError):  # Not every file system has locks.
      fcntl.flock(descriptor, fcntl.LOCK_EX)
    size = os.fstat(descriptor).st_size
    torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
    data = ("\n" * bool(torn) + "".join(line + "\n" for line in lines)).encode()
    if os.write(descriptor, data) < len(data):  # What is torn is never read as a record.
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def read_records(path: pathlib.Path) -> tuple[list[Record], list[int]]:
  """The records of a file of JSON lines, without their checksums, and the numbers of its damaged lines, from 1.

  Where one line is sealed all are: one without its checksum is damaged. What follows the last end of a line is left
  out: it is being written, or its writer was killed.
  """
  lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
  of_sealed = [opened(line) for line in lines]
  of_all = of_sealed if any(of_sealed) else [plain(line) for line in lines]
  records = [record for record in of_all if record is not None]
  return records, [i for i, record in enumerate(of_all, 1) if record is None]


def plain(text: bytes) -> Record | None:
  """The record of JSON that never had a checksum; None where it is no record, or had one, which does not fit."""
  record = _record(text)
  return record if record is not None and "sum" not in record else None


def _record(text: bytes) -> Record | None:
  try:
    record = json.loads(text)
  except (ValueError, RecursionError):
    return None
  return record if isinstance(record, dict) else None


def set_aside(path: pathlib.Path, why: str, keep: bool = False) -> pathlib.Path:
  """Renames a file or folder to `<name>.damaged`, numbered where there is one, and logs it; returns the new name.

  With `keep` the file is copied and stays.
  """
  names = (path.with_name(f"{path.name}.damaged{i or ''}") for i in range(10_000))
  aside = next(name for name in names if not name.exists())
  if keep:
    shutil.copyfile(path, aside)
  else:
    os.replace(path, aside)
  log.warning("%s: %s; set aside as %s", path, why, aside.name)
  return aside
