"""Approximate nearest neighbours by pynndescent's graphs: a shard a million rows, mapped from disk."""

import dataclasses
import functools
import pathlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float32, Int32

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.search.checks import (
  Found,
  checked,
  keep_features,
  kept_features,
  matrix,
  merged,
  over_ask,
  padded,
  parts,
)
from asal_jax.search.exact import ExactIndex
from asal_jax.store.files import Damaged, read_sealed, save_array, set_aside, whole_file, write_sealed
from asal_jax.store.progress import Progress
from asal_jax.store.sums import checksum

SHARD = 1_000_000
"""Rows of one graph: of 50 features its building takes 1.6 GB; the int32 edges of one end near 48 million rows."""

SMALL, LEAVES = 100_000, 16
"""A search enters the graphs of a pool of more than SMALL rows at LEAVES leaves of their trees: with one, clusters far
from it are never reached (recall@1 0.85 of a million clustered rows, 1.00 with 16)."""

ALIGNED = 64
"""Bytes that a mapped array starts at a multiple of."""


class Built(NamedTuple):
  """pynndescent's NNDescent of some rows, ready for search, and the neighbours i32[n k] of each that it was made of."""

  graph: Any
  neighbours: Int32[np.ndarray, "n k"]


def taken_apart(value: Any, arrays: list[np.ndarray]) -> Any:
  """JSON of numbers, text, arrays, sparse matrices and tuples of these; the arrays go behind `arrays`.

  TypeError for anything else.
  """
  from scipy import sparse

  if value is None or isinstance(value, bool | int | float | str):
    return value
  if isinstance(value, np.ndarray | np.generic):
    arrays.append(np.asarray(value))
    return {"array": len(arrays) - 1}
  if isinstance(value, sparse.csr_array):
    parts = [taken_apart(part, arrays) for part in (value.data, value.indices, value.indptr)]
    return {"csr": parts, "shape": list(cast(tuple[int, int], value.shape))}
  if isinstance(value, tuple):
    return {"tuple": [taken_apart(part, arrays) for part in value]}
  raise TypeError(f"no arrays make a {type(value)}")


def put_together(value: Any, arrays: list[np.ndarray]) -> Any:
  """What `taken_apart` took apart."""
  from scipy import sparse

  if not isinstance(value, dict):
    return value
  if "array" in value:
    array = arrays[value["array"]]
    return array if array.ndim else array[()]
  if "tuple" in value:
    return tuple(put_together(part, arrays) for part in value["tuple"])
  data, indices, indptr = (put_together(part, arrays) for part in value["csr"])
  matrix = sparse.csr_array(tuple(value["shape"]), dtype=data.dtype)
  # Not by its constructor, which copies what is mapped.
  matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
  return matrix


def dump(built: Built | None, path: pathlib.Path) -> None:
  """Keeps a graph as JSON at `path` and its arrays in `path`.arrays beside it, from where `load_mapped` maps them."""
  arrays: list[np.ndarray] = []
  # What is no value is functions of its metric, which it finds again.
  state = {} if built is None else {k: v for k, v in built.graph.__getstate__().items() if not callable(v)}
  head: dict[str, Any] = {"graph": {k: taken_apart(v, arrays) for k, v in state.items()}}
  head["neighbours"] = taken_apart(built and built.neighbours, arrays)
  head["arrays"], end = [], 0
  with whole_file(arrays_path(path)) as file:
    for array in arrays:
      order = "C" if array.flags.c_contiguous else "F"
      end += file.write(b"\0" * (-end % ALIGNED))
      head["arrays"].append({"type": array.dtype.str, "shape": array.shape, "order": order, "start": end})
      end += file.write(array.tobytes(order))
  # Last: a shard whose head is there is whole.
  write_sealed(path, {**head, "checksum": checksum(arrays_path(path))})


def load_mapped(path: pathlib.Path) -> Built | None:
  """What `dump` kept, its arrays read from disk where they are touched; nothing is unpickled."""
  head = read_sealed(path)
  if not head["graph"]:
    return None
  import pynndescent

  # Private: Numba's compiled code is for arrays that can be written.
  mapped = np.memmap(arrays_path(path), mode="c")
  arrays = [
    np.ndarray(a["shape"], np.dtype(a["type"]), mapped, a["start"], order=a["order"]) for a in head["arrays"]
  ]
  graph = pynndescent.NNDescent.__new__(pynndescent.NNDescent)
  graph.__setstate__(
    {k: put_together(v, arrays) for k, v in head["graph"].items()} | {"_input_dtype": np.float32}
  )
  return Built(graph, put_together(head["neighbours"], arrays))


def shard_path(folder: pathlib.Path, i: int) -> pathlib.Path:
  """Where shard i is kept."""
  return folder / f"shard_{i:04d}.json"


def arrays_path(path: pathlib.Path) -> pathlib.Path:
  """Where the arrays of the shard at `path` are."""
  return path.with_suffix(".arrays")


def kept_graph(path: pathlib.Path, make: Callable[[], Built | None]) -> Built | None:
  """The graph that `path` holds, or what `make` makes, kept there; mapped at once, so that only one is in memory."""
  try:
    sound = path.exists() and read_sealed(path)["checksum"] == checksum(arrays_path(path))
  except (Damaged, OSError):
    sound = False
  if not sound:
    if path.exists():
      set_aside(path, "it or its arrays are not what was written; made again")
    dump(make(), path)
  return load_mapped(path)


