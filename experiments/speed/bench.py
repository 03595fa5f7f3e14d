"""Times this package against PyTorch, faiss and scikit-activeml on the same machine, in turn, row by row.

Every side of a row runs in a worker process, and they wait for each other: A B A B ... The ratio of each pair is
taken, so that a comparison holds while the machine's speed drifts; medians are reported.

  python -m experiments.speed.bench [--precision=bfloat16] [ROW ...]    times these rows, or all
  python -m experiments.speed.bench --table                             prints and draws what was timed before
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from experiments.speed.records import append, surroundings, tell
from experiments.speed.rows import PRECISIONS, ROWS, precision
from experiments.speed.tables import RESULTS, show

Side = tuple[str, str]
"""('ours' or 'rival', name of the maker)."""


def work(side: str, name: str) -> None:
  """A worker: prepares, tells how, and then times a call for every line that comes in."""
  if side == "ours":
    import jax

    # As a run does with its config's.
    with jax.default_matmul_precision(precision()):
      answer(*prepare_ours(name))
  else:
    answer(*prepare_rival(name))


def prepare_ours(name: str) -> tuple[Callable[[], None], dict]:
  from experiments.speed.ours import OURS

  timed = OURS[name]()
  started = time.perf_counter()
  timed()
  return timed, {"first_seconds": time.perf_counter() - started}


def prepare_rival(name: str) -> tuple[Callable[[], None], dict]:
  from experiments.speed.rivals import RIVALS, TRIALS, choose_threads

  timed = RIVALS[name]()
  return timed, {"threads": choose_threads(TRIALS[name]() if name in TRIALS else timed)}


def answer(timed: Callable[[], None], ready: dict) -> None:
  print(json.dumps(ready), flush=True)
  for _ in sys.stdin:
    started = time.perf_counter()
    timed()
    print(time.perf_counter() - started, flush=True)


class Worker:
  """A worker process, ready to be asked for a call; `ready` is what it told of its preparation."""

  def __init__(self, side: Side):
    command = [sys.executable, "-m", "experiments.speed.bench", "--worker", *side]
    self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    self.ready = json.loads(self._line())

  def _line(self) -> str:
    line = self.process.stdout.readline()
    if not line:
      raise RuntimeError(f"{' '.join(self.process.args)} ended early")
    return line

  def seconds(self) -> float:
    self.process.stdin.write("\n")
    self.process.stdin.flush()
    return float(self._line())


def sides(name: str) -> tuple[Side, Side]:
  row = ROWS[name]
  return ("ours", row.ours or name), ("rival", row.rival or name)


def compare(names: list[str]) -> list[dict]:
  """The rows of a group: seconds of all their sides, a call each in turn."""
  workers, times = {}, {}
  try:
    for side in dict.fromkeys(side for name in names for side in sides(name)):
      # One after the other: nobody compiles while another tries its threads.
      workers[side], times[side] = Worker(side), []
    for _ in range(ROWS[names[0]].rounds):
      for side, worker in workers.items():
        times[side].append(worker.seconds())
  finally:
    for worker in workers.values():
      worker.process.communicate()
  return [result(name, workers, times) for name in names]


def result(name: str, workers: dict[Side, Worker], times: dict[Side, list[float]]) -> dict:
  """A row's medians and the spread of its ratios: without the extremes, where there are five or more."""
  (ours, rival), row = sides(name), ROWS[name]
  ratios = sorted(a / b for a, b in zip(times[ours], times[rival], strict=True))
  inner = ratios[1:-1] if len(ratios) >= 5 else ratios
  median = {side: statistics.median(times[side]) for side in (ours, rival)}
  compiling = workers[ours].ready["first_seconds"] - median[ours]
  return {
    "row": name, "precision": precision(), "what": row.what, "target": row.aim, "rounds": row.rounds,
    "ratio": statistics.median(ratios), "ratio_low": inner[0], "ratio_high": inner[-1],
    "ours_seconds": median[ours] / row.units, "rival_seconds": median[rival] / row.units,
    "rival_threads": workers[rival].ready["threads"],
    "compile_seconds": None if row.cold else compiling,
  }  # fmt: skip


def mnist_two() -> str:
  """MNIST 5 & 7 as an .npz that both sides read; '' where TFDS_DATA_DIR names no MNIST."""
  from asal_jax import InputError
  from asal_jax.pools import data

  try:
    splits = data.keep_classes(data.load_mnist(), (5, 7))
  except InputError as error:
    tell(f"the max entropy rows are left out: {error}")
    return ""
  path = pathlib.Path(tempfile.mkdtemp()) / "mnist_two.npz"
  arrays = {f"{name}_{k}": v for name in ("pool", "test") for k, v in getattr(splits, name)._asdict().items()}
  np.savez(path, **arrays)
  return str(path)


def main(rows: list[str]) -> None:
  """Times the rows in this process's precision, group by group, and writes each result as soon as it is there."""
  rows = [row for row in rows or ROWS if precision() in ROWS[row].precisions]
  if any(row.startswith("max_entropy") for row in rows):
    os.environ["BENCH_MNIST_TWO"] = mnist_two()
    if not os.environ["BENCH_MNIST_TWO"]:
      rows = [row for row in rows if not row.startswith("max_entropy")]
  about, groups = surroundings("torch", "faiss-cpu", "scikit-activeml"), {}
  for row in rows:
    groups.setdefault(ROWS[row].group or row, []).append(row)
  for group in groups.values():
    started = time.perf_counter()
    for r in compare(group):
      append(RESULTS, r | about)
      tell(f"{r['row']}, {r['precision']}: {r['ratio']:.3f}")
    tell(f"  {time.perf_counter() - started:.0f} s")
  show()


def parsed(arguments: list[str]) -> argparse.Namespace:
  parser = argparse.ArgumentParser("experiments.speed.bench", description=__doc__.splitlines()[0])
  parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
  parser.add_argument("--table", action="store_true")
  parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
  found = parser.parse_args(arguments)
  unknown = [row for row in found.rows if row not in ROWS]
  if unknown:
    parser.error(f"no rows: {', '.join(unknown)}; there are {', '.join(ROWS)}")
  return found


if __name__ == "__main__":
  if sys.argv[1:2] == ["--worker"]:
    work(*sys.argv[2:])
  else:
    asked = parsed(sys.argv[1:])
    os.environ["BENCH_PRECISION"] = asked.precision
    if asked.table:
      show()
    else:
      main(asked.rows)
