"""Runs on this machine: one after the other, each a process of its own; what is finished is not done again."""

import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from experiments.paper import results, runs, table
from experiments.paper.runs import Run

MOST_BYTES = 200_000
"""Of a figure that is kept."""


def commands(run: Run, scale: str, root: pathlib.Path, again: bool = False) -> list[list[str]]:
  """What is to be run for a run to be complete, none where it is; as arguments of Python."""
  wanted, found = table.strategies(run), results.find(run, (scale,), root, again)
  todo = []
  if found is None or not results.complete(found, wanted):
    todo.append(["-m", "asal_jax.main", *runs.flags(run, scale, wanted)])
  if table.annotated(run) and (found is None or found.agreement() is None):
    if not todo:  # Of what is kept the GAN may be made again.
      todo += [["-m", "asal_jax.main", *runs.flags(run, scale, wanted, stage)] for stage in runs.STAGES]
    todo.append(["-m", "experiments.paper", "agreement", f"--scale={scale}", run.name])
  return todo


def keep(run: Run, scale: str, root: pathlib.Path = runs.ROOT) -> pathlib.Path:
  """Copies what is kept of a finished run into its experiments folder, which it returns; figures below 200 kB."""
  source, target = root / runs.workdir(run, scale), root / runs.kept(run, scale)
  (target / "figures").mkdir(parents=True, exist_ok=True)
  for name in results.FILES:
    if (source / name).exists():
      shutil.copy2(source / name, target / name)
  for path in sorted((source / "figures").glob("*.png")):
    if path.stat().st_size < MOST_BYTES:
      shutil.copy2(path, target / "figures" / path.name)
  return target


def perform(
  chosen: Sequence[Run], scale: str, *, hours: float | None = None, again: bool = False, kept: bool = False,
  root: pathlib.Path = runs.ROOT,
) -> bool:  # fmt: skip
  """Runs what is not finished, in the order given; whether all is finished then.

  After `hours` the run that is going on is stopped; the next call goes on there. One that fails is told, and the next
  is run. `again` looks at workdirs alone, not at what is kept; `kept` keeps each run that is finished.
  """
  deadline = None if hours is None else time.monotonic() + 3600 * hours
  environment = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(runs.ROOT), os.environ.get("PYTHONPATH", "")])
  }
  left = 0
  for run in chosen:
    done = True
    for arguments in commands(run, scale, root, again):
      seconds = None if deadline is None else deadline - time.monotonic()
      if seconds is not None and seconds <= 0:
        return False
      tell(f"{run.name}, {scale}: python {' '.join(arguments)}")
      try:
        code = subprocess.run(
          [sys.executable, *arguments], cwd=root, env=environment, check=False, timeout=seconds
        ).returncode
      except subprocess.TimeoutExpired:
        tell(f"{run.name}, {scale}: stopped after {hours} hours; the same command goes on")
        return False
      if code:
        tell(f"{run.name}, {scale}: failed with code {code}")
        done = False
        break
    left += not done
    if done and kept and (root / runs.workdir(run, scale) / "summary.json").exists():
      tell(f"kept in {keep(run, scale, root)}")
  return not left


def tell(text: str) -> None:
  """Progress, apart from what the runs print."""
  print(text, file=sys.stderr, flush=True)
