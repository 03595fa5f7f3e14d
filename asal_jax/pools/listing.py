"""The image files below a folder, by their paths, and what became of them since."""

import collections
import hashlib
import json
import os
import pathlib
import stat

from asal_jax.errors import InputError
from asal_jax.pools.photos import SUFFIXES

SHOWN = 3
"""Files that a message names."""

LABELS = "labels.csv"
"""What labels of a folder's images are in, beside them."""

Listing = dict[str, list[int]]
"""Path below the folder, with '/' between its parts -> [bytes, time of change in ns]."""


def list_images(folder: pathlib.Path, field: str = "data.folder") -> tuple[Listing, collections.Counter]:
  """The image files below a folder, sorted, and how many files of other kinds there are.

  Links are followed, each folder is entered once; hidden ones are not.

  Raises:
    InputError: a folder can not be read.
  """
  found, others, entered = {}, collections.Counter(), set()

  def fail(error: OSError) -> None:
    raise InputError(f"{field}: can not read {error.filename} ({error.strerror})") from error

  for where, folders, names in os.walk(folder, onerror=fail, followlinks=True):
    if (real := os.path.realpath(where)) in entered:
      folders.clear()
      continue
    entered.add(real)
    folders[:] = sorted(name for name in folders if name[0] != ".")
    below = pathlib.PurePath(where).relative_to(folder).as_posix()
    for name in names:
      if name[0] == "." or name == LABELS:
        continue
      kind, about = pathlib.PurePath(name).suffix.lower(), _stat(os.path.join(where, name))
      if kind not in SUFFIXES or about is None or not _is_text(where, name):
        others[kind if kind not in SUFFIXES else "unreadable names and links"] += 1
      else:
        found[name if below == "." else f"{below}/{name}"] = [about.st_size, about.st_mtime_ns]
  return dict(sorted(found.items())), others


def _stat(path: str) -> os.stat_result | None:
  """What is known of a regular file; None of anything else."""
  try:
    about = os.stat(path)
  except OSError:
    return None
  return about if stat.S_ISREG(about.st_mode) else None


def _is_text(*parts: str) -> bool:
  """Whether names are UTF-8 and of one line, so that they can be written down in a sheet's."""
  try:
    return bool("".join(parts).encode()) and all(len(part.splitlines()) == 1 for part in parts)
  except UnicodeEncodeError:
    return False


def left_out(others: collections.Counter) -> str:
  """How many files of other kinds there are, as an end of a sentence."""
  if not others:
    return ""
  most = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
  kinds = ", ".join(f"{kind or 'without suffix'} {n:,}" for kind, n in most)
  files = "file" if others.total() == 1 else "files"
  return f"; {others.total():,} {files} of other kinds left out ({kinds})"


def changes(before: Listing, now: Listing) -> str:
  """In words what became of a folder; '' where it is the same."""
  both = before.keys() & now.keys()
  kinds = {
    "added": now.keys() - before.keys(),
    "removed": before.keys() - now.keys(),
    "altered": {file for file in both if before[file] != now[file]},
  }
  return ", ".join(
    f"{len(files):,} {kind} ({_first(sorted(files))})" for kind, files in kinds.items() if files
  )


def _first(files: list[str]) -> str:
  return ", ".join(files[:SHOWN]) + (", ..." if len(files) > SHOWN else "")


def digest(listing: Listing) -> str:
  """A hash that tells one state of a folder from another."""
  return hashlib.blake2b(json.dumps(listing).encode(), digest_size=12).hexdigest()