def make_graph(
  features: Float32[np.ndarray, "n d"], n_neighbors: int, seed: int, leaves: int
) -> Built | None:
  """The graph of the rows; None for at most 2 n_neighbors rows."""
  if len(features) <= 2 * n_neighbors:
    return None
  import pynndescent

  with warnings.catch_warnings():
    # Duplicates can leave a row of the graph short; `search` copes.
    warnings.filterwarnings("ignore", "Failed to correctly find n_neighbors", UserWarning)
    graph = pynndescent.NNDescent(
      np.ascontiguousarray(features),
      n_neighbors=n_neighbors,
      random_state=seed,
      search_tree_leaf_budget=leaves,
    )
    graph.prepare()
    ids, _ = cast(tuple[np.ndarray, np.ndarray], graph.neighbor_graph)
  neighbours = np.ascontiguousarray(ids[:, 1:], np.int32)  # Each row's first is itself.
  graph.compress_index()
  return Built(graph, neighbours)


@dataclasses.dataclass(frozen=True, eq=False)
class Shard:
  """The graph of the rows `features` f32[n d], whose first is row `start` of the whole."""

  start: int
  features: Float32[np.ndarray, "n d"]
  built: Built | None

  @functools.cached_property
  def exact(self) -> ExactIndex:
    """What is searched where the graph cannot give k neighbours that are not excluded."""
    return ExactIndex.build(self.features)

  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray, epsilon: float) -> Found:
    """The k nearest of this shard, by the ids of the whole; `excluded` are ids of the whole, sorted."""
    m, n = len(queries), len(self.features)
    low, high = np.searchsorted(excluded, (self.start, self.start + n))
    hidden = excluded[low:high] - np.int32(self.start)
    found = min(k, n - len(hidden))

    def ask(asked: int) -> Found:
      assert self.built is not None
      ids, distances = self.built.graph.query(queries, k=asked, epsilon=epsilon)
      return distances, ids

    answer = None
    if m and found and self.built is not None:
      answer = over_ask(ask, found, hidden, n, n // 2)
    if m and found and answer is None:
      answer = self.exact.search(queries, k, hidden)
    distances, ids = padded(m, k, answer)
    return distances, np.where(ids < 0, -1, ids + self.start).astype(np.int32)


@dataclasses.dataclass(frozen=True, eq=False)
class PyNNDescentIndex:
  """pynndescent: approximate neighbours from graphs, for pools too large for exact search.

  A graph a shard of SHARD rows, all searched and their answers merged. A shard of at most 2 n_neighbors rows has no
  graph and is searched exactly; so is any whenever its graph cannot give k neighbours that are not excluded. Numba
  compiles for about 25 s at the first build of a process, and 45 s more once after installation (kept in its disk
  cache); `load` and `search` compile nothing after that.
  Source: Dong, Moses and Li, WWW 2011; https://pynndescent.readthedocs.io.
  """

  features: Float32[np.ndarray, "n d"]
  shards: list[Shard]
  epsilon: float

  @classmethod
  def build(
    cls,
    features: np.ndarray,
    folder: pathlib.Path | None = None,
    n_neighbors: int = 30,
    epsilon: float = 0.3,
    seed: int = 0,
    **_: Any,
  ) -> "PyNNDescentIndex":
    """Build the graphs of `features` f32[n d], ready for search; those that `folder` holds are not built again.

    `n_neighbors` is the degree of the graphs; `epsilon` >= 0 trades seconds for recall in every search (0.1 to
    0.3). A graph is a function of features, seed and the number of threads that build it.
    """
    features = matrix("features", features)
    if n_neighbors < 1 or not epsilon >= 0:
      raise InputError(
        f"index: n_neighbors is {n_neighbors}, epsilon {epsilon}; allowed: n_neighbors >= 1, epsilon >= 0"
      )
    leaves, rows, shards = LEAVES if len(features) > SMALL else 1, list(parts(len(features), SHARD)), []
    with Progress("pynndescent", len(rows), unit="shard") as progress:
      for i, part in enumerate(rows):
        make = functools.partial(make_graph, features[part], n_neighbors, seed + i, leaves)
        graph = make() if folder is None else kept_graph(shard_path(folder, i), make)
        shards.append(Shard(part.start, features[part], graph))
        progress.update(1)
    if folder is not None:
      keep_features(features, folder)
      save_array(folder / "epsilon.npy", epsilon)
    return cls(features, shards, epsilon)

  @classmethod
  def load(cls, folder: pathlib.Path) -> "PyNNDescentIndex":
    """Map what `build` kept in `folder`."""
    features = kept_features(folder)
    shards = [
      Shard(part.start, features[part], load_mapped(shard_path(folder, i)))
      for i, part in enumerate(parts(len(features), SHARD))
    ]
    return cls(features, shards, float(np.load(folder / "epsilon.npy")))

  def __len__(self) -> int:
    return len(self.features)

  @property
  def degree(self) -> int:
    """How many neighbours of each row are known from the building of the graphs; 0 where a shard has no graph."""
    return min(0 if shard.built is None else shard.built.neighbours.shape[1] for shard in self.shards)

  def neighbours(self, rows: slice) -> Int32[np.ndarray, "m k"]:
    """The others nearest to each of some rows within its shard, nearest first, -1 where they are fewer."""
    found = []
    for shard in self.shards:
      own = slice(max(0, rows.start - shard.start), min(len(shard.features), rows.stop - shard.start))
      if shard.built is not None and own.start < own.stop:
        ids = np.asarray(shard.built.neighbours[own])
        found.append(np.where(ids < 0, -1, ids + np.int32(shard.start)))
    return np.concatenate(found)

  @processes.by_writer
  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded i32[e] -> f32[m k], i32[m k]; else InputError."""
    queries, excluded = checked(queries, k, excluded, *self.features.shape)
    found = [shard.search(queries, k, excluded, self.epsilon) for shard in self.shards]
    return merged(found, k)
