"""A pool of any size made on the fly: jittered copies of a smaller pool's images, as the paper reached 16 million."""

import functools
import hashlib
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int32, Key, UInt8

from asal_jax.pools.kinds import check_ids
from asal_jax.rng import stream
from asal_jax.types import Pool

VERSION = 1
"""Raised when the same seed makes other images, so that nothing made of the older ones is used."""

DEGREES, SCALE, SHEAR = 15.0, 0.1, 0.1
"""Most that an image is turned, scaled (as a share) and sheared, either way."""

SHIFTED = 14
"""An image is shifted by up to a SHIFTED-th of its side, either way."""

AFFINE_BITS, PIXEL_BITS = 14, 8
"""Binary places of the affine maps and of the coordinates: all is integer arithmetic, the same on every device."""

MAPS = 4_096
"""Affine maps to draw from, beside shifts in steps of a 256th of a pixel."""


class Jitter(NamedTuple):
  """What an image is changed by: a row of the maps i32[b], shifts i32[b 2] down and right, whether it is flipped."""

  maps: Int32[Array, " b"]
  shifts: Int32[Array, "b 2"]
  flipped: Int32[Array, " b"]


def affine_maps(seed: int) -> Int32[np.ndarray, "m 2 2"]:
  """MAPS random maps from an image's offsets (down, right) to those where it is read, in 2^-AFFINE_BITS; first none."""
  draws = np.random.default_rng(seed).uniform(-1, 1, (3, MAPS))
  draws[:, 0] = 0
  angle, scale, shear = np.radians(DEGREES) * draws[0], 1 + SCALE * draws[1], SHEAR * draws[2]
  turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
  sheared = np.array([[np.ones(MAPS), np.zeros(MAPS)], [shear, np.ones(MAPS)]])
  maps = np.einsum("ijm,jkm->mik", turned, sheared) / scale[:, None, None]
  return np.round(maps * 2**AFFINE_BITS).astype(np.int32)


def draw_jitter(key: Key[Array, ""], ids: Int32[Array, " b"], height: int, width: int, flips: bool) -> Jitter:
  """The jitter of each id, of its own stream."""
  bits = jax.vmap(lambda i: jax.random.bits(stream(key, "jitter", i), (3,)))(ids)
  most = [side * 2**PIXEL_BITS // SHIFTED for side in (height, width)]
  shifts = [(bits[:, 1 + i] % (2 * m + 1)).astype(jnp.int32) - m for i, m in enumerate(most)]
  flipped = (bits[:, 0] >> 31).astype(jnp.int32) * flips
  return Jitter((bits[:, 0] % MAPS).astype(jnp.int32), jnp.stack(shifts, axis=1), flipped)


def warp(
  images: UInt8[Array, "b h w c"], maps: Int32[Array, "b 2 2"], shifts: Int32[Array, "b 2"], flipped: Int32[Array, " b"]
) -> UInt8[Array, "b h w c"]:  # fmt: skip
  """Each image read at affinely mapped places, between pixels by their four neighbours; its edge goes on outside.

  Places are rounded down to 2^-PIXEL_BITS of a pixel and grey levels to the nearest, halves up.
  """
  b, h, w, c = images.shape
  # Twice the offset from the centre is a whole number.
  rows, columns = jnp.meshgrid(2 * jnp.arange(h) - (h - 1), 2 * jnp.arange(w) - (w - 1), indexing="ij")
  rows, columns = rows.reshape(-1), columns.reshape(-1)
  columns = columns[None] * (1 - 2 * flipped[:, None])
  finer = AFFINE_BITS + 1 - PIXEL_BITS

  def place(axis: int, size: int):
    moved = maps[:, axis, 0, None] * rows[None] + maps[:, axis, 1, None] * columns
    centre = (size - 1) << (PIXEL_BITS - 1)
    return jnp.clip((moved >> finer) + centre + shifts[:, axis, None], 0, (size - 1) << PIXEL_BITS)

  y, x = place(0, h), place(1, w)
  one = 1 << PIXEL_BITS
  top, left, down, right = (
    y >> PIXEL_BITS,
    x >> PIXEL_BITS,
    (y & (one - 1))[..., None],
    (x & (one - 1))[..., None],
  )
  # The four neighbours of a pixel in one word: one gather in place of four.
  padded = jnp.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge").astype(jnp.uint32)
  corners = (
    padded[:, :-1, :-1] | padded[:, :-1, 1:] << 8 | padded[:, 1:, :-1] << 16 | padded[:, 1:, 1:] << 24
  ).reshape(b, h * w, c)
  found = jnp.take_along_axis(corners, (top * w + left)[..., None], axis=1)
  values = [(found >> shift & 255).astype(jnp.int32) for shift in (0, 8, 16, 24)]
  upper = values[0] * (one - right) + values[1] * right
  lower = values[2] * (one - right) + values[3] * right
  rounded = (upper * (one - down) + lower * down + (1 << (2 * PIXEL_BITS - 1))) >> (2 * PIXEL_BITS)
  return rounded.astype(jnp.uint8).reshape(b, h, w, c)


@functools.partial(jax.jit, static_argnames="flips")
def jitter(
  key: Key[Array, ""], maps, images: UInt8[Array, "b h w c"], ids: Int32[Array, " b"], first, flips: bool
):
  """The images, jittered each by its id; those of ids below `first` as they are."""
  drawn = draw_jitter(key, ids, images.shape[1], images.shape[2], flips)
  fresh = (ids >= first).astype(jnp.int32)
  return warp(images, maps[drawn.maps * fresh], drawn.shifts * fresh[:, None], drawn.flipped * fresh)


class JitteredPool:
  """`size` virtual images: id i is image i mod n of a base pool of n, turned, scaled, sheared and shifted a little.

  The first n are the base's own. The change of an id is drawn from a stream of its own, so that every image is the
  same whenever and with whatever others it is read: it can be scored, shown and labelled like any other. With `flips`
  half of the images are mirrored left to right.
  """

  resident = None

  def __init__(self, base: Pool, size: int, seed: int, flips: bool = False):
    self.base, self.size, self.seed, self.flips = base, size, seed, flips
    self.image_shape, self.key, self.maps = (
      base.image_shape,
      jax.random.key(seed),
      jnp.asarray(affine_maps(seed)),
    )

  def __len__(self) -> int:
    return self.size

  def fingerprint(self) -> str:
    """A hash of the base's and of what it is jittered by."""
    made_from = [VERSION, self.base.fingerprint(), self.size, self.seed, self.flips]
    return hashlib.blake2b(json.dumps(made_from).encode(), digest_size=8).hexdigest()

  def _jittered(self, ids: Int32[np.ndarray, " b"]) -> UInt8[Array, "b h w c"]:
    images = jnp.asarray(self.base.read(ids % len(self.base)))
    return jitter(self.key, self.maps, images, ids, np.int32(len(self.base)), self.flips)

  def read(self, ids: Int[np.ndarray, "*batch"]) -> UInt8[np.ndarray, "*batch h w c"]:
    """The images of `ids`; compiled anew only for each power of two of their number."""
    ids = np.asarray(ids, np.int32)
    check_ids(ids, self.size)
    padded = np.zeros(1 << max(0, ids.size - 1).bit_length(), np.int32)
    padded[: ids.size] = ids.reshape(-1)
    return np.asarray(self._jittered(padded))[: ids.size].reshape(*ids.shape, *self.image_shape)

  def block(self, start: int, stop: int) -> UInt8[Array, "m h w c"]:
    """The images of ids start..stop-1, on the device."""
    return self._jittered(np.arange(start, stop, dtype=np.int32))
