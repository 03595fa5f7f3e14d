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

ROUNDS = 7
FOLDER = pathlib.Path(__file__).parent

# Row: what it is, iterations inside one timed call, largest ratio aimed at.
# The aim of max entropy was set against a rival that trains one seed after the other; ours here trains all at once.
ROWS = {
  "wgan_gp_mnist_16": ("WGAN-GP iteration, MNIST nets, width 16", 10, 0.75),
  "wgan_gp_mnist_32": ("WGAN-GP iteration, MNIST nets, width 32", 5, 0.85),
  "wgan_gp_mnist_64": ("WGAN-GP iteration, MNIST nets, width 64", 2, 0.75),
  "autoencoder_mnist": ("auto-encoder step, MNIST, batch 100", 20, 1.0),
  "lenet_step": ("LeNet-5 training step, batch 50", 50, 1.0),
  "score_pool_lenet": ("entropy of 50,000 images, LeNet-5", 1, 1.0),
  "synthesis_mnist_16": ("ascent, 5 seeds x 10 latents x 100 steps, width 16", 1, 0.6),
  "max_entropy_mnist_two": ("MNIST two, max entropy, 5 seeds x 46 cycles, warm", 1, 0.04),
  "exact_search_1m": ("exact search, 10 queries, k = 10, 1M x 50", 1, 0.6),
  "exact_search_4m": ("exact search, 10 queries, k = 10, 4M x 50", 1, 0.6),
}


def work(side: str, row: str) -> None:
  """A worker: prepares a row, calls it once (compiling), then times a call for every line that comes in."""
  started = time.perf_counter()
  if side == "ours":
    from experiments.speed.ours import OURS as makers
  else:
    from experiments.speed.rivals import RIVALS as makers
  timed = makers[row]()
  prepared = time.perf_counter()
  timed()
  print(json.dumps({"prepare": prepared - started, "first_call": time.perf_counter() - prepared}), flush=True)
  for _ in sys.stdin:
    started = time.perf_counter()
    timed()
    print(time.perf_counter() - started, flush=True)


def worker(side: str, row: str) -> subprocess.Popen:
  command = [sys.executable, "-m", "experiments.speed.bench", "--worker", side, row]
  return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


def ask(process: subprocess.Popen) -> float:
  process.stdin.write("\n")
  process.stdin.flush()
  return float(process.stdout.readline())


def compare(row: str) -> dict:
  """Seconds of both sides, a call each in turn, ROUNDS times."""
  text, units, target = ROWS[row]
  sides = {side: worker(side, row) for side in ("ours", "rival")}
  ready = {side: json.loads(process.stdout.readline()) for side, process in sides.items()}
  times = {side: [] for side in sides}
  for _ in range(ROUNDS):
    for side, process in sides.items():
      times[side].append(ask(process) / units)
  for process in sides.values():
    process.communicate()
  ratios = sorted(a / b for a, b in zip(times["ours"], times["rival"], strict=True))
  median = {side: statistics.median(values) for side, values in times.items()}
  return {
    "row": row, "what": text, "target": target, "ratio": statistics.median(ratios),
    "ratio_low": ratios[1], "ratio_high": ratios[-2], "ours_seconds": median["ours"],
    "rival_seconds": median["rival"], "compile_seconds": ready["ours"]["first_call"] - median["ours"] * units,
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
