"""Image files for tests, and what their squares must be by other means than Pillow's."""

import struct
import zlib

import numpy as np
from PIL import Image


def smooth(height, width, seed=0, channels=3):
  """u8[height, width, channels]: rows and columns have gradients of their own, and some noise."""
  rows, columns = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
  rng = np.random.default_rng(seed)
  planes = [
    40 + 120 * rows + 60 * columns,
    200 - 100 * columns,
    60 + 140 * np.sin(3 * rows + columns + seed) ** 2,
  ]
  image = np.stack(planes[:channels], axis=-1) + rng.normal(0, 4, (height, width, channels))
  return np.clip(image, 0, 255).astype(np.uint8)


def cubic(inputs, outputs, start=0.0, length=None):
  """Weights f64[outputs, inputs] of the antialiased cubic filter (a = -0.5) over `length` inputs from `start`."""
  length = inputs - start if length is None else length
  scale = length / outputs
  wide = max(scale, 1.0)
  centres = start + (np.arange(outputs) + 0.5) * scale
  x = np.abs(np.arange(inputs) + 0.5 - centres[:, None]) / wide
  near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
  weights = np.where(x < 1, near, np.where(x < 2, far, 0))
  return weights / weights.sum(1, keepdims=True)


def cropped(image, size):
  """The central square of u8[h, w, c] at `size`, f64."""
  h, w = image.shape[:2]
  side = min(h, w)
  rows, columns = cubic(h, size, (h - side) / 2, side), cubic(w, size, (w - side) / 2, side)
  return np.clip(np.einsum("ij,jkc,lk->ilc", rows, image.astype(float), columns, optimize=True), 0, 255)


def padded(image, size):
  """All of u8[h, w, c] in a black square of `size`, f64."""
  h, w = image.shape[:2]
  height, width = round(h * size / max(h, w)), round(w * size / max(h, w))
  small = np.einsum("ij,jkc,lk->ilc", cubic(h, height), image.astype(float), cubic(w, width), optimize=True)
  top, left = round((size - height) / 2), round((size - width) / 2)
  square = np.zeros((size, size, 3))
  square[top : top + height, left : left + width] = np.clip(small, 0, 255)
  return square


def png(width, height, depth, colour, data):
  """A PNG of so many bits and of a colour type, from the bytes of its lines, each behind its filter's."""
  parts = [
    (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
    (b"IDAT", zlib.compress(data)),
  ]
  chunks = [
    struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    for name, body in [*parts, (b"IEND", b"")]
  ]
  return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_header(width, height):
  """A PNG that claims to be so large, and holds nothing."""
  return png(width, height, 8, 2, b"\0" * 1000)


def write(folder, files, height=24, width=30):
  """PNG files that are all different, named; returns their arrays by name."""
  made = {}
  for i, name in enumerate(files):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    made[name] = smooth(height + i % 5, width - i % 7, seed=i)
    Image.fromarray(made[name]).save(path)
  return made
