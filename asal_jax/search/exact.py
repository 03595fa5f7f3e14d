"""Exact nearest neighbours in feature space, by matrix products on the devices."""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float32, Int32, Shaped

from asal_jax import processes
from asal_jax.pools.blocks import ahead
from asal_jax.search.checks import (
  Found,
  checked,
  keep_features,
  kept_features,
  matrix,
  merged,
  padded,
  parts,
)
from asal_jax.store.space import free_memory

SPARE = 8
"""Candidates kept beyond k, so that rounding at the cut cannot lose a neighbour."""

GROUP = 64
"""Rows of which only the best is kept in the first pass."""

BLOCK = 8192
"""Rows in a matrix product: with 50 features, what a CPU's second-level cache holds."""

PART = 2**20
"""Most rows that are searched together, on one device; a multiple of BLOCK."""


def searchers() -> list[jax.Device]:
  """The devices of all processes, or of this one where it searches alone."""
  return jax.devices() if processes.several() else jax.local_devices()


def shares(n: int) -> list[tuple[slice, jax.Device]]:
  """The parts of n rows of this process, and the device of each: all devices take turns."""
  devices = searchers()
  share = -(-n // len(devices))
  whole = BLOCK if share > BLOCK else GROUP
  size = PART if len(devices) == 1 else min(PART, share + -share % whole)
  return [
    (rows, device)
    for rows, device in zip(parts(n, size), itertools.cycle(devices))
    if device.process_index == jax.process_index()
  ]


def best_groups(
  features: Shaped[Array, "p d"], norms: Float32[Array, " p"], queries: Float32[Array, "m d"], count: int
) -> Int32[Array, "m g"]:
  """Of the groups of GROUP rows the `count` (at most all) with the smallest |x|^2 - 2qx; inside jit.

  p is a number of whole blocks, each a matrix product; features of fewer bits are widened a block at a time.
  """
  p, m = features.shape[0], queries.shape[0]
  size = min(BLOCK, p)

  def block(i):
    x = lax.dynamic_slice_in_dim(features, i * size, size).astype(jnp.float32)
    products = jnp.dot(queries, x.T, precision=lax.Precision.HIGHEST)
    score = 2 * products - lax.dynamic_slice_in_dim(norms, i * size, size)[None]
    return score.reshape(m, size // GROUP, GROUP).max(axis=2)

  best = lax.map(block, jnp.arange(p // size, dtype=jnp.int32)).transpose(1, 0, 2).reshape(m, p // GROUP)
  return lax.top_k(best, min(count, p // GROUP))[1]


@functools.partial(jax.jit, static_argnames="k")
def _nearest(
  features: Float32[Array, "p d"], norms: Float32[Array, " p"], queries: Float32[Array, "m d"], k: int
) -> tuple[Float32[Array, "m k"], Int32[Array, "m k"]]:
  """The k nearest of the rows whose norm is finite; (inf, -1) where they are fewer.

  They lie in the k best groups: true distances to the rows of these few groups decide.
  """
  d = features.shape[1]
  groups = best_groups(features, norms, queries, k + SPARE)

  def measure(row):
    query, chosen = row
    ids = (chosen[:, None] * GROUP + jnp.arange(GROUP, dtype=jnp.int32)[None]).reshape(-1)
    rows = features.reshape(-1, GROUP, d)[chosen].reshape(-1, d)
    distances = jnp.sqrt(jnp.sum((rows - query[None]) ** 2, axis=1))
    distances = jnp.where(jnp.isinf(norms[ids]), jnp.inf, distances)
    return tuple(x[:k] for x in lax.sort((distances, jnp.where(jnp.isinf(distances), -1, ids)), num_keys=2))

  return lax.map(measure, (queries, groups))


@jax.jit
def hide(norms: Float32[Array, " p"], ids: Int32[Array, " e"]) -> Float32[Array, " p"]:
  """The norms, infinite at `ids`; ids of p and beyond hide nothing."""
  return norms.at[ids].set(jnp.inf, mode="drop")


class Part(NamedTuple):
  """Rows from `start` on, on one device, about the mean of all and padded to whole blocks; norms inf where padded."""

  start: int
  features: Float32[Array, "p d"]
  norms: Float32[Array, " p"]

  @classmethod
  def of(cls, start: int, around: Float32[np.ndarray, "n d"], device: jax.Device) -> "Part":
    """Pads rows and puts them on a device."""
    n, whole = len(around), BLOCK if len(around) > BLOCK else GROUP
    features = jax.device_put(np.pad(around, ((0, -n % whole), (0, 0))), device)
    norms = jnp.sum(features * features, axis=1)
    return cls(start, features, hide(norms, jnp.arange(n, len(norms), dtype=jnp.int32)))

  def search(self, queries: Float32[np.ndarray, "m d"], k: int, excluded: Int32[np.ndarray, " e"]):
    """The nearest of this part, not waited for."""
    norms = hide(self.norms, within(excluded, self.start, len(self.norms)))
    distances, ids = _nearest(self.features, norms, queries, k=min(k, len(self.norms)))
    return distances, ids, self.start


def within(excluded: Int32[np.ndarray, " e"], start: int, p: int) -> Int32[np.ndarray, " f"]:
  """The sorted ids in start..start+p-1, from there; filled up with p to a power of two, for few compilations."""
  low, high = np.searchsorted(excluded, (start, start + p))
  ids = np.full(1 << max(6, int(high - low - 1).bit_length()), p, np.int32)
  ids[: high - low] = excluded[low:high] - start
  return ids


def fits_memory(features: np.ndarray) -> bool:
  """Whether this process' share of the features fits half of the memory that is free on its devices."""
  stats = jax.local_devices()[0].memory_stats()
  if stats is not None:
    free = (stats["bytes_limit"] - stats["bytes_in_use"]) * jax.local_device_count()
  else:
    free = free_memory()
  return free is None or features.nbytes // jax.process_count() <= free // 2


@dataclasses.dataclass(frozen=True, eq=False)
class ExactIndex:
  """Every distance, in blocks, on device: the ground truth, and the fastest for the few queries of a run.

  `features` f32[n d] are searched about `center` f32[d], their mean. From the first search on they lie in parts of at
  most PART rows, in turn on all devices of all processes, which merge what each found; a memory map that does not fit
  there is read once by every search, as fast as the disk is. Exact up to float32: at the cut, samples whose squared
  distances differ by less than about 1e-6 of the squared spread of the features may swap. One compilation for each
  (part size, d, m, k).
  """

  features: Float32[np.ndarray, "n d"]
  center: Float32[np.ndarray, " d"]

  @classmethod
  def build(cls, features: np.ndarray, folder: pathlib.Path | None = None, **_: Any) -> "ExactIndex":
    """Index `features` f32[n d]; it has no options, those of other indices are ignored."""
    features = matrix("features", features)
    center = np.asarray(features.mean(axis=0, dtype=np.float64).astype(np.float32))
    if folder is not None:
      keep_features(features, folder)
      np.save(folder / "center.npy", center)
    return cls(features, center)

  @classmethod
  def load(cls, folder: pathlib.Path) -> "ExactIndex":
    """Read what `build` kept in `folder`."""
    return cls(kept_features(folder), np.load(folder / "center.npy"))

  def __len__(self) -> int:
    return len(self.features)

  @functools.cached_property
  def resident(self) -> list[Part] | None:
    """All parts where they fit the devices."""
    if isinstance(self.features, np.memmap) and not fits_memory(self.features):
      return None
    return list(self._parts())

  def _parts(self) -> Iterator[Part]:
    """The parts, each read while the one before it is used."""
    own = shares(len(self))

    def make(i: int) -> Part:
      rows, device = own[i]
      return Part.of(rows.start, np.asarray(self.features[rows]) - self.center[None], device)

    return ahead(make, len(own))

  def search(self, queries: np.ndarray, k: int, excluded: np.ndarray) -> Found:
    """See `types.Index.search`: queries f32[m d], excluded i32[e] -> f32[m k], i32[m k]; else InputError."""
    queries, excluded = checked(queries, k, excluded, *self.features.shape)
    if len(queries) == 0:
      return padded(0, k, None)
    around, most = queries - self.center[None], min(k, len(self))
    if self.resident is None:
      # One after the other: of all that wait their rows would be in memory.
      found = [with_start(*part.search(around, most, excluded)) for part in self._parts()]
    else:
      found = [with_start(*one) for one in [part.search(around, most, excluded) for part in self.resident]]
    return padded(len(queries), k, everyones(len(queries), most, found))


def everyones(m: int, k: int, found: list[Any]) -> Found:
  """The k nearest of all that the parts of all processes found for m queries."""
  own = padded(m, k, merged(found, k) if found else None)
  return merged(processes.gathered(own), k)


def with_start(distances: Any, ids: Any, start: int) -> Found:
  """What a part found, by the ids of the whole."""
  ids = np.asarray(ids)
  return np.asarray(distances), np.where(ids < 0, -1, ids + start).astype(np.int32)
