"""Times this package against PyTorch, faiss and scikit-activeml on the same machine and device, in turn, row by row.

Every side of a row runs in a worker process, and they wait for each other: A B A B ... The ratio of each pair is
taken, so that a comparison holds while the machine's speed drifts; medians are reported.

  python -m experiments.speed.bench [--precision=bfloat16] [--to=FILE] [ROW ...]    times these rows, or all
  python -m experiments.speed.bench --table                                         what was timed before

On an accelerator the rivals run there too; where they are not installed, ours is timed alone.
"""

import argparse
import importlib.util
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
from experiments.speed.rows import PRECISIONS, ROWS, chosen, precision
from experiments.speed.tables import RESULTS, ratio, show

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
  from experiments.speed.work import of_row

  timed, least = OURS[name](), of_row(name)
  started = time.perf_counter()
  timed()
  first = {"first_seconds": time.perf_counter() - started}
  return timed, first | (least._asdict() if least else {})


def prepare_rival(name: str) -> tuple[Callable[[], None], dict]:
  from experiments.speed.rival_parts import DEVICE, set_up
  from experiments.speed.rivals import RIVALS, TRIALS, choose_form, choose_threads

  if DEVICE.type != "cpu":
    set_up()
    timed, form = choose_form(RIVALS[name])
    return timed, {"rival_form": form}
  timed = RIVALS[name]()
  return timed, {"rival_threads": choose_threads(TRIALS[name]() if name in TRIALS else timed)}


def missing(row: str, platform: str) -> str:
  """Why a row's rival can not run beside ours; '' where it can."""
  packages = ["torch"]
  packages += ["skactiveml"] if row.startswith("walk_") else []
  packages += ["faiss"] if "search" in row and platform == "cpu" else []
  gone = [name for name in packages if importlib.util.find_spec(name) is None]
  if gone:
    return f"{' and '.join(gone)} not installed"
  if platform != "cpu":
    import torch

    if not torch.cuda.is_available():
      return f"torch {torch.__version__} finds no GPU"
  return ""


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


def compare(names: list[str], platform: str) -> list[dict]:
  """The rows of a group: seconds of all their sides, a call each in turn."""
  workers, times, wanted = {}, {}, []
  for name in names:
    ours, rival = sides(name)
    why = missing(name, platform)
    wanted += [ours] if why else [ours, rival]
    if why:
      tell(f"{name}: ours alone, {why}")
  try:
    for side in dict.fromkeys(wanted):
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
  ready = workers[ours].ready
  seconds = statistics.median(times[ours])
  found = {
    "row": name, "precision": precision(), "what": row.what, "target": row.aim, "rounds": row.rounds,
    "ours_seconds": seconds / row.units,
    "compile_seconds": None if row.cold else ready["first_seconds"] - seconds,
    "flops": ready.get("flops"), "bytes": ready.get("bytes"),
  }  # fmt: skip
  if rival not in workers:
    return found
  ratios = sorted(a / b for a, b in zip(times[ours], times[rival], strict=True))
  inner = ratios[1:-1] if len(ratios) >= 5 else ratios
  compared = {
    "ratio": statistics.median(ratios), "ratio_low": inner[0], "ratio_high": inner[-1],
    "rival_seconds": statistics.median(times[rival]) / row.units,
  }  # fmt: skip
  return found | compared | workers[rival].ready


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


def main(rows: list[str], to: pathlib.Path) -> None:
  """Times the rows in this process's precision, group by group, and writes each result as soon as it is there."""
  # Several processes share a GPU's memory.
  os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
  about, groups = surroundings("torch", "faiss-cpu", "scikit-activeml"), {}
  platform = about["device"]["platform"]
  if (platform, precision()) == ("cpu", "tensorfloat32"):
    sys.exit("error: --precision: a CPU has no tensorfloat32")
  rows = [row for row in rows or chosen(platform, precision()) if precision() in ROWS[row].precisions]
  if any(row.startswith("max_entropy") for row in rows):
    os.environ["BENCH_MNIST_TWO"] = mnist_two()
    if not os.environ["BENCH_MNIST_TWO"]:
      rows = [row for row in rows if not row.startswith("max_entropy")]
  for row in rows:
    groups.setdefault(ROWS[row].group or row, []).append(row)
  for group in groups.values():
    started = time.perf_counter()
    for r in compare(group, platform):
      append(to, r | about)
      tell(f"{r['row']}, {r['precision']}: {r['ours_seconds']:.4g} s, {ratio(r)} of the rival's")
    tell(f"  {time.perf_counter() - started:.0f} s")
  if to == RESULTS:
    show()


def parsed(arguments: list[str]) -> argparse.Namespace:
  parser = argparse.ArgumentParser("experiments.speed.bench", description=__doc__.splitlines()[0])
  parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
  parser.add_argument("--table", action="store_true")
  parser.add_argument("--to", type=pathlib.Path, default=RESULTS, help="a JSON line a row")
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
      main(asked.rows, asked.to)
