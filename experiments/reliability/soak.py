"""Twelve hours of work compressed: 2,000 cycles on digits, memory and time a cycle looked at throughout.

  python -m experiments.reliability.soak [--workdir=runs/soak]      measures and draws
  python -m experiments.reliability.soak --figure                   draws what was measured before

One label a cycle, of 20,000 images made from digits, so that the labelled set grows all the while. ASAL with the
critic's features and the random sub-pool, one seed each. Slopes are by least squares over all but the first fifth of
the cycles, where things are compiled. Appends a line a strategy to results_soak.jsonl.
"""

import argparse
import json
import os
import pathlib
import shutil
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict
from scipy import stats

from asal_jax.job import run
from asal_jax.reporting import canvas
from asal_jax.store.journal import read_lines
from configs import digits
from experiments.speed.records import append, newest, surroundings, tell

FOLDER = pathlib.Path(__file__).parent
RESULTS = FOLDER / "results_soak.jsonl"
CYCLES, START, POOL = 2000, 50, 20_000
STRATEGIES = ("asal_critic", "subpool")
EVERY = 0.1
"""Seconds between two looks at the memory."""

POINTS = 100
"""Blocks of cycles whose means are kept for the figure."""


class Look(NamedTuple):
  """The process at one time: metrics lines so far, and what it holds."""

  second: float
  lines: int
  host: int  # bytes resident
  device: int  # bytes of all arrays of jax
  files: int


def make_config() -> ConfigDict:
  """Digits with a small GAN and CYCLES cycles of one label."""
  config = digits.get_config()
  config.seeds, config.strategies = (0,), STRATEGIES
  config.data.jitter = POOL
  config.loop.start, config.loop.per_cycle, config.loop.budget = START, 1, START + CYCLES - 1
  config.gan.iterations, config.gan.looks = 500, 0
  return config


def look(path: pathlib.Path, started: float) -> Look:
  """The process now."""
  resident = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
  lines = measured_lines(path)
  arrays = sum(array.nbytes for array in jax.live_arrays())
  return Look(time.monotonic() - started, lines, resident, arrays, len(os.listdir("/proc/self/fd")))


def measured_lines(path: pathlib.Path) -> int:
  """How many lines it has, by what stands in the last one: reading them all would take longer and longer."""
  if not path.exists() or not (size := path.stat().st_size):
    return 0
  with path.open("rb") as file:
    file.seek(max(0, size - 4096))
    record = json.loads(file.read().split(b"\n")[-2])
  return record["cycle"] + 1 + STRATEGIES.index(record["strategy"]) * CYCLES


def watch(path: pathlib.Path, looks: list[Look], over: threading.Event) -> None:
  """Looks at the process until it is over."""
  started = time.monotonic()
  while not over.wait(EVERY):
    looks.append(look(path, started))


def slope(x: np.ndarray, y: np.ndarray, per: float) -> list[float]:
  """What y grows by when x grows by `per`, and half its 95 % interval."""
  fit = stats.linregress(x, y)
  return [
    round(per * float(fit.slope), 4),
    round(per * float(stats.t.ppf(0.975, len(x) - 2) * fit.stderr), 4),
  ]


def blocks(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
  """[mean x, mean y] of POINTS blocks of points."""
  return [
    [round(float(np.mean(part)), 4) for part in pair]
    for pair in zip(np.array_split(x, POINTS), np.array_split(y, POINTS), strict=True)
    if len(pair[0])
  ]


def measured(strategy: str, first: int, looks: list[Look], rows: list[dict]) -> dict:
  """The record of a strategy whose metrics begin after `first` lines."""
  warm = CYCLES // 5
  mine = np.array([each for each in looks if first <= each.lines - 1 < first + CYCLES - 1])
  second, cycle = mine[:, 0], mine[:, 1] - 1 - first
  steady = cycle >= warm
  series = {"host MB": mine[:, 2] / 1e6, "device MB": mine[:, 3] / 1e6, "open files": mine[:, 4]}
  later = rows[warm:]
  number, labels = np.array([[row["cycle"], row["labels"]] for row in later]).T
  select, train = 1e3 * np.array([[row["select_seconds"], row["train_seconds"]] for row in later]).T
  return {
    "strategy": strategy,
    "cycles": len(rows),
    "seconds": round(float(second[-1] - second[0]), 1),
    "per 1000 cycles": {
      **{name: slope(cycle[steady], values[steady], 1000) for name, values in series.items()},
      "selection ms": slope(number, select, 1000),
    },
    "means": {
      **{name: round(float(values[steady].mean()), 2) for name, values in series.items()},
      "selection ms": round(float(select.mean()), 2),
    },
    "training ms a label": {
      "mean": round(float(np.mean(train / labels)), 4),
      "per 1000 cycles": slope(number, train / labels, 1000),
    },
    "rest ms a cycle": rest(second[steady], cycle[steady], later),
    "series": {
      **{name: blocks(cycle, values) for name, values in series.items()},
      "selection ms": blocks(number, select),
      "training ms a label": blocks(number, train / labels),
    },
  }  # fmt: skip


def rest(second: np.ndarray, cycle: np.ndarray, rows: list[dict]) -> list[float]:
  """Milliseconds a cycle beside training and selection (test, entropy, journal), in the first and the last half."""
  spent = np.array([row["train_seconds"] + row["select_seconds"] for row in rows])
  halves = []
  for part, inside in zip(np.array_split(np.arange(len(cycle)), 2), np.array_split(spent, 2), strict=True):
    whole = stats.linregress(cycle[part], second[part]).slope
    halves.append(round(1e3 * float(whole - inside.mean()), 2))
  return halves


def soak(workdir: pathlib.Path) -> Iterator[dict]:
  """Runs it anew and yields a record a strategy."""
  shutil.rmtree(workdir, ignore_errors=True)
  looks, over = [], threading.Event()
  watcher = threading.Thread(target=watch, args=(workdir / "metrics.jsonl", looks, over))
  watcher.start()
  try:
    run(make_config(), workdir=workdir)
  finally:
    over.set()
    watcher.join()
  rows = read_lines(workdir / "metrics.jsonl")
  for i, strategy in enumerate(STRATEGIES):
    mine = [row for row in rows if row["strategy"] == strategy]
    assert [row["cycle"] for row in mine] == list(range(CYCLES)), strategy
    yield measured(strategy, i * CYCLES, looks, mine[1:])


def draw(records: list[dict]) -> None:
  """Every series against the cycle, a panel each."""
  names = list(records[0]["series"])
  figure = canvas.figure(10, 5)
  for axes, name in zip(figure.subplots(2, 3).flat, names, strict=False):
    for record, colour in zip(records, ("#0072b2", "#d55e00"), strict=True):
      axes.plot(*zip(*record["series"][name], strict=True), color=colour, label=record["strategy"])
    axes.set(title=name, xlabel="cycle")
    axes.set_ylim(0, None)
  figure.axes[-1].axis("off")
  figure.axes[-1].legend(*figure.axes[0].get_legend_handles_labels(), loc="center", frameon=False)
  canvas.save(figure, FOLDER / "soak.png")


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
  parser.add_argument("--workdir", type=pathlib.Path, default=pathlib.Path("runs/soak"))
  parser.add_argument("--figure", action="store_true")
  options = parser.parse_args()
  if not options.figure:
    about = surroundings()
    for record in soak(options.workdir):
      append(RESULTS, record | about)
      tell(f"{record['strategy']}: {record['per 1000 cycles']}, training {record['training ms a label']}")
  draw(newest(RESULTS, "strategy"))


if __name__ == "__main__":
  main()
