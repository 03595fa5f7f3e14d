"""Times this package against PyTorch and faiss on the same machine, in turn, row by row.

Every row runs in two worker processes, ours and the rival's, that wait for each other: A B A B ... The ratio of
each pair is taken, so that a comparison holds while the machine's speed drifts; medians are reported.

  python -m experiments.speed.bench [ROW ...]
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from experiments.speed.rows import ROWS

ROUNDS = 7
FOLDER = pathlib.Path(__file__).parent


def work(side: str, row: str) -> None:
  """A worker: prepares a row and times a first call (which compiles), then one for every line that comes in."""
  if side == "ours":
    from experiments.speed.ours import OURS as makers
  else:
    from experiments.speed.rivals import RIVALS as makers
  timed = makers[row]()
  while True:
    started = time.perf_counter()
    timed()
    print(time.perf_counter() - started, flush=True)
    if not sys.stdin.readline():
      break


def worker(side: str, row: str) -> subprocess.Popen:
  command = [sys.executable, "-m", "experiments.speed.bench", "--worker", side, row]
  return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


def ask(process: subprocess.Popen) -> float:
  process.stdin.write("\n")
  process.stdin.flush()
  return float(process.stdout.readline())


def compare(row: str) -> dict:
  """Seconds of both sides, a call each in turn, ROUNDS times."""
  text, units, aim = ROWS[row]
  sides = {side: worker(side, row) for side in ("ours", "rival")}
  first = {side: float(process.stdout.readline()) for side, process in sides.items()}
  times = {side: [] for side in sides}
  for _ in range(ROUNDS):
    for side, process in sides.items():
      times[side].append(ask(process) / units)
  for process in sides.values():
    process.communicate()
  ratios = sorted(a / b for a, b in zip(times["ours"], times["rival"], strict=True))
  median = {side: statistics.median(values) for side, values in times.items()}
  return {
    "row": row, "what": text, "target": aim, "ratio": statistics.median(ratios),
    "ratio_low": ratios[1], "ratio_high": ratios[-2], "ours_seconds": median["ours"],
    "rival_seconds": median["rival"], "compile_seconds": first["ours"] - median["ours"] * units,
  }  # fmt: skip


def mnist_two() -> str:
  """MNIST 5 & 7 as an .npz that both sides read; '' where TFDS_DATA_DIR names no MNIST."""
  from asal_jax import InputError, data

  try:
    splits = data.load("mnist", (5, 7))
  except InputError as error:
    print(f"max_entropy_mnist_two is left out: {error}", file=sys.stderr)
    return ""
  path = pathlib.Path(tempfile.mkdtemp()) / "mnist_two.npz"
  arrays = {f"{name}_{k}": v for name in ("pool", "test") for k, v in getattr(splits, name)._asdict().items()}
  np.savez(path, **arrays)
  return str(path)


def table(results: list[dict]) -> str:
  """The rows as Markdown."""
  lines = [
    "| what | ours | rival | ratio (spread) | aim | compile s |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
  ]
  for r in results:
    spread = f"{r['ratio']:.2f} ({r['ratio_low']:.2f} to {r['ratio_high']:.2f})"
    seconds = " | ".join(f"{1e3 * r[side]:.3g} ms" for side in ("ours_seconds", "rival_seconds"))
    lines.append(f"| {r['what']} | {seconds} | {spread} | {r['target']} | {r['compile_seconds']:.1f} |")
  return "\n".join(lines)


def main(rows: list[str]) -> None:
  from importlib import metadata

  from asal_jax.job import surroundings

  rows = rows or list(ROWS)
  if "max_entropy_mnist_two" in rows:
    os.environ["BENCH_MNIST_TWO"] = mnist_two()
    rows = [row for row in rows if row != "max_entropy_mnist_two" or os.environ["BENCH_MNIST_TWO"]]
  about = surroundings()
  about["versions"] |= {name: metadata.version(name) for name in ("torch", "faiss-cpu")}
  results = []
  for row in rows:
    results.append(compare(row))
    print(f"{row}: {results[-1]['ratio']:.3f}", file=sys.stderr, flush=True)
    with (FOLDER / "results.jsonl").open("a") as file:
      file.write(json.dumps(results[-1] | about) + "\n")
  print(table(results))


if __name__ == "__main__":
  if sys.argv[1:2] == ["--worker"]:
    work(*sys.argv[2:])
  else:
    main(sys.argv[1:])
