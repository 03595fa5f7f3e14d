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
from asal_jax.store.files import save_array
from asal_jax.store.space import free_memory

SPARE = 8
"""Candidates kept beyond k, so that rounding at the cut cannot lose a neighbour."""

GROUP = 64
"""Rows of which only the best is kept in the first pass."""

BLOCK = 8192
"""Parts of more rows are padded to a multiple of it, so that few sizes are compiled."""

QUERIES = 64
"""Queries that are multiplied together: with PART rows, at most a quarter of a GiB of products."""

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
  features: Shaped[Array, "g d r"], norms: Float32[Array, " p"], queries: Float32[Array, "m d"], count: int
) -> Int32[Array, "m c"]:
  """Of the g groups of r rows the `count` (at most all) with the smallest |x|^2 - 2qx, in order of id; inside jit.

  A product for each group: a CPU joins it with the widening before it and the norms and maxima after it, and writes
  only the maxima. Where products are written they are those of at most QUERIES queries.
  """
  (m, d), g = queries.shape, len(features)
  pieces = -(-m // QUERIES)
  # One query alone would make a product of matrix and vector, which a CPU does not join with what comes after it.
  each = max(2, -(-m // pieces))

  def best(queries):
    # Held together, lest all features are widened once for all pieces, and kept.
    queries, rows = lax.optimization_barrier((queries, features))
    everywhere = jnp.broadcast_to(queries, (g, *queries.shape))
    products = jnp.matmul(everywhere, rows.astype(jnp.float32), precision=lax.Precision.HIGHEST)
    return jnp.max(2 * products - norms.reshape(g, 1, -1), axis=2).T

  queries = jnp.pad(queries, ((0, pieces * each - m), (0, 0))).reshape(pieces, each, d)
  chosen = lax.top_k(lax.map(best, queries).reshape(-1, g)[:m], min(count, g))[1]
  return jnp.sort(chosen, axis=1)


@functools.partial(jax.jit, static_argnames="k")
def _nearest(
  features: Float32[Array, "g d r"], norms: Float32[Array, " p"], queries: Float32[Array, "m d"], k: int
) -> tuple[Float32[Array, "m k"], Int32[Array, "m k"]]:
  """The k nearest of the rows whose norm is finite, ties by id; (inf, -1) where they are fewer.

  They lie in the k best groups: true distances to the rows of these few groups decide.
  """
  norms = norms.reshape(len(features), -1)

  def measure(row):
    query, chosen = row
    squares = jnp.sum((features[chosen] - query[None, :, None]) ** 2, axis=1)
    squares = jnp.where(jnp.isinf(norms[chosen]), jnp.inf, squares).reshape(-1)
    ids = (chosen[:, None] * norms.shape[1] + jnp.arange(norms.shape[1], dtype=jnp.int32)[None]).reshape(-1)
    # The first of equals wins, and groups are in order of id.
    distances, places = lax.top_k(-jnp.sqrt(squares), k)
    return -distances, jnp.where(jnp.isinf(distances), -1, ids[places])

  return lax.map(measure, (queries, best_groups(features, norms.reshape(-1), queries, k + SPARE)))


@jax.jit
def hide(norms: Float32[Array, " p"], ids: Int32[Array, " e"]) -> Float32[Array, " p"]:
  """The norms, infinite at `ids`; ids of p and beyond hide nothing."""
  return norms.at[ids].set(jnp.inf, mode="drop")


@jax.jit
def norms_of(features: Shaped[Array, "g d r"], scale: Float32[Array, " d"]) -> Float32[Array, " p"]:
  """Squared lengths of rows in groups, in units of `scale`."""
  return jnp.sum((features.astype(jnp.float32) * scale[None, :, None]) ** 2, axis=1).reshape(-1)


class Part(NamedTuple):
  """Rows from `start` on, on one device: columns of groups of GROUP, padded to whole blocks; norms inf where padded."""

  start: int
  features: Shaped[Array, "g d r"]
  norms: Float32[Array, " p"]

  @classmethod
  def of(
    cls, start: int, rows: Shaped[np.ndarray, "n d"], device: jax.Device, scale: Float32[np.ndarray, " d"]
  ) -> "Part":
    """Pads rows, whose values are in units of `scale`, and puts them on a device."""
    (n, d), whole = rows.shape, BLOCK if len(rows) > BLOCK else GROUP
    padded = np.pad(rows, ((0, -n % whole), (0, 0)))
    # Turned while it is copied: half the time of a copy that is turned there.
    features = jax.device_put(padded.reshape(-1, GROUP, d).swapaxes(1, 2), device)
    return cls(start, features, hide(norms_of(features, scale), np.arange(n, len(padded), dtype=np.int32)))

  def norms_without(self, excluded: Int32[np.ndarray, " e"]) -> Float32[Array, " p"]:
    """The norms, inf at the sorted ids that are excluded."""
    return hide(self.norms, within(excluded, self.start, len(self.norms)))

  def search(self, queries: Float32[np.ndarray, "m d"], k: int, excluded: Int32[np.ndarray, " e"]):
    """The nearest of this part, not waited for."""
    norms = self.norms_without(excluded)
    distances, ids = _nearest(self.features, norms, queries, k=min(k, len(norms)))
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
      save_array(folder / "center.npy", center)
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
      around = np.asarray(self.features[rows]) - self.center[None]
      return Part.of(rows.start, around, device, np.ones_like(self.center))

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
