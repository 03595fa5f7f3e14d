"""Nearest neighbours in feature space: exact on device, scipy's k-d tree, pynndescent; and the matching step.

All three keep the contract of `types.Index`. Arguments that are checked here are annotated as plain arrays, so
that a user reads our message; their shapes and dtypes are in the docstrings and in `types.Index`.
"""

import dataclasses
import functools
import pathlib
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float32, Int32

from asal_jax.errors import InputError
from asal_jax.types import Index

Found = tuple[Float32[np.ndarray, "m k"], Int32[np.ndarray, "m k"]]
"""(distances, ids), nearest first."""

LARGEST = 1e15
"""Features beyond this are refused: their squared distances would overflow float32."""

SPARE = 8
"""Candidates kept beyond k by the exact search, so that rounding at the cut cannot lose a neighbour."""


@functools.partial(jax.jit, static_argnames="k")
def _nearest(
  features: Float32[Array, "n d"],
  center: Float32[Array, " d"],
  queries: Float32[Array, "m d"],
  excluded: Bool[Array, " n"],
  k: int,
) -> tuple[Float32[Array, "m k"], Int32[Array, "m k"]]:
  """The k <= n nearest neighbours by blocked matrix products; (inf, -1) where fewer are left.

  Candidates are ranked by |x|^2 - 2qx about `center`, which keeps the rounding error relative to the spread of
  the features; the true distances of the few candidates then decide.
  """
  n, m = features.shape[0], queries.shape[0]
  kept = min(n, k + SPARE)
  size = min(n, max(8 * kept, min(65536, 2**20 // m), 1024))
  around = queries - center[None]

  def block(best, i):
    # The last block overlaps the one before it: `ids < i * size` were seen already.
    start = jnp.minimum(i * size, n - size)
    ids = start + jnp.arange(size, dtype=jnp.int32)
    x = lax.dynamic_slice_in_dim(features, start, size) - center[None]
    hidden = lax.dynamic_slice_in_dim(excluded, start, size) | (ids < i * size)
    norms = jnp.where(hidden, jnp.inf, jnp.sum(x * x, axis=1))
    score = 2 * jnp.dot(around, x.T, precision=lax.Precision.HIGHEST) - norms[None]
    score, place = lax.top_k(jnp.concatenate([best[0], score], axis=1), kept)
    ids = jnp.concatenate([best[1], jnp.broadcast_to(ids[None], (m, size))], axis=1)
    return (score, jnp.take_along_axis(ids, place, axis=1)), None

  def measure(row):
    query, score, ids = row
    distances = jnp.sqrt(jnp.sum((features[ids] - query[None]) ** 2, axis=1))
    return jnp.where(score > -jnp.inf, distances, jnp.inf), jnp.where(score > -jnp.inf, ids, -1)

  first = (jnp.full((m, kept), -jnp.inf), jnp.full((m, kept), -1, jnp.int32))
  (score, ids), _ = lax.scan(block, first, jnp.arange(-(-n // size), dtype=jnp.int32))
  distances, ids = lax.sort(lax.map(measure, (queries, score, ids)), num_keys=2)
  return distances[:, :k], ids[:, :k]


@dataclasses.dataclass(frozen=True, eq=False)
class ExactIndex:
  """Every distance, in blocks, on device: the ground truth, and the fastest for the few queries of a run.

  `features` f32[n d] and `center` f32[d] (the features' mean) live on device. Exact up to float32: at the cut,
  samples whose squared distances differ by less than about 1e-6 of the squared spread of the features may swap.
  One compilation for each (n, d, m, k).
  """

  features: Float32[Array, "n d"]
  center: Float32[Array, " d"]

  @classmethod
  def build(cls, features: np.ndarray, **_: Any) -> "ExactIndex":
    """Put `features` f32[n d] on device; it has no options, those of other indices are ignored."""
    features = _matrix("features", features)
    center = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    return cls(jnp.asarray(features), jnp.asarray(center))

  @classmethod
  def load(cls, folder: pathlib.Path) -> "ExactIndex":
    """Read `features.npy` from `folder`."""
    return cls.build(np.load(folder / "features.npy"))

  def save(self, folder: pathlib.Path) -> None:
    """Write `features.npy` into `folder`."""
    np.save(folder / "features.npy", np.asarray(self.features))

  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded bool[n] -> f32[m k], i32[m k]; else InputError."""
    n, d = self.features.shape
    queries, excluded = _checked(queries, k, excluded, n, d)
    if len(queries) == 0:
      return _padded(0, k, None)
    return _padded(len(queries), k, _nearest(self.features, self.center, queries, excluded, k=min(k, n)))


@dataclasses.dataclass(frozen=True, eq=False)
class KDTreeIndex:
  """scipy's k-d tree (KDTree is cKDTree), the paper's own setting; it computes in float64 and keeps such a copy."""

  tree: Any

  @classmethod
  def build(cls, features: np.ndarray, **_: Any) -> "KDTreeIndex":
    """Build the tree of `features` f32[n d]; it has no options, those of other indices are ignored."""
    from scipy.spatial import KDTree

    return cls(KDTree(_matrix("features", features)))

  @classmethod
  def load(cls, folder: pathlib.Path) -> "KDTreeIndex":
    """Unpickle the tree in `folder`: load only what you trust."""
    return cls(pickle.loads((folder / "kdtree.pickle").read_bytes()))

  def save(self, folder: pathlib.Path) -> None:
    """Pickle the tree into `folder`; building a large one takes minutes, reading it seconds."""
    (folder / "kdtree.pickle").write_bytes(pickle.dumps(self.tree))

  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded bool[n] -> f32[m k], i32[m k]; else InputError."""
    queries, excluded = _checked(queries, k, excluded, self.tree.n, self.tree.m)
    m, found = len(queries), min(k, int(np.sum(~excluded)))

    def ask(asked: int) -> Found:
      distances, ids = self.tree.query(queries, k=asked)
      return distances.reshape(m, asked).astype(np.float32), ids.reshape(m, asked).astype(np.int32)

    return _padded(m, k, _over_ask(ask, found, excluded, self.tree.n) if m and found else None)


@dataclasses.dataclass(frozen=True, eq=False)
class PyNNDescentIndex:
  """pynndescent: approximate neighbours from a graph, for pools too large for exact search.

  `graph` is the NNDescent object, None for a pool of at most 2 n_neighbors, which is searched exactly; so is
  any pool whenever the graph cannot give k neighbours that are not excluded. `features` f32[n d] is kept for
  that, beside the graph's own copy. Numba compiles for about 25 s at the first build of a process, and 45 s more
  once after installation (kept in its disk cache); `load` and `search` compile nothing after that.
  Source: Dong, Moses and Li, WWW 2011; https://pynndescent.readthedocs.io.
  """

  features: Float32[np.ndarray, "n d"]
  graph: Any
  epsilon: float

  @classmethod
  def build(
    cls,
    features: np.ndarray,
    n_neighbors: int = 30,
    epsilon: float = 0.3,
    seed: int = 0,
    **_: Any,
  ) -> "PyNNDescentIndex":
    """Build the graph of `features` f32[n d], ready for search.

    `n_neighbors` is the degree of the graph; `epsilon` >= 0 trades seconds for recall in every search (0.1 to
    0.3). The graph is a function of features, seed and the number of threads that build it.
    """
    features = _matrix("features", features)
    if n_neighbors < 1 or not epsilon >= 0:
      raise InputError(
        f"index: n_neighbors is {n_neighbors}, epsilon {epsilon}; allowed: n_neighbors >= 1, epsilon >= 0"
      )
    if len(features) <= 2 * n_neighbors:
      return cls(features, None, epsilon)
    import pynndescent

    with warnings.catch_warnings():
      # Duplicates can leave a row of the graph short; `search` copes.
      warnings.filterwarnings("ignore", "Failed to correctly find n_neighbors", UserWarning)
      graph = pynndescent.NNDescent(features, n_neighbors=n_neighbors, random_state=seed)
      graph.prepare()
    return cls(features, graph, epsilon)

  @classmethod
  def load(cls, folder: pathlib.Path) -> "PyNNDescentIndex":
    """Read `features.npy` and unpickle the graph in `folder`: load only what you trust."""
    graph, epsilon = pickle.loads((folder / "pynndescent.pickle").read_bytes())
    return cls(np.load(folder / "features.npy"), graph, epsilon)

  def save(self, folder: pathlib.Path) -> None:
    """Write `features.npy` and the pickled graph into `folder`."""
    np.save(folder / "features.npy", self.features)
    (folder / "pynndescent.pickle").write_bytes(pickle.dumps((self.graph, self.epsilon)))

  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded bool[n] -> f32[m k], i32[m k]; else InputError."""
    n, d = self.features.shape
    queries, excluded = _checked(queries, k, excluded, n, d)
    m, found = len(queries), min(k, int(np.sum(~excluded)))
    if m == 0 or found == 0:
      return _padded(m, k, None)

    def ask(asked: int) -> Found:
      ids, distances = self.graph.query(queries, k=asked, epsilon=self.epsilon)
      return distances, ids

    answer = _over_ask(ask, found, excluded, n // 2) if self.graph is not None else None
    return _padded(m, k, answer) if answer is not None else self._exact.search(queries, k, excluded)

  @functools.cached_property
  def _exact(self) -> ExactIndex:
    return ExactIndex.build(self.features)


INDICES: dict[str, type[Index]] = {
  "exact": ExactIndex,
  "kdtree": KDTreeIndex,
  "pynndescent": PyNNDescentIndex,
}
"""The indices by the name they have in `config.index`."""


def candidates(index: Index, queries: np.ndarray, k: int, excluded: np.ndarray) -> Int32[np.ndarray, "b w"]:
  """The w = max(k, b) nearest not-excluded ids of each of b queries f32[b d]; -1 where fewer are left.

  With b candidates a row, `distinct` always finds b different ids. `excluded` is bool[n]. InputError if fewer
  than b samples are left.
  """
  b, left = len(queries), int(np.sum(~np.asarray(excluded, bool)))
  if left < b:
    raise InputError(
      f"query size: only {left} unlabelled samples left, {b} asked; ask fewer a cycle or run fewer cycles"
    )
  return index.search(queries, max(k, b), excluded)[1]


def distinct(candidates: Int32[np.ndarray, "b k"]) -> Int32[np.ndarray, " b"]:
  """One id a row, greedily in row order: the row's first that is not -1 and that no earlier row has taken.

  Never fails on what `candidates` returns; InputError where a row has no free id.
  """
  taken: dict[int, None] = {}
  for row, ids in enumerate(candidates.tolist()):
    free = next((i for i in ids if i != -1 and i not in taken), None)
    if free is None:
      raise InputError(
        f"candidates: row {row} has no id that is still free among its {len(ids)}; ask more a row"
      )
    taken[free] = None
  return np.array(list(taken), np.int32)


def _over_ask(ask: Callable[[int], Found], k: int, excluded: np.ndarray, most: int) -> Found | None:
  """`ask` for more and more until k in each row are not excluded; None if `most` a row were not enough."""
  limit = k + int(np.sum(excluded))
  asked = min(2 * k, limit)
  while asked <= most:
    distances, ids = ask(asked)
    drop = ~np.isfinite(distances) | (ids < 0) | (ids >= len(excluded))
    drop |= excluded[np.where(drop, 0, ids)]
    if np.all(np.sum(~drop, axis=1) >= k):
      order = np.argsort(drop, axis=1, kind="stable")[:, :k]
      return np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)
    if asked == limit:
      break
    asked = min(2 * asked, limit)
  return None


def _padded(m: int, k: int, found: tuple[Any, Any] | None) -> Found:
  """(distances, ids) of at most k columns, filled up to [m, k] with inf and -1."""
  distances, ids = np.full((m, k), np.inf, np.float32), np.full((m, k), -1, np.int32)
  if found is not None:
    width = found[1].shape[1]
    distances[:, :width], ids[:, :width] = found
  return distances, ids


def _matrix(name: str, array: np.ndarray) -> Float32[np.ndarray, "n d"]:
  """The array, C-contiguous, if it is a float32 matrix with finite entries; else InputError."""
  array = np.asarray(array)
  if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] == 0:
    raise InputError(f"{name}: found {array.dtype}{list(array.shape)}, allowed is a float32 matrix [n, d]")
  if array.shape[0] == 0 and name == "features":
    raise InputError("features: found none, an index needs at least one row")
  if array.size and not (array.min() > -LARGEST and array.max() < LARGEST):
    raise InputError(f"{name}: found entries that are not finite or beyond {LARGEST:g}; scale or drop them")
  return np.ascontiguousarray(array)


def _checked(
  queries: np.ndarray, k: int, excluded: np.ndarray, n: int, d: int
) -> tuple[Float32[np.ndarray, "m d"], Bool[np.ndarray, " n"]]:
  """Queries and mask if they fit an index of n features of width d and k >= 1; else InputError."""
  queries, excluded = _matrix("queries", queries), np.asarray(excluded)
  if queries.shape[1] != d:
    raise InputError(
      f"queries: found width {queries.shape[1]}, the index has {d}; use the same features for both"
    )
  if excluded.dtype != np.bool_ or excluded.shape != (n,):
    raise InputError(f"excluded: found {excluded.dtype}{list(excluded.shape)}, allowed is bool[{n}]")
  if k < 1:
    raise InputError(f"k: found {k}, allowed is 1 or more neighbours")
  return queries, excluded
