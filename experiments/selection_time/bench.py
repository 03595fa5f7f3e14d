"""The work of one folder: things made once with their seconds, and selections timed with them."""

import argparse
import pathlib
import statistics
import sys
from collections.abc import Callable
from typing import TypeVar

from asal_jax.errors import InputError
from asal_jax.running.prepare import Preparation
from asal_jax.store.space import check_disk, check_memory
from asal_jax.store.stages import Stages, host_peak_bytes
from experiments.selection_time.meter import Meter, forget_peak
from experiments.selection_time.setting import SIZES, load, make_config
from experiments.speed.records import append, newest, surroundings, tell

CALLS, LONGEST, TOO_LONG = 5, 30.0, 120.0
"""A point is the median of CALLS selections, or of as many as began within LONGEST seconds; of one, beyond TOO_LONG."""

DISK_BYTES, MEMORY_BYTES, BASE_BYTES = 1_800, 420, 3 * 2**30
"""Needed a sample of the largest pool (features and all indices; exact search and one shard), and besides."""

T = TypeVar("T")
Select = Callable[[], tuple[float, dict[str, float]]]
"""A selection: its seconds in all, and by part."""


class Bench:
  """Makes and times things in `workdir`, for pools of up to `most`; what `results` holds is not done again."""

  def __init__(self, workdir: pathlib.Path, results: pathlib.Path, most: int):
    workdir.mkdir(parents=True, exist_ok=True)
    check_disk("workdir", workdir, DISK_BYTES * most + BASE_BYTES - held_bytes(workdir))
    check_memory("pool", MEMORY_BYTES * most + BASE_BYTES)
    self.workdir, self.cache, self.results = workdir, workdir / "cache", results
    self.stages, self.meter = Stages(workdir / "stages.jsonl"), Meter(workdir / "meter.json")
    self.about = surroundings()
    self.known = {(r["kind"], r["what"], r["n"]) for r in newest(results, "kind", "what", "n")}

  def done(self, kind: str, what: str, n: int) -> bool:
    return (kind, what, n) in self.known

  def record(self, kind: str, what: str, n: int, **values) -> None:
    tell(f"{kind}: {what}, {n:,}: {values['seconds']:.4g} s")
    append(self.results, {"kind": kind, "what": what, "n": n, **values} | self.about)
    self.known.add((kind, what, n))

  def made(self, what: str, n: int, make: Callable[[], T]) -> T:
    """What `make` makes; its seconds over all goes are recorded, and the memory of the process in the last one."""
    forget_peak()
    with self.meter(f"{what} {n}"):
      thing = make()
    if not self.done("preparation", what, n):
      seconds, peak = self.meter.seconds[f"{what} {n}"], host_peak_bytes()
      self.record("preparation", what, n, seconds=seconds, host_peak_bytes=peak)
    return thing

  def timed(self, what: str, n: int, select: Select) -> None:
    """Records the median selection and its parts; the first, which compiles and reads the index in, is apart.

    One that takes longer than TOO_LONG is not done again: compilation is a second or two of it.
    """
    if self.done("selection", what, n):
      return
    first, calls = select(), []
    while len(calls) < CALLS and first[0] < TOO_LONG and sum(seconds for seconds, _ in calls) < LONGEST:
      calls.append(select())
    calls = calls or [first]
    seconds = statistics.median(total for total, _ in calls)
    parts = {name: statistics.median(parts[name] for _, parts in calls) for name in calls[0][1]}
    self.record("selection", what, n, seconds=seconds, first=first[0], parts=parts, calls=len(calls))


def start(folder: pathlib.Path) -> tuple[Bench, int]:
  """The bench of an experiment's command line, and its largest pool; one line where a machine is too small."""
  parser = argparse.ArgumentParser()
  parser.add_argument("--most", type=int, default=SIZES[-1], help="the largest pool")
  parser.add_argument("--workdir", type=pathlib.Path, default=pathlib.Path("runs/scale"),
                      help="GAN, features and indices; may be removed afterwards")  # fmt: skip
  parser.add_argument("--to", type=pathlib.Path, default=folder / "results.jsonl", help="a JSON line a point")
  given = parser.parse_args()
  try:
    return Bench(given.workdir, given.to, given.most), given.most
  except InputError as error:
    sys.exit(f"error: {error}")


def held_bytes(folder: pathlib.Path) -> int:
  """Bytes of the files in a folder, each once whatever the names that it has."""
  found = [path.stat() for path in folder.rglob("*") if path.is_file()]
  return sum({status.st_ino: status.st_size for status in found}.values())


def preparation(bench: Bench, config, pool) -> Preparation:
  makes = frozenset({"gan", "features"})
  return Preparation(config, pool, bench.cache, makes, bench.stages, lambda *_: None)


def gan(bench: Bench):
  """The GAN of all pools, trained on the smallest: its iterations do not depend on the pool's size."""
  config = make_config(SIZES[0])
  pool = load(config, bench.cache).pool.images
  return bench.made("gan", SIZES[0], lambda: preparation(bench, config, pool).gan)
