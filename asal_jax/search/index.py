"""Nearest neighbours in feature space: exact on device, scipy's k-d tree, pynndescent.

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


GROUP = 64
"""Rows of which the exact search keeps only the best in its first pass."""

BLOCK = 8192
"""Rows in a matrix product of the exact search: with 50 features, what a CPU's second-level cache holds."""


@functools.partial(jax.jit, static_argnames="k")
def _nearest(
  features: Float32[Array, "p d"],
  norms: Float32[Array, " p"],
  queries: Float32[Array, "m d"],
  excluded: Bool[Array, " n"],
  k: int,
) -> tuple[Float32[Array, "m k"], Int32[Array, "m k"]]:
  """The k <= n nearest neighbours; (inf, -1) where fewer are left. p is n padded to whole blocks.

  One pass of matrix products finds the smallest |x|^2 - 2qx of every group of rows. The k nearest lie in the k
  groups whose smallest are smallest: true distances to the rows of these few groups decide.
  """
  (p, d), m, n = features.shape, queries.shape[0], excluded.shape[0]
  size = min(BLOCK, p)
  norms = jnp.where(jnp.pad(excluded, (0, p - n), constant_values=True), jnp.inf, norms)

  def block(i):
    x = lax.dynamic_slice_in_dim(features, i * size, size)
    products = jnp.dot(queries, x.T, precision=lax.Precision.HIGHEST)
    score = 2 * products - lax.dynamic_slice_in_dim(norms, i * size, size)[None]
    return score.reshape(m, size // GROUP, GROUP).max(axis=2)

  best = lax.map(block, jnp.arange(p // size, dtype=jnp.int32)).transpose(1, 0, 2).reshape(m, p // GROUP)
  _, groups = lax.top_k(best, min(k + SPARE, p // GROUP))

  def measure(row):
    query, chosen = row
    ids = (chosen[:, None] * GROUP + jnp.arange(GROUP, dtype=jnp.int32)[None]).reshape(-1)
    rows = features.reshape(-1, GROUP, d)[chosen].reshape(-1, d)
    distances = jnp.sqrt(jnp.sum((rows - query[None]) ** 2, axis=1))
    distances = jnp.where(jnp.isinf(norms[ids]), jnp.inf, distances)
    return tuple(x[:k] for x in lax.sort((distances, jnp.where(jnp.isinf(distances), -1, ids)), num_keys=2))

  return lax.map(measure, (queries, groups))


@dataclasses.dataclass(frozen=True, eq=False)
class ExactIndex:
  """Every distance, in blocks, on device: the ground truth, and the fastest for the few queries of a run.

  `features` f32[p d] are the n given ones about their mean, `center` f32[d], padded to whole blocks; `norms` f32[p]
  their squared lengths. Exact up to float32: at the cut, samples whose squared distances differ by less than
  about 1e-6 of the squared spread of the features may swap. One compilation for each (n, d, m, k).
  """

  features: Float32[Array, "p d"]
  norms: Float32[Array, " p"]
  center: Float32[np.ndarray, " d"]
  n: int

  @classmethod
  def build(cls, features: np.ndarray, **_: Any) -> "ExactIndex":
    """Put `features` f32[n d] on device; it has no options, those of other indices are ignored."""
    features = _matrix("features", features)
    center = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    return cls._on_device(features - center[None], center)

  @classmethod
  def _on_device(cls, around: Float32[np.ndarray, "n d"], center: Float32[np.ndarray, " d"]) -> "ExactIndex":
    n, whole = len(around), BLOCK if len(around) > BLOCK else GROUP
    padded = jnp.asarray(np.pad(around, ((0, -n % whole), (0, 0))))
    return cls(padded, jnp.sum(padded * padded, axis=1), center, n)

  @classmethod
  def load(cls, folder: pathlib.Path) -> "ExactIndex":
    """Read `features.npy` and `center.npy` from `folder`."""
    return cls._on_device(np.load(folder / "features.npy"), np.load(folder / "center.npy"))

  def save(self, folder: pathlib.Path) -> None:
    """Write the features about their mean as `features.npy`, the mean as `center.npy`, into `folder`."""
    np.save(folder / "features.npy", np.asarray(self.features[: self.n]))
    np.save(folder / "center.npy", self.center)

  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded bool[n] -> f32[m k], i32[m k]; else InputError."""
    queries, excluded = _checked(queries, k, excluded, self.n, self.features.shape[1])
    if len(queries) == 0:
      return _padded(0, k, None)
    around = queries - self.center[None]
    return _padded(len(queries), k, _nearest(self.features, self.norms, around, excluded, k=min(k, self.n)))


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
