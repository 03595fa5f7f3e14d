"""Kills a run at random moments of every stage, again and again, and holds its end against an undisturbed run's.

  python -m experiments.reliability.kills [--kills=60] [--seed=0] [--workdir=runs/kills]

A life is one run that is killed in one stage after another until it ends; one in four is ended by SIGTERM each time.
Appends a line a kill to results_kills.jsonl once its life is over, with whether that ended in the same results:
metrics.jsonl, selections.jsonl and summary.json, timings aside; lines with their checksums, nothing half-written left.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any, NamedTuple

from asal_jax import interrupts
from asal_jax.store.files import opened
from asal_jax.store.journal import read_lines
from experiments.reliability.deadly import HOWS
from experiments.speed.records import append, surroundings, tell

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = pathlib.Path(__file__).parent / "results_kills.jsonl"
SETTING = "experiments/reliability/setting.py"
SECONDS = ("train_seconds", "select_seconds", "median_train_seconds", "median_select_seconds")
OFTEN = {"replace": 6, "fsync": 12, "write": 12}
"""A stage's calls, at most about so many; a kill at a later one than there are does not come."""

Plan = list[tuple[str, str, float]]
"""Stage, how, at, as of deadly.py."""

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)
"""One life in four is ended by SIGTERM."""

CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: interrupts.REQUEUE}
"""The exit code of a run that dies by a signal."""


class Run(NamedTuple):
  """A run that is started again and again; `flags` are further ones of its command."""

  workdir: pathlib.Path
  flags: tuple[str, ...] = ()

  def command(self, *module: str) -> dict[str, Any]:
    """The arguments of subprocess that start `module` with the run's flags."""
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(self.workdir.with_name("compiled"))}
    flags = [f"--config={SETTING}", f"--workdir={self.workdir}", "--nodistributed", *self.flags]
    return {
      "args": [sys.executable, "-m", *module, *flags], "cwd": ROOT, "env": compiled | os.environ,
      "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True,
    }  # fmt: skip

  def start(self, plan: Plan | None = None, number: int = signal.SIGKILL) -> dict[str, Any] | None:
    """Starts or resumes it; how it died, None where it ended. AssertionError where it ended as it should not."""
    note = self.workdir.with_name(f"{self.workdir.name}.died")
    note.unlink(missing_ok=True)
    deadly = ["experiments.reliability.deadly", str(note), json.dumps(plan), str(int(number))]
    done = subprocess.run(**self.command(*deadly if plan else ("asal_jax.main",)), check=False)
    died = None
    if note.exists():
      died = json.loads(note.read_text()) | {"seconds to exit": round(time.time() - note.stat().st_mtime, 2)}
    if done.returncode != (CODES[signal.Signals(number)] if died else 0):
      raise AssertionError(f"ended with {done.returncode} after {died}: {done.stderr}")
    return died

  def live(self, plan: Plan, wanted: dict[str, Any], number: int = signal.SIGKILL) -> list[dict[str, Any]]:
    """Goes on until it ends: the deaths that came, each with whether that end is as it should be."""
    came, names = [], [stage for stage, *_ in plan]
    while died := self.start(plan, number):
      came.append(died)
      plan = [death for death in plan if names.index(death[0]) > names.index(died["stage"])]
    wrong = flaws(self.workdir, wanted)
    return [died | {"equal": not wrong, "flaws": wrong} for died in came]


def stages_of(workdir: pathlib.Path) -> dict[str, float]:
  """The stages of a finished run in their order, and the seconds of each."""
  return {line["stage"]: line["seconds"] for line in read_lines(workdir / "stages.jsonl")}


def results(workdir: pathlib.Path) -> dict[str, Any]:
  """What a run ended in, timings aside."""
  kept = lambda record: {k: v for k, v in record.items() if k not in SECONDS}  # noqa: E731
  found: dict[str, Any] = {
    name: [kept(record) for record in read_lines(workdir / f"{name}.jsonl")]
    for name in ("metrics", "selections")
  }
  summary = json.loads((workdir / "summary.json").read_text())
  return found | {"summary": {name: kept(entry) for name, entry in summary.items()}}


def flaws(workdir: pathlib.Path, wanted: dict[str, Any]) -> list[str]:
  """What differs from the undisturbed run's results, and what is torn or left over."""
  found = results(workdir)
  different = [name for name in wanted if found[name] != wanted[name]]
  torn = [
    f"{name}: line {i}"
    for name in ("metrics.jsonl", "selections.jsonl")
    for i, line in enumerate((workdir / name).read_bytes().splitlines(keepends=True), 1)
    if opened(line) is None or not line.endswith(b"\n")
  ]
  # The note of who held a lock may be left: the next to take that lock tells of it.
  ends = (".part", ".orbax-checkpoint-tmp")
  left = [
    str(path.relative_to(workdir)) for path in workdir.rglob("*") if any(end in path.name for end in ends)
  ]
  return different + torn + left


def drawn(stages: dict[str, float], luck: random.Random) -> Plan:
  """A death in each stage, in their order, at a moment drawn by chance."""
  plan = []
  for stage, seconds in stages.items():
    how = luck.choice(HOWS)
    at = round(luck.uniform(0, seconds), 3) if how == "seconds" else luck.randint(1, OFTEN[how])
    plan.append((stage, how, at))
  return plan


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
  parser.add_argument("--kills", type=int, default=60)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--workdir", type=pathlib.Path, default=pathlib.Path("runs/kills"))
  options = parser.parse_args()
  luck, about, came = random.Random(options.seed), surroundings(), []
  shutil.rmtree(options.workdir, ignore_errors=True)
  whole, life = (Run(options.workdir.absolute() / name) for name in ("whole", "life"))
  options.workdir.mkdir(parents=True)
  whole.start()
  stages, wanted = {"start": 1.0, **stages_of(whole.workdir)}, results(whole.workdir)
  while len(came) < options.kills:
    shutil.rmtree(life.workdir, ignore_errors=True)
    deaths = life.live(drawn(stages, luck), wanted, luck.choice(SIGNALS))
    came += deaths
    for death in deaths:
      append(RESULTS, {"seed": options.seed, **death} | about)
    tell(
      f"{len(came)} kills, {sum(not death['equal'] for death in came)} of them in lives that ended differently"
    )
  tell(str(Counter(death["stage"] for death in came)))


if __name__ == "__main__":
  main()
