"""Many small PNG files at once: their rows are joined to one tall file, which Pillow decodes in one call."""

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

HEADER = 29
"""Bytes of a file up to the end of what its IHDR says: signature, size, depth, colours, interlacing."""

CHANNELS = {b"\x08\0\0\0\0": 1, b"\x08\2\0\0\0": 3}
"""Channels by what the header ends in: grey or RGB of 8 bits, not interlaced."""


def decode(files: Sequence[bytes]) -> UInt8[np.ndarray, "n h w c"] | None:
  """The images of PNG files, those that Pillow makes of each; None where they are not all grey or RGB of one size.

  Python calls a file are what decoding small images costs, and they hold Python's lock. Raises what Pillow or zlib do
  where a file is broken.
  """
  header = files[0][:HEADER]
  channels = CHANNELS.get(header[24:])
  if channels is None or header[1:4] != b"PNG" or any(file[:HEADER] != header for file in files):
    return None
  width, height = struct.unpack(">II", header[16:24])
  images = [zlib.decompress(_compressed(file)) for file in files]
  if {len(image) for image in images} != {height * (1 + width * channels)}:
    raise ValueError("a PNG file of the wrong length")
  # A row of zeros before each image: its first row is coded as if there were zeros above it.
  above = bytes(1 + width * channels)
  rows = zlib.compress(b"".join(part for image in images for part in (above, image)), level=0)
  tall = struct.pack(">II", width, len(files) * (height + 1)) + header[24:]
  chunks = ((b"IHDR", tall), (b"IDAT", rows), (b"IEND", b""))
  decoded = Image.open(
    io.BytesIO(header[:8] + b"".join(_chunk(*chunk) for chunk in chunks)), formats=("PNG",)
  )
  return np.asarray(decoded).reshape(len(files), height + 1, width, channels)[:, 1:]


def _compressed(file: bytes) -> bytes:
  """The compressed rows of a PNG file: what its IDAT chunks hold."""
  found, at = [], 8
  while True:
    length, kind = struct.unpack_from(">I4s", file, at)
    if kind == b"IEND":
      return b"".join(found)
    if kind == b"IDAT":
      found.append(file[at + 8 : at + 8 + length])
    at += 12 + length


def _chunk(kind: bytes, data: bytes) -> bytes:
  """A chunk of a PNG file: length, kind, data, check sum."""
  return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
