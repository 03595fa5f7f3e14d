"""scipy's k-d tree over features: the index of the paper."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from asal_jax import processes
from asal_jax.search.checks import Found, checked, keep_features, kept_features, matrix, over_ask, padded


@dataclasses.dataclass(frozen=True, eq=False)
class KDTreeIndex:
  """scipy's k-d tree (KDTree is cKDTree), the paper's own setting; it computes in float64 and keeps such a copy.

  Features are kept and no tree, which would have to be unpickled: it grows from them in 0.06 s for 60,000 rows of 50,
  in 2 to 5 s for a million.
  """

  tree: Any

  @classmethod
  def build(cls, features: np.ndarray, folder: pathlib.Path | None = None, **_: Any) -> "KDTreeIndex":
    """Build the tree of `features` f32[n d]; it has no options, those of other indices are ignored."""
    from scipy.spatial import KDTree

    features = matrix("features", features)
    if folder is not None:
      keep_features(features, folder)
    return cls(KDTree(features))

  @classmethod
  def load(cls, folder: pathlib.Path) -> "KDTreeIndex":
    """The tree of the features that `build` kept in `folder`."""
    return cls.build(kept_features(folder))

  def __len__(self) -> int:
    return self.tree.n

  @processes.by_writer
  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded i32[e] -> f32[m k], i32[m k]; else InputError."""
    queries, excluded = checked(queries, k, excluded, self.tree.n, self.tree.m)
    m, found = len(queries), min(k, len(self) - len(excluded))

    def ask(asked: int) -> Found:
      distances, ids = self.tree.query(queries, k=asked)
      return distances.reshape(m, asked).astype(np.float32), ids.reshape(m, asked).astype(np.int32)

    return padded(m, k, over_ask(ask, found, excluded, len(self), len(self)) if m and found else None)
