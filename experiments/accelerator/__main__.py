"""Takes the next step that is not done, on the accelerator that jax finds, and stops before a time limit.

  python -m experiments.accelerator OUT [--limit=540] [--cache=FOLDER] [--earlier=FOLDER] [--only=STEP] [--tiny]
  python -m experiments.accelerator --list [--cache=FOLDER] [--tiny]

OUT gets results, figures and logs; the cache keeps what is large and must outlive a call. On a fresh machine
`--earlier` names an OUT of before, whose runs go on.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

from experiments.accelerator import machine, runner
from experiments.accelerator.parts import ROOT, Place
from experiments.accelerator.steps import STEPS, TINY, Step


def state(place: Place, step: Step) -> str:
  done = [part for part in step.parts if part.done(place)]
  if len(done) == len(step.parts):
    return "done"
  reasons = {runner.why_not(part) for part in step.parts if part not in done} - {""}
  lost = sum(runner.failures(place, part) > 0 for part in step.parts if part not in done)
  words = [f"{len(done)} of {len(step.parts)} parts done", *([f"{lost} failed"] if lost else []), *reasons]
  return "; ".join(words)


def show(place: Place, steps: tuple[Step, ...]) -> None:
  """A line a step: what it is, minutes, state."""
  taken: dict[str, float] = {}
  for r in runner.slices(place):
    taken[r["part"]] = taken.get(r["part"], 0.0) + r["seconds"] / 60
  print("estimated minutes (none was measured) / minutes taken so far / state")
  for step in steps:
    minutes = sum(taken.get(part.name, 0.0) for part in step.parts)
    print(f"{step.name:15} {step.minutes:6.0f} {minutes:6.1f}  {state(place, step)}\n{'':15} {step.what}")


def report(place: Place, out: pathlib.Path) -> None:
  """Writes results.jsonl, tables and figures; by a process that does not touch the accelerator."""
  arguments = [str(place.cache), str(out), *(["--tiny"] if place.tiny else [])]
  command = [sys.executable, "-m", "experiments.accelerator.report", *arguments]
  subprocess.run(command, cwd=ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu"}, check=True)


def parsed(arguments: list[str]) -> argparse.Namespace:
  form = argparse.RawDescriptionHelpFormatter
  parser = argparse.ArgumentParser("experiments.accelerator", description=__doc__, formatter_class=form)
  folder = lambda text: pathlib.Path(text).absolute()  # noqa: E731
  parser.add_argument("out", type=folder, nargs="?", metavar="OUT")
  parser.add_argument("--limit", type=float, default=540, help="seconds after which this call has ended")
  parser.add_argument("--cache", type=folder, help="default: runs/accelerator, or runs/accelerator_tiny")
  parser.add_argument("--earlier", type=folder, help="an OUT of an earlier call, on another machine")
  parser.add_argument("--only", choices=[step.name for step in STEPS], help="this step alone")
  parser.add_argument("--list", action="store_true", help="the steps and their state; nothing is run")
  parser.add_argument("--tiny", action="store_true", help="a rehearsal on any machine, in minutes")
  given = parser.parse_args(arguments)
  if not given.list and given.out is None:
    parser.error("OUT is missing")
  if given.limit < runner.RESERVE + runner.LEAST:
    parser.error(f"--limit: found {given.limit:g}; needed are {runner.RESERVE + runner.LEAST:g} s or more")
  given.cache = given.cache or ROOT / "runs" / ("accelerator_tiny" if given.tiny else "accelerator")
  return given


def main(arguments: list[str]) -> int:
  started, given = time.monotonic(), parsed(arguments)
  place = Place(given.cache, given.tiny)
  steps = [step for step in (TINY if given.tiny else STEPS) if given.only in (None, step.name)]
  if given.list:
    show(place, tuple(steps))
    return 0
  # What ends this process ends what it started, too.
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
  machine.look(given.tiny)
  if given.earlier:
    runner.restore(given.earlier, place)
  good = runner.go(place, steps, given.out, started + given.limit)
  report(place, given.out)
  show(place, tuple(steps))
  return 0 if good else 1


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
