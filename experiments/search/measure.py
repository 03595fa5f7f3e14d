"""What every index finds, what building it costs and how long a search takes, against the size of the pool.

  python -m experiments.search.measure --most=1000000 [--workdir=runs/scale] [--to=FILE.jsonl]

It shares its work directory with experiments.selection_time: what one of them has made the other does not make again.
The same command goes on where it was stopped; what the results hold is not done again.
"""

import dataclasses
import os
import pathlib
import statistics
import time

import numpy as np

from asal_jax.search.exact import ExactIndex
from asal_jax.search.graph import PyNNDescentIndex
from asal_jax.types import Index
from experiments.search.features import QUERIES, Searched, clustered, real
from experiments.selection_time.bench import Bench, gan, start
from experiments.selection_time.setting import SIZES

FOLDER = pathlib.Path(__file__).parent
KINDS = {"real": real, "clustered": clustered}
LARGEST = {
  "exact": {"real": 16_000_000, "clustered": 16_000_000},
  "exact_int8": {"real": 16_000_000, "clustered": 16_000_000},
  "pynndescent": {"real": 16_000_000, "clustered": 1_000_000},
  "kdtree": {"real": 1_000_000, "clustered": 1_000_000},
  "faiss_ivf": {"real": 16_000_000, "clustered": 4_000_000},
  "faiss_hnsw": {"real": 1_000_000, "clustered": 160_000},
}
"""The largest pool of each index and kind of features: beyond it building, or a k-d tree's search, takes too long."""

BATCH, NEIGHBOURS = 10, 10
"""Queries searched together, as a selection does, and neighbours of each."""

NARROW = 0.1
"""A margin of pynndescent's search beside the default's 0.3."""

NOTHING = np.zeros(0, np.int32)


def recall(found: np.ndarray, truth: np.ndarray, k: int) -> float:
  """The share of the k nearest that were found, of distances f32[q, NEIGHBOURS]; equally near ones count as found."""
  return float(np.mean(np.sum(found[:, :k] <= truth[:, k - 1 : k] * (1 + 1e-5), axis=1) / k))


def searched(index: Index, queries: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
  """Distances f32[q, NEIGHBOURS], and median seconds of a batch: warm, when all were searched before; fresh, when what
  others touched of the index was in memory; and of the very first, which compiles."""
  batches = queries.reshape(-1, BATCH, queries.shape[1])
  found, seconds = [], []
  for batch in (batches[0], *batches, *batches):
    started = time.perf_counter()
    found.append(index.search(batch, NEIGHBOURS, NOTHING)[0])
    seconds.append(time.perf_counter() - started)
  fresh, warm = seconds[1 : len(batches) + 1], seconds[len(batches) + 1 :]
  taken = {"seconds": statistics.median(warm), "fresh": statistics.median(fresh), "first": seconds[0]}
  return np.concatenate(found[len(batches) + 1 :]), taken


def forget_file(path: pathlib.Path) -> None:
  """Lets the system forget what it keeps of a file in memory."""
  with path.open("rb") as file:
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def from_disk(index: ExactIndex, queries: np.ndarray) -> float:
  """Seconds of an exact search that reads the features from the disk."""
  mapped = ExactIndex(index.features, index.center)
  vars(mapped)["resident"] = None
  mapped.search(queries[:BATCH], NEIGHBOURS, NOTHING)
  forget_file(pathlib.Path(index.features.filename))
  started = time.perf_counter()
  mapped.search(queries[:BATCH], NEIGHBOURS, NOTHING)
  return time.perf_counter() - started


def names_of(kind: str, n: int) -> list[str]:
  """The indices that a pool of n is searched by."""
  return [name for name, largest in LARGEST.items() if n <= largest[kind]]


def build(bench: Bench, kind: str, n: int, data: Searched) -> None:
  """Makes all indices over one pool, one at a time."""
  for name in names_of(kind, n):
    # As experiments.selection_time calls them.
    what = name if kind == "real" else f"{name}, {kind}"
    if not bench.done("preparation", what, n):
      bench.made(what, n, lambda name=name: data.index(name))


def search(bench: Bench, kind: str, n: int, data: Searched) -> None:
  """Times searches by all indices over one pool; the exact neighbours are the truth."""
  left = [name for name in names_of(kind, n) if not bench.done("search", f"{name}, {kind}", n)]
  if not left:
    return
  exact = data.index("exact")
  truth = exact.search(data.queries, NEIGHBOURS, NOTHING)[0]

  def record(name: str, index: Index, **more: float) -> None:
    distances, taken = searched(index, data.queries)
    found = {"recall_1": recall(distances, truth, 1), "recall_10": recall(distances, truth, NEIGHBOURS)}
    bench.record("search", f"{name}, {kind}", n, **taken, **found, queries=QUERIES, **more)

  for name in left:
    index = exact if name == "exact" else data.index(name)
    if isinstance(index, PyNNDescentIndex):
      record(f"pynndescent of margin {NARROW}", dataclasses.replace(index, epsilon=NARROW))
    record(name, index, **({"seconds_from_disk": from_disk(exact, data.queries)} if index is exact else {}))


def main() -> None:
  bench, most = start(FOLDER)
  trained = gan(bench)
  for n in SIZES:
    for kind, make in KINDS.items():
      if n <= most:
        data = make(bench, n, trained)
        build(bench, kind, n, data)
        search(bench, kind, n, data)


if __name__ == "__main__":
  main()
