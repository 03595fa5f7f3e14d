"""faiss behind the seam of the indices: the reference from outside. Needs `pip install asal-jax[faiss]`."""

import dataclasses
import math
import os
import pathlib
from typing import Any

import numpy as np

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.search.checks import Found, checked, matrix, over_ask, padded, parts

LINKS, CONSTRUCTION, WIDTH = 32, 80, 128
"""HNSW: links a row, candidates while building and while searching."""

TRAINING, PROBES = 64, 32
"""IVF: rows a list that the lists are trained on, and lists that a search visits."""


def faiss() -> Any:
  """The module; InputError where it is not installed."""
  try:
    import faiss
  except ImportError as error:
    raise InputError(
      "index.name: the faiss indices need faiss, which is not installed: pip install 'asal-jax[faiss]', or choose "
      "another index"
    ) from error
  return faiss


@dataclasses.dataclass(frozen=True, eq=False)
class FaissIndex:
  """What both kinds share; `index` is faiss's. Source: Douze et al. 2024, https://faiss.ai."""

  index: Any

  @classmethod
  def make(cls, features: np.ndarray) -> Any:
    """An empty index for these features, trained."""
    raise NotImplementedError

  @classmethod
  def build(cls, features: np.ndarray, folder: pathlib.Path | None = None, **_: Any) -> "FaissIndex":
    """Index `features` f32[n d]; its numbers are those of this file, options of other indices are ignored."""
    index = cls.make(features := matrix("features", features))
    for part in parts(len(features)):
      index.add(np.ascontiguousarray(features[part]))
    if folder is not None:
      path = folder / "index.faiss"
      faiss().write_index(index, f"{path}.part")
      os.replace(f"{path}.part", path)
    return cls(index)

  @classmethod
  def load(cls, folder: pathlib.Path) -> "FaissIndex":
    """Read what `build` kept in `folder`, whose checksums were looked at: faiss takes what it reads as it is."""
    return cls(faiss().read_index(str(folder / "index.faiss")))

  def __len__(self) -> int:
    return self.index.ntotal

  def all_visited(self) -> Any:
    """The parameters of a search that misses nothing, for where the usual one finds too few."""
    raise NotImplementedError

  @processes.by_writer
  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded i32[e] -> f32[m k], i32[m k]; else InputError."""
    n = len(self)
    queries, excluded = checked(queries, k, excluded, n, self.index.d)
    m, found = len(queries), min(k, n - len(excluded))
    if not (m and found):
      return padded(m, k, None)

    def ask(asked: int, **parameters: Any) -> Found:
      squares, ids = self.index.search(queries, asked, **parameters)
      return np.sqrt(np.maximum(squares, 0)), ids.astype(np.int32)

    answer = over_ask(ask, found, excluded, n, n // 2)
    if answer is None:
      answer = over_ask(lambda asked: ask(asked, params=self.all_visited()), found, excluded, n, n)
    return padded(m, k, answer)


class IVFIndex(FaissIndex):
  """IVF-Flat: rows in about sqrt(n) lists around means, of which the PROBES nearest are searched."""

  @classmethod
  def make(cls, features: np.ndarray) -> Any:
    """Trains the lists on TRAINING rows each."""
    n, d = features.shape
    lists = max(1, min(round(math.sqrt(n)), n // TRAINING))
    index = faiss().IndexIVFFlat(faiss().IndexFlatL2(d), d, lists)
    rows = np.sort(np.random.default_rng(0).choice(n, min(n, TRAINING * lists), replace=False))
    index.cp.min_points_per_centroid = 1
    index.train(np.ascontiguousarray(features[rows]))
    index.nprobe = PROBES
    return index

  def all_visited(self) -> Any:
    """All lists."""
    return faiss().SearchParametersIVF(nprobe=self.index.nlist)


class HNSWIndex(FaissIndex):
  """HNSW: a graph in layers (Malkov and Yashunin 2018)."""

  @classmethod
  def make(cls, features: np.ndarray) -> Any:
    """Empty; rows are linked as they are added."""
    index = faiss().IndexHNSWFlat(features.shape[1], LINKS)
    index.hnsw.efConstruction, index.hnsw.efSearch = CONSTRUCTION, WIDTH
    return index

  def all_visited(self) -> Any:
    """As many candidates as there are rows."""
    return faiss().SearchParametersHNSW(efSearch=len(self))
