"""Exact search of 16 million rows of 50 dimensions on the device: seconds, bytes/s, and whether nothing is missed.

  python -m experiments.accelerator.search FILE [--tiny]

The truth are products in float64 by NumPy on the host, a part of the rows at a time. Features are clustered, as in
experiments/search; queries are of the same clusters.
"""

import pathlib
import statistics
import sys
import time

import numpy as np

from asal_jax.search.index import INDICES
from experiments.speed.pools import clustered_rows
from experiments.speed.records import append, surroundings

ROWS, TINY, PART = 16_000_000, 20_000, 1_000_000
NAMES = ("exact", "exact_int8")
NEIGHBOURS, CALLS = 10, 10
QUERIES = (10, 100)
"""Searched together: those of one seed's cycle, those of ten seeds'."""


def rows_of(n: int) -> np.ndarray:
  rng = np.random.default_rng(1)
  return np.concatenate([clustered_rows(rng, min(PART, n - start)) for start in range(0, n, PART)])


def nearest(features: np.ndarray, queries: np.ndarray) -> np.ndarray:
  """Distances f64[q NEIGHBOURS] of the nearest rows, in order."""
  found = np.full((len(queries), NEIGHBOURS), np.inf)
  wide = queries.astype(np.float64)
  for start in range(0, len(features), PART):
    part = features[start : start + PART].astype(np.float64)
    squares = np.square(part).sum(axis=1)[None] - 2 * wide @ part.T + np.square(wide).sum(axis=1)[:, None]
    best = np.partition(squares, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    found = np.sort(np.concatenate([found, best], axis=1), axis=1)[:, :NEIGHBOURS]
  return np.sqrt(np.maximum(found, 0))


def measure(name: str, features: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> dict:
  """Seconds of a search warm, of the first and of building, by number of queries; the share of neighbours found."""
  nothing, started = np.zeros(0, np.int32), time.perf_counter()
  index = INDICES[name].build(features)
  found: dict = {"index": name, "n": len(features), "build_seconds": time.perf_counter() - started}
  for count in QUERIES:
    seconds = []
    for _ in range(CALLS + 1):
      started = time.perf_counter()
      distances, _ = index.search(queries[:count], NEIGHBOURS, nothing)
      seconds.append(time.perf_counter() - started)
    taken, kept = statistics.median(seconds[1:]), features.nbytes // (4 if name == "exact_int8" else 1)
    right = distances <= truth[:count, -1:] * (1 + 1e-4)
    found[f"of_{count}"] = {
      "seconds": taken, "first_seconds": seconds[0], "bytes_per_second": kept / taken,
      "flops_per_second": 2 * count * features.size / taken, "recall_10": float(right.mean()),
    }  # fmt: skip
  return found


def main(file: pathlib.Path, n: int) -> None:
  file.parent.mkdir(parents=True, exist_ok=True)
  features, about = rows_of(n), surroundings()
  queries = clustered_rows(np.random.default_rng(2), max(QUERIES))
  truth = nearest(features, queries)
  for name in NAMES:
    append(file, measure(name, features, queries, truth) | about)


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]), TINY if sys.argv[2:] == ["--tiny"] else ROWS)
