"""Whether disk and memory have room for what is about to be made: told before it starts, not hours later."""

import pathlib
import re
import shutil

from asal_jax.errors import InputError

GIB = 2**30


MEMINFO = pathlib.Path("/proc/meminfo")


def free_memory(meminfo: pathlib.Path = MEMINFO) -> int | None:
  """Bytes of memory that can be had without swapping; None where the system does not tell."""
  return _told("MemAvailable", meminfo)


def total_memory(meminfo: pathlib.Path = MEMINFO) -> int | None:
  """Bytes of memory of the machine; None where the system does not tell."""
  return _told("MemTotal", meminfo)


def _told(name: str, meminfo: pathlib.Path) -> int | None:
  found = re.search(rf"{name}:\s*(\d+) kB", meminfo.read_text() if meminfo.exists() else "")
  return int(found[1]) * 1024 if found else None


def check_disk(what: str, folder: pathlib.Path, needed: int) -> None:
  """InputError unless the file system of `folder`, which may not exist yet, has `needed` bytes left."""
  existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
  free = shutil.disk_usage(existing).free
  if free < needed:
    raise InputError(
      f"{what}: needs {needed / GIB:.1f} GiB of disk in {folder}, {free / GIB:.1f} GiB are free; make room, or "
      "choose another folder"
    )


def check_memory(what: str, needed: int) -> None:
  """InputError unless `needed` bytes of memory can be had; nothing where the system does not tell."""
  free = free_memory()
  if free is not None and free < needed:
    raise InputError(
      f"{what}: needs {needed / GIB:.1f} GiB of memory, {free / GIB:.1f} GiB are free; stop other work, or take "
      "a smaller pool or another index"
    )
