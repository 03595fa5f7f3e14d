"""Takes the next part that is not done, stops before a time limit, and brings what is small into a folder."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from experiments.accelerator.machine import lacking
from experiments.accelerator.parts import ROOT, Part, Place, Rows, readable
from experiments.accelerator.steps import Step
from experiments.speed.records import append

RESERVE = 20.0
"""Seconds before the limit at which a part is stopped: results are brought out in them."""
LEAST = 20.0
"""Seconds below which nothing is begun."""
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
LARGEST, STATE = 20 * 2**20, 40 * 2**20
"""Bytes of a file that is brought out, and of a checkpoint."""

LONG = ("gan-*", "all_cnn-*")
"""Folders of trainings, whose checkpoints are brought out."""


class Outcome(NamedTuple):
  """'done', 'stopped' at the limit, or 'failed'; seconds it took."""

  how: str
  seconds: float


def code() -> str:
  """A hash of the Python files of package, configs and experiments, which tells them where no git is."""
  digest = hashlib.blake2b(digest_size=8)
  for folder in ("asal_jax", "configs", "experiments"):
    for path in sorted((ROOT / folder).rglob("*.py")):
      digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
  return digest.hexdigest()


def slices(place: Place) -> list[dict]:
  """What was run so far: part, how it ended, seconds, hash of the code."""
  return readable(place.runs / "slices.jsonl")


def failures(place: Place, part: Part) -> int:
  """How often a part failed, or was stopped though it must run whole."""
  lost = ("failed", "stopped") if part.whole else ("failed",)
  return sum(r["part"] == part.name and r["how"] in lost for r in slices(place))


def why_not(part: Part) -> str:
  """What of its needs this machine lacks, '' where it has all."""
  return "; ".join(filter(None, map(lacking, part.needs)))


def left(place: Place, steps: Sequence[Step]) -> list[Part]:
  """The parts that can be done here and are not, in order; those that failed behind the others."""
  parts = [part for step in steps for part in step.parts if not part.done(place) and not why_not(part)]
  return sorted(parts, key=lambda part: failures(place, part))


@contextlib.contextmanager
def claimed(place: Place) -> Iterator[int]:
  """Holds the cache for one runner and its child, whose descriptor it gives; exits where another has it."""
  place.runs.mkdir(parents=True, exist_ok=True)
  with (place.cache / "lock").open("w") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
      sys.exit(f"error: --cache: another call, or what it started, still works in {place.cache}")
    yield file.fileno()


def run(place: Place, part: Part, seconds: float, lock: int) -> Outcome:
  """Runs a part for at most so long; its output goes to `runs/<part>/log.txt`."""
  folder = place.runs / part.name
  folder.mkdir(parents=True, exist_ok=True)
  command = [word.replace("{sprites}", os.environ.get("SPRITES_DIR", "")) for word in part.command(place)]
  env = os.environ | {"PYTHONUNBUFFERED": "1"}
  if not isinstance(part, Rows):  # There compilation is measured.
    env["JAX_COMPILATION_CACHE_DIR"] = str((place.made / "compiled").absolute())
    env["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
  started = time.monotonic()
  with (folder / "log.txt").open("a") as log:
    process = subprocess.Popen(
      command, cwd=ROOT, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
      pass_fds=(lock,),
    )  # fmt: skip
    try:
      code = process.wait(seconds)
    except subprocess.TimeoutExpired:
      code = None
    finally:
      end(process)
  how = "stopped" if code is None else "done" if code == 0 and part.done(place) else "failed"
  return Outcome(how, time.monotonic() - started)


def end(process: subprocess.Popen) -> None:
  """Ends a process and all that it started."""
  for number in (signal.SIGTERM, signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, number)
    if process.poll() is None:
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


def tail(place: Place, part: Part, count: int = 15) -> str:
  """The last lines of a part's log."""
  lines = (place.runs / part.name / "log.txt").read_text(errors="replace").splitlines()
  return "\n".join(f"  | {line}" for line in lines[-count:])


def go(place: Place, steps: Sequence[Step], out: pathlib.Path, deadline: float) -> bool:
  """Runs parts until all are done or the deadline, of time.monotonic, is near; whether nothing failed."""
  tried, good, of_code = set(), True, code()
  with claimed(place) as lock:
    restore(out, place)
    try:
      while part := next((part for part in left(place, steps) if part.name not in tried), None):
        seconds = deadline - time.monotonic() - RESERVE
        if seconds < LEAST or (tried and part.whole and seconds < 60 * part.minutes):
          break
        print(f"{part.name}: about {part.minutes:g} minutes in all, {seconds:.0f} s left", flush=True)
        tried.add(part.name)
        outcome = run(place, part, seconds, lock)
        append(place.runs / "slices.jsonl", {"part": part.name, **outcome._asdict(), "code": of_code})
        print(f"{part.name}: {outcome.how} after {outcome.seconds:.0f} s", flush=True)
        good &= outcome.how != "failed"
        if outcome.how != "done":
          print(tail(place, part), flush=True)
        bring(place, out)
        if outcome.how == "stopped":
          break
    finally:
      bring(place, out)
  return good


def mirror(source: pathlib.Path, target: pathlib.Path, again: bool) -> None:
  """Copies the files of a folder that are not too large; `again` those that have changed."""
  for path in sorted(source.rglob("*")):
    copy = target / path.relative_to(source)
    if not path.is_file() or path.name.startswith("partial_") or path.stat().st_size > LARGEST:
      continue
    same = copy.exists() and (copy.stat().st_size, copy.stat().st_mtime) == (
      path.stat().st_size,
      path.stat().st_mtime,
    )
    if not copy.exists() or (again and not same):
      copy.parent.mkdir(parents=True, exist_ok=True)
      copy.unlink(missing_ok=True)
      shutil.copy2(path, copy)


def bring(place: Place, out: pathlib.Path) -> None:
  """Copies what is small: all of `runs`, and the newest checkpoint of each training."""
  mirror(place.runs, out / "runs", again=True)
  for folder in trainings(place.made):
    kept, steps = out / "state" / folder.name, numbered(folder / "checkpoints")
    if not steps or sum(p.stat().st_size for p in steps[-1].rglob("*") if p.is_file()) > STATE:
      continue
    for old in numbered(kept / "checkpoints"):
      if old.name != steps[-1].name:
        shutil.rmtree(old)
    mirror(steps[-1], kept / "checkpoints" / steps[-1].name, again=False)
    # Without them a checkpoint is not gone on with.
    if (sums := steps[-1].with_name(f"{steps[-1].name}.sums.json")).exists():
      shutil.copy2(sums, kept / "checkpoints")


def trainings(folder: pathlib.Path) -> list[pathlib.Path]:
  """The folders of what is trained for long, but those that were set aside."""
  return sorted(path for kind in LONG for path in folder.glob(kind) if ".damaged" not in path.name)


def numbered(folder: pathlib.Path) -> list[pathlib.Path]:
  """The checkpoints in a folder that are complete, in order."""
  return sorted((p for p in folder.glob("[0-9]*") if p.name.isdecimal()), key=lambda p: int(p.name))


def restore(earlier: pathlib.Path, place: Place) -> None:
  """Copies back what an earlier call brought out and this cache lacks."""
  known = {folder.name for folder in trainings(place.made) if numbered(folder / "checkpoints")}
  for folder in trainings(earlier / "state"):
    if folder.name not in known:
      mirror(folder, place.made / folder.name, again=False)
  mirror(earlier / "runs", place.runs, again=False)
