"""Pools by where their images lie: on the device, in a memory-mapped file, or in rows of another pool."""

import hashlib
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int, Int32, UInt8

from asal_jax import devices
from asal_jax.errors import InputError
from asal_jax.store.checkpoint import fingerprint
from asal_jax.types import Data, Pool


def check_ids(ids: Int[np.ndarray, "*batch"], size: int) -> None:
  """InputError unless all ids are of a pool of `size`."""
  if ids.size and (ids.min() < 0 or ids.max() >= size):
    wrong = ids.min() if ids.min() < 0 else ids.max()
    raise InputError(f"pool: found id {wrong}; allowed are 0 to {size - 1}")


@jax.jit
def take_rows(images: UInt8[Array, "n h w c"], ids: Int32[Array, "*batch"]) -> UInt8[Array, "*batch h w c"]:
  """The images of `ids`; outside jit `images[ids]` is six programs."""
  return images[ids]


class ArrayPool:
  """Images uint8 [n, h, w, c] that fit the devices, and stay there; with several, `read` asks the host's copy."""

  def __init__(self, images: UInt8[Any, "n h w c"]):
    self.resident = devices.place_rows(lambda start, stop: images[start:stop], images.shape)
    self.images = np.asarray(images) if devices.several() else self.resident
    self.image_shape = tuple(images.shape[1:])

  def __len__(self) -> int:
    return self.resident.shape[0]

  def fingerprint(self) -> str:
    """A hash of all images."""
    return fingerprint(np.asarray(self.images))

  def read(self, ids: Int[np.ndarray, "*batch"]) -> UInt8[Any, "*batch h w c"]:
    """The images of `ids`, on the device where it is the only one."""
    ids = np.asarray(ids, np.int32)
    check_ids(ids, len(self))
    return self.images[ids] if devices.several() else take_rows(self.images, ids)

  def block(self, start: int, stop: int) -> UInt8[Any, "m h w c"]:
    """The images of ids start..stop-1, on the device where it is the only one."""
    return self.images[start:stop]


class MappedPool:
  """A memory map uint8 [n, h, w, c] of a .npy file, of which only what is read is in memory.

  `made_from` says what the file holds where that is known: the fingerprint is then of it, else of all bytes and the
  same as an `ArrayPool`'s.
  """

  resident = None

  def __init__(self, images: UInt8[np.ndarray, "n h w c"], made_from: str = ""):
    self.images, self.made_from, self.image_shape = images, made_from, tuple(images.shape[1:])

  def __len__(self) -> int:
    return self.images.shape[0]

  def fingerprint(self) -> str:
    """A hash of what the file was made from, or of all images."""
    if not self.made_from:
      return fingerprint(self.images)
    return hashlib.blake2b(self.made_from.encode(), digest_size=8).hexdigest()

  def read(self, ids: Int[np.ndarray, "*batch"]) -> UInt8[np.ndarray, "*batch h w c"]:
    """The images of `ids`, read in the order in which they lie."""
    ids = np.asarray(ids, np.int32)
    check_ids(ids, len(self))
    images = np.empty((ids.size, *self.image_shape), np.uint8)
    order = np.argsort(ids, axis=None, kind="stable")
    images[order] = self.images[ids.reshape(-1)[order]]
    return images.reshape(*ids.shape, *self.image_shape)

  def block(self, start: int, stop: int) -> UInt8[np.ndarray, "m h w c"]:
    """The images of ids start..stop-1."""
    return np.array(self.images[start:stop])


class SubsetPool:
  """The rows i32[m] of another pool, in that order."""

  resident = None

  def __init__(self, base: Pool, rows: Int[np.ndarray, " m"]):
    self.base, self.rows, self.image_shape = base, np.asarray(rows, np.int32), base.image_shape

  def __len__(self) -> int:
    return len(self.rows)

  def fingerprint(self) -> str:
    """A hash of the other pool's and of the rows."""
    digest = hashlib.blake2b(self.base.fingerprint().encode(), digest_size=8)
    digest.update(np.ascontiguousarray(self.rows).data)
    return digest.hexdigest()

  def read(self, ids: Int[np.ndarray, "*batch"]) -> UInt8[Any, "*batch h w c"]:
    """The images of `ids`, where the other pool's are."""
    ids = np.asarray(ids, np.int32)
    check_ids(ids, len(self))
    return self.base.read(self.rows[ids])

  def block(self, start: int, stop: int) -> UInt8[Any, "m h w c"]:
    """The images of ids start..stop-1, where the other pool's are."""
    return self.base.read(self.rows[start:stop])


def take(data: Data, rows: Int[np.ndarray, " m"]) -> Data:
  """Rows of data; of a pool nothing is read."""
  images = data.images
  return Data(SubsetPool(images, rows) if isinstance(images, Pool) else images[rows], data.labels[rows])


def leave_on_disk(data: Data, resident_gib: float, made_from: str = "") -> Data:
  """The same data, a memory map of more than `resident_gib` GiB as a pool that is read bit by bit.

  `made_from` names the data set that was decoded into it, if one was: a `MappedPool` is then not read to tell it apart.
  """
  large = isinstance(data.images, np.memmap) and data.images.nbytes > resident_gib * 2**30
  return data._replace(images=MappedPool(data.images, made_from)) if large else data
