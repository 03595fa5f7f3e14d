"""Pools that both sides of a row see: images with structure, a LeNet-5's weights for them, clustered features."""

import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from experiments.speed.rows import ROWS

DIMENSIONS, CLUSTERS, WITHIN = 50, 10_000, 0.1
"""Of the features: clusters, and the deviation inside one as a share of that between their centres."""

LAYERS = {
  "Conv_0": (5, 5, 1, 6), "Conv_1": (5, 5, 6, 16), "Dense_0": (400, 120), "Dense_1": (120, 84), "Dense_2": (84, 10),
}  # fmt: skip
"""LeNet-5's layers, as our network calls them, and the shapes of their kernels: [h, w, in, out] or [in, out]."""

SPECTRUM = np.float32(1 / np.sqrt(np.arange(1, DIMENSIONS + 1)))
"""Standard deviations of the features, falling as principal components' do."""

RECALL, QUERIES, NEIGHBOURS = 0.95, 10, 10


def clustered_rows(rng: np.random.Generator, count: int) -> np.ndarray:
  """f32[count d] about random ones of CLUSTERS centres, which are the same for every generator."""
  centres = np.random.default_rng(0).standard_normal((CLUSTERS, DIMENSIONS), np.float32) * SPECTRUM
  around = rng.standard_normal((count, DIMENSIONS), np.float32) * (SPECTRUM * np.float32(WITHIN))
  return centres[rng.integers(0, CLUSTERS, count)] + around


def features(n: int, seed: int = 1) -> np.ndarray:
  """Clustered features f32[n d], the same for a seed."""
  return clustered_rows(np.random.default_rng(seed), n)


def query_batches() -> np.ndarray:
  """Queries f32[units QUERIES d] of the same clusters, a batch for each search of a call."""
  units = ROWS["graph_search_1m"].units
  return features(units * QUERIES, seed=8).reshape(units, QUERIES, DIMENSIONS)


def images(found: np.ndarray) -> np.ndarray:
  """u8[n 28 28 1], a picture of each of the features f32[n d]: near ones look alike."""
  basis = np.random.default_rng(3).standard_normal((DIMENSIONS, 784), np.float32)
  values = 1 / (1 + np.exp(-found @ basis))
  return np.rint(255 * values).astype(np.uint8).reshape(-1, 28, 28, 1)


def weights() -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Kernel and bias of each of LAYERS, random: predictions that differ from image to image."""
  rng = np.random.default_rng(4)
  scale = {name: np.sqrt(2 / np.prod(shape[:-1])) for name, shape in LAYERS.items()}
  return {
    name: (
      rng.normal(0, scale[name], shape).astype(np.float32),
      rng.normal(0, 0.1, shape[-1]).astype(np.float32),
    )
    for name, shape in LAYERS.items()
  }


def labelled(count: int, n: int) -> np.ndarray:
  """`count` ids i32 of n, sorted."""
  return np.sort(np.random.default_rng(5).choice(n, count, replace=False)).astype(np.int32)


def on_disk(n: int, path: pathlib.Path, part: int = 50_000) -> np.ndarray:
  """The images of n features, written to a .npy file and mapped; a part at a time."""
  file = np.lib.format.open_memmap(path, "w+", np.uint8, (n, 28, 28, 1))
  for i, start in enumerate(range(0, n, part)):
    file[start : start + part] = images(features(min(part, n - start), seed=10 + i))
  file.flush()
  return np.load(path, mmap_mode="r")


def nearest(found: np.ndarray, queries: np.ndarray) -> np.ndarray:
  """Ids i64[q NEIGHBOURS] of the nearest of the features to each query, in any order: all distances are taken."""
  squares = np.square(found).sum(axis=1)
  ids = [np.argpartition(squares - 2 * found @ query, NEIGHBOURS)[:NEIGHBOURS] for query in queries]
  return np.stack(ids)


def reaching(
  search: Callable[[float, np.ndarray], np.ndarray], found: np.ndarray, knobs: Sequence[float]
) -> float:
  """The first of `knobs`, cheapest first, by which `search(knob, queries) -> ids` of the features has RECALL."""
  queries = features(100, seed=7)
  truth = nearest(found, queries)
  for knob in knobs:
    pairs = zip(search(knob, queries).tolist(), truth.tolist(), strict=True)
    if sum(len({*a} & {*b}) for a, b in pairs) >= RECALL * truth.size:
      return knob
  raise RuntimeError(f"none of {knobs} has a recall of {RECALL}")
