"""Nearest neighbours by features of eight bits, and exact distances to the candidates: a quarter of the memory."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32, Int8, Int32

from asal_jax.pools.blocks import ahead
from asal_jax.search.checks import (
  Found,
  checked,
  keep_features,
  kept_features,
  matrix,
  nearest,
  padded,
  parts,
)
from asal_jax.search.exact import GROUP, Part, best_groups, everyones, shares
from asal_jax.store.files import save_array
from asal_jax.store.rows import RowWriter

SPARE = 32
"""Groups of candidates kept beyond k, so that rounding to eight bits loses hardly a neighbour."""

_groups = functools.partial(jax.jit, static_argnames="count")(best_groups)


@dataclasses.dataclass(frozen=True, eq=False)
class Int8Index:
  """Every distance by codes of one byte, then true distances to all rows of the best k + SPARE groups of GROUP rows.

  Codes i8[n d] are the features about `center` f32[d] in steps of `scale` f32[d], a 127th of the largest of each
  dimension. They lie on all devices of all processes in turn, the features stay where they are: of a memory map each
  query reads some hundred kilobytes.
  """

  features: Float32[np.ndarray, "n d"]
  codes: Int8[np.ndarray, "n d"]
  center: Float32[np.ndarray, " d"]
  scale: Float32[np.ndarray, " d"]

  @classmethod
  def build(cls, features: np.ndarray, folder: pathlib.Path | None = None, **_: Any) -> "Int8Index":
    """Codes of `features` f32[n d]; it has no options, those of other indices are ignored."""
    features = matrix("features", features)
    center = np.asarray(features.mean(axis=0, dtype=np.float64).astype(np.float32))
    rows = list(parts(len(features)))
    most = np.max([np.abs(features[part] - center[None]).max(axis=0) for part in rows], axis=0)
    scale = np.maximum(most / np.float32(127), np.finfo(np.float32).tiny)

    def encode(part: slice) -> np.ndarray:
      return np.round((features[part] - center[None]) / scale[None]).astype(np.int8)

    if folder is None:
      return cls(features, np.concatenate([encode(part) for part in rows]), center, scale)
    with RowWriter(folder / "codes.npy", features.shape, np.int8) as file:
      file.keep(0)
      for part in rows:
        file.append(encode(part))
    keep_features(features, folder)
    save_array(folder / "center.npy", center)
    save_array(folder / "scale.npy", scale)
    return cls.load(folder)

  @classmethod
  def load(cls, folder: pathlib.Path) -> "Int8Index":
    """Read what `build` kept in `folder`."""
    codes = np.load(folder / "codes.npy", mmap_mode="r")
    return cls(kept_features(folder), codes, np.load(folder / "center.npy"), np.load(folder / "scale.npy"))

  def __len__(self) -> int:
    return len(self.features)

  @functools.cached_property
  def resident(self) -> list[Part]:
    """The codes on the devices."""
    own = shares(len(self))

    def make(i: int) -> Part:
      rows, device = own[i]
      return Part.of(rows.start, self.codes[rows], device, self.scale)

    return list(ahead(make, len(own)))

  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded i32[e] -> f32[m k], i32[m k]; else InputError."""
    queries, excluded = checked(queries, k, excluded, *self.features.shape)
    if len(queries) == 0:
      return padded(0, k, None)
    # The scale of the codes goes into the queries, so that the product of both is one of numbers.
    scaled = (queries - self.center[None]) * self.scale[None]
    groups = [
      (part.start, _groups(part.features, part.norms_without(excluded), scaled, count=k + SPARE))
      for part in self.resident
    ]
    candidates = [start + np.asarray(found) * GROUP for start, found in groups]
    candidates.append(np.zeros((len(queries), 0), int))
    rows = np.concatenate(candidates, axis=1)[..., None] + np.arange(GROUP)
    found = [
      self._measure(query, ids.reshape(-1), k, excluded) for query, ids in zip(queries, rows, strict=True)
    ]
    stacked = np.stack([distances for distances, _ in found]), np.stack([ids for _, ids in found])
    return everyones(len(queries), k, [stacked])

  def _measure(
    self, query: np.ndarray, ids: np.ndarray, k: int, excluded: Int32[np.ndarray, " e"]
  ) -> tuple[Float32[np.ndarray, " k"], Int32[np.ndarray, " k"]]:
    """The k nearest of a query's candidates."""
    ids = np.setdiff1d(ids[ids < len(self)], excluded).astype(np.int32)
    distances = np.sqrt(np.sum((self.features[ids] - query[None]) ** 2, axis=1))
    distances, ids = padded(1, k, nearest(distances[None], ids[None], k))
    return distances[0], ids[0]
