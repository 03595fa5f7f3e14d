"""What each stage of a run cost: seconds and peak memory of host and device, as lines of stages.jsonl."""

import contextlib
import json
import pathlib
import re
import resource
import sys
import time
from collections.abc import Iterator

import jax

from asal_jax import processes
from asal_jax.store.files import append


class Stages:
  """A recorder: `with stages("gan"): ...` appends a line to `path`.

  A stage inside a stage has a line of its own, and its seconds are not among the outer's: lines add up to a run.
  A line has `stage`, `seconds`, `host_peak_bytes` and `device_peak_bytes`. Peaks are those of the whole process
  since its start, so what a stage adds is the difference to the line before; the device's are None where it does not
  tell (CPU).
  """

  def __init__(self, path: pathlib.Path):
    self.path, self.within = path, [0.0]

  @contextlib.contextmanager
  def __call__(self, name: str) -> Iterator[None]:
    """Times what is inside."""
    started = time.perf_counter()
    self.within.append(0.0)
    try:
      yield
    finally:
      inner, seconds = self.within.pop(), time.perf_counter() - started
      self.within[-1] += seconds
    record = {
      "stage": name,
      "seconds": seconds - inner,
      "host_peak_bytes": host_peak_bytes(),
      "device_peak_bytes": device_peak_bytes(),
    }
    if processes.is_writer():
      append(self.path, [json.dumps(record)])


def host_peak_bytes() -> int:
  """The most memory that this process held so far (its resident set)."""
  status = pathlib.Path("/proc/self/status")
  # First, because getrusage tells a child the peak of the process that started it where that is higher.
  if found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text() if status.exists() else ""):
    return int(found[1]) * 1024
  # Kilobytes on Linux, bytes on macOS.
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_peak_bytes() -> int | None:
  """The most memory that the first device held so far; None where the back end does not tell."""
  return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
