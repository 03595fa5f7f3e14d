"""asal_jax.main in a process that ends itself by a signal, at a moment that is told: no hook of the program's own.

  python -m experiments.reliability.deadly NOTE PLAN SIGNAL FLAG...

PLAN is JSON, [stage, how, at] of each stage in which it may happen; the first to come counts. `how` is `seconds` (`at`
so many after the stage began), or `replace`, `fsync`, `write`: before the at-th call of that function of `os` in the
stage, or after it where `at` is odd. Stages are those of stages.jsonl, and `start` before them. NOTE is a file that the
process writes just before: how it died.
"""

import contextlib
import json
import os
import pathlib
import runpy
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from asal_jax.store import stages

CALLS = ("replace", "fsync", "write")
HOWS = ("seconds", *CALLS)

REAL = {name: getattr(os, name) for name in CALLS}


class Fate:
  """What is to happen in which stage; `stage` is where the program is."""

  def __init__(self, note: str, plan: list[tuple[str, str, float]], number: int):
    self.note, self.number, self.stage = pathlib.Path(note), number, ""
    self.plan = {stage: (how, at) for stage, how, at in plan}
    self.calls: Counter[tuple[str, str]] = Counter()

  def die(self, stage: str) -> None:
    """Leaves the note and sends the signal; after one that can be caught the program goes on until it ends."""
    how, at = self.plan[stage]
    self.plan = {}
    about = {"stage": stage, "how": how, "at": at, "signal": signal.Signals(self.number).name}
    descriptor = os.open(self.note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    REAL["write"](descriptor, json.dumps(about).encode())
    os.close(descriptor)
    os.kill(os.getpid(), self.number)

  def enter(self, stage: str) -> None:
    """The program is in `stage` now."""
    self.stage = stage
    how, at = self.plan.get(stage, ("", 0))
    if how == "seconds":
      timer = threading.Timer(at, self.due, (stage,))
      timer.daemon = True
      timer.start()

  def due(self, stage: str) -> None:
    """The time is up: it counts if the stage is not over."""
    if self.stage == stage and stage in self.plan:
      self.die(stage)

  def counted(self, name: str) -> Callable[..., Any]:
    """The function of os, counted."""

    def call(*args: Any, **options: Any) -> Any:
      stage = self.stage
      how, at = self.plan.get(stage, ("", 0))
      self.calls[stage, name] += 1
      now = how == name and self.calls[stage, name] == at
      if now and at % 2 == 0:
        self.die(stage)
      result = REAL[name](*args, **options)
      if now and at % 2:
        self.die(stage)
      return result

    return call


def main() -> None:
  note, plan, number, *flags = sys.argv[1:]
  fate, timed = Fate(note, json.loads(plan), int(number)), stages.Stages.__call__

  @contextlib.contextmanager
  def followed(self: stages.Stages, name: str) -> Iterator[None]:
    outer = fate.stage
    fate.enter(name)
    with timed(self, name):
      yield
    fate.enter(outer)

  stages.Stages.__call__ = followed
  for name in CALLS:
    setattr(os, name, fate.counted(name))
  fate.enter("start")
  sys.argv = ["asal_jax.main", *flags]
  runpy.run_module("asal_jax.main", run_name="__main__")


if __name__ == "__main__":
  main()
