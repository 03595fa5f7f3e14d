"""The machine a number was taken on: its processor's name, the instructions and caches that decide its speed."""

import os
import pathlib
import platform
import re
from typing import Any

from asal_jax.store.space import GIB, total_memory

FLAGS = (
  "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
  "asimd", "sve", "bf16", "i8mm",
)  # fmt: skip
"""Instructions that products of matrices gain from, as Linux names them: x86's, then ARM's."""

CPUINFO, CACHES = pathlib.Path("/proc/cpuinfo"), pathlib.Path("/sys/devices/system/cpu/cpu0/cache")


def describe(cpuinfo: pathlib.Path = CPUINFO, caches: pathlib.Path = CACHES) -> dict[str, Any]:
  """Processor, cores, flags, caches of the first core, memory in GiB: from Linux, elsewhere what Python knows of it."""
  told = _told(cpuinfo)
  name = told.get("model name") or platform.processor() or platform.machine()
  if "cpu family" in told:  # Guests are often told a name that leaves the generation out.
    name += f" (family {told['cpu family']}, model {told.get('model')})"
  known = {*(told.get("flags") or told.get("Features") or "").split()}
  memory = total_memory()
  return {
    "processor": name,
    "cores": os.cpu_count(),
    "flags": [flag for flag in FLAGS if flag in known],
    "caches": _caches(caches),
    "memory_gib": None if memory is None else round(memory / GIB, 1),
  }


def _told(cpuinfo: pathlib.Path) -> dict[str, str]:
  """What /proc/cpuinfo tells of the first core."""
  text = cpuinfo.read_text() if cpuinfo.exists() else ""
  pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
  return {name.strip(): value.strip() for name, _, value in pairs}


def _caches(folder: pathlib.Path) -> dict[str, dict[str, int]]:
  """L1d, L2 and so on -> its KiB, and how many cores share them."""
  found = {}
  for cache in sorted(folder.glob("index*")):
    read = {path.name: path.read_text().strip() for path in cache.iterdir() if path.is_file()}
    size = re.fullmatch(r"(\d+)K", read.get("size", ""))
    if size and read.get("type") in ("Data", "Unified"):
      name = f"L{read['level']}{'d' if read['type'] == 'Data' else ''}"
      found[name] = {"kib": int(size[1]), "cores": shared_by(read.get("shared_cpu_list", "0"))}
  return found


def shared_by(cores: str) -> int:
  """How many cores a list like 0-3,8 has."""
  spans = (part.split("-") for part in cores.split(","))
  return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)
