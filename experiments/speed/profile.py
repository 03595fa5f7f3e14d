"""Where the time of a row of ours goes on CPU: seconds of XLA's operations by kind, and the longest of them.

python -m experiments.speed.profile ROW    a row of rows.py that runs in this process; in BENCH_PRECISION
"""

import collections
import os
import pathlib
import re
import sys
import tempfile

DUMP = tempfile.TemporaryDirectory()
# XLA reads it when jax starts: the compiled programs say what the names of the trace are.
os.environ["XLA_FLAGS"] = (
  f"{os.environ.get('XLA_FLAGS', '')} --xla_dump_to={DUMP.name} --xla_dump_hlo_as_text"
)

import jax  # noqa: E402

from experiments.speed.ours import OURS  # noqa: E402
from experiments.speed.rows import ROWS, precision  # noqa: E402

OVERLAPS = 4
"""From so many padded terms on a fusion is the sum of overlapping windows, the transpose of their gather."""


def kinds(program: str) -> dict[str, str]:
  """Operation -> its kind, of a compiled program as text."""
  pads: dict[str, int] = collections.Counter()
  computation, found = "", {}
  for line in program.splitlines():
    if line.startswith("%"):
      computation = line.split()[0]
    pads[computation] += " pad(" in line
  for line in program.splitlines():
    match = re.match(r"\s+(?:ROOT )?%(\S+) = .*? ([a-z-]+)\(", line)
    if match is None:
      continue
    name, operation = match.groups()
    called = re.search(r"calls=(%[\w.-]+)", line)
    if operation == "dot" or name.startswith("ynn_fusion"):
      found[name] = "matrix products"
    elif operation == "concatenate" or "concatenate" in name:
      found[name] = "windows, gathered"
    elif called and pads[called.group(1)] >= OVERLAPS:
      found[name] = "windows, added up"
    else:
      found[name] = "the rest (activations, Adam, random numbers, copies)"
  return found


def durations(folder: pathlib.Path) -> dict[str, float]:
  """Operation -> seconds, of the trace in a folder; loops are left out, their bodies are not."""
  trace = jax.profiler.ProfileData.from_file(str(next(folder.rglob("*.xplane.pb"))))
  seconds: dict[str, float] = collections.Counter()
  for plane in trace.planes:
    for line in plane.lines:
      for event in line.events if line.name.startswith("tf_XLA") else ():
        if not event.name.startswith(("while", "ThunkExecutor")):
          seconds[event.name] += 1e-9 * event.duration_ns
  return seconds


def profile(row: str, longest: int = 8) -> None:
  """Prints the shares of one row."""
  run = OURS[row]()
  run()
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder):
      run()
    seconds = durations(pathlib.Path(folder))
  programs = [
    kinds(path.read_text()) for path in pathlib.Path(DUMP.name).glob("*cpu_after_optimizations.txt")
  ]
  kind = max(programs, key=lambda found: sum(seconds.get(name, 0.0) for name in found))
  seconds = {name: taken for name, taken in seconds.items() if name in kind}
  total, units = sum(seconds.values()), ROWS[row].units
  shares: dict[str, float] = collections.Counter()
  for name, taken in seconds.items():
    shares[kind[name]] += taken
  print(f"{ROWS[row].what}: {1e3 * total / units:.1f} ms in operations")
  for name, taken in sorted(shares.items(), key=lambda item: -item[1]):
    print(f"  {100 * taken / total:3.0f} %  {name}")
  for name, taken in sorted(seconds.items(), key=lambda item: -item[1])[:longest]:
    print(f"    {1e3 * taken / units:6.2f} ms  {name}: {kind[name]}")


if __name__ == "__main__":
  with jax.default_matmul_precision(precision()):
    profile(sys.argv[1])
