"""Images a second by where a pool's images lie: python -m experiments.pools.measure (3 minutes on 2 cores).

Passes in order read blocks as `blocks.walk` does; random ids are those of two chunks of GAN training. Kinds take turns,
so that what else the machine does falls on all; the memory map is the unit of the ratios.
"""

import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from asal_jax.pools.blocks import READ
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.pools.records import PART, Parts, RecordPool, parts_ahead
from asal_jax.pools.sources import open_tfds
from experiments.speed.records import append, surroundings, tell

FOLDER = pathlib.Path(__file__).parent
SETS = ("mnist", "cifar10")
ROUNDS = 3
BLOCKS = 2
"""Blocks of a pass: the rate is the same for more."""
RANDOM = 2 * 25 * 5 * 50
"""Ids of two chunks of GAN training: iterations x critic steps x batch."""
SINGLE = 500
"""Records read one a grain element, which is slow."""
MAP = "memory map"

Measure = Callable[[np.ndarray], tuple[float, float]]
"""Reads these ids: (seconds until the first images are there, where apart; seconds for all at the rate after that)."""


def whole(read: Callable[[np.ndarray], Any]) -> Measure:
  """Read in one go."""

  def measure(ids: np.ndarray) -> tuple[float, float]:
    start = time.perf_counter()
    np.asarray(read(ids))
    return 0.0, time.perf_counter() - start

  return measure


def streamed(pool: RecordPool, size: int, workers: int, threads: int, most: int | None = None) -> Measure:
  """Through grain, `size` images an element; the ids are known beforehand, as in a pass."""

  def measure(ids: np.ndarray) -> tuple[float, float]:
    start = time.perf_counter()
    parts = parts_ahead(Parts(pool.reader, ids[:most], size), workers, threads)
    next(parts)
    first = time.perf_counter() - start
    # Processes start one after the other, each with a small buffer.
    for _ in range(4 * workers):
      next(parts)
    began = time.perf_counter()
    rest = sum(len(part) for part in parts)
    seconds = time.perf_counter() - began
    parts.close()
    return first, seconds * len(ids) / rest

  return measure


def in_blocks(pool: Any) -> Callable[[np.ndarray], None]:
  """A pass over the first ids as `walk` makes it."""

  def read(ids: np.ndarray) -> int:
    return sum(len(np.asarray(pool.block(i, i + READ))) for i in range(0, len(ids), READ))

  return read


def cold(path: pathlib.Path, measure: Measure) -> Measure:
  """The same, with the file's pages dropped from memory first."""

  def after_drop(ids: np.ndarray) -> tuple[float, float]:
    with path.open("rb") as file:
      os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return measure(ids)

  return after_drop


def kinds(pool: RecordPool, path: pathlib.Path, ordered: bool) -> dict[str, Measure]:
  """What is measured, by name."""
  read = (lambda of: whole(in_blocks(of))) if ordered else (lambda of: whole(of.read))

  def mapped(ids: np.ndarray) -> tuple[float, float]:
    # Mapped anew: pages that are mapped can not be dropped.
    return read(MappedPool(np.load(path, mmap_mode="r")))(ids)

  return {
    "memory map, cold": cold(path, mapped),
    MAP: mapped,
    "array": read(ArrayPool(np.load(path))),
    "records": read(pool),
    "grain, 2 threads": streamed(pool, PART, 0, 2),
    "grain, an image an element": streamed(pool, 1, 0, 16, SINGLE),
    "grain, 2 processes": streamed(pool, PART, 2, 0),
  }


def rows(name: str, folder: pathlib.Path) -> Iterator[dict[str, Any]]:
  """The measurements of one data set."""
  pool = RecordPool(name, open_tfds(name, ("train",))[0], workers=0)
  path = folder / f"{name}.npy"
  count = BLOCKS * READ
  np.save(path, pool.block(0, count))
  with path.open("rb") as file:
    os.fsync(file.fileno())
  sets = {"order": np.arange(count), "random": np.random.default_rng(0).permutation(count)[:RANDOM]}
  for order, ids in sets.items():
    measures = kinds(pool, path, order == "order")
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in measures}
    for _ in range(ROUNDS):
      for kind, measure in measures.items():
        found[kind].append(measure(ids))
    unit = statistics.median(seconds for _, seconds in found[MAP])
    for kind, seconds in found.items():
      taken = statistics.median(rest for _, rest in seconds)
      yield {
        "set": name, "order": order, "kind": kind, "images_per_second": round(len(ids) / taken),
        "times_map": round(unit / taken, 5), "seconds_to_first": round(statistics.median(a for a, _ in seconds), 2),
      }  # fmt: skip
  yield {"set": name, "bytes_per_image": sizes(pool)}


def sizes(pool: RecordPool) -> dict[str, float]:
  """Bytes on disk an image: decoded, and the split's files."""
  info = pool.source.dataset_info.splits["train"]
  files = sum(os.path.getsize(file) for file in info.filepaths)
  return {"decoded": float(np.prod(pool.image_shape)), "records": round(files / info.num_examples, 1)}


def main() -> None:
  about = surroundings("grain", "array_record")
  with tempfile.TemporaryDirectory() as folder:
    for name in SETS:
      for row in rows(name, pathlib.Path(folder)):
        tell(str(row))
        append(
          FOLDER / "results.jsonl", row | {"config": {"rounds": ROUNDS, "read": READ, "part": PART}} | about
        )


if __name__ == "__main__":
  main()
