"""Pictures of a run: generated images over their matches, and grids of samples, pixel by pixel."""

import math
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asal_jax.errors import InputError
from asal_jax.reporting import canvas
from asal_jax.reporting.canvas import DPI, TEXT, Path


class Matched(NamedTuple):
  """The pool's matches of m generated images in one feature set, called `name` in the figure.

  `images` uint8 [m, h, w, c] in 0..255, `labels` their m labels as shown, `ids` their m pool ids.
  """

  name: str
  images: np.ndarray
  labels: Sequence[str]
  ids: Sequence[int]


def matches(generated: np.ndarray, rows: Sequence[Matched], path: Path, title: str) -> None:
  """Generated images in a row, below them a row a feature set with their matches, 'label/id' above each.

  `generated` uint8 or float [m, h, w, c], c of 1 or 3, in 0..255 (floats are rounded and clipped). Images are
  enlarged by a whole number. Raises InputError where a row has not m images of that shape, m labels and m ids.
  """
  m, h, w, _ = _pixels(generated).shape
  for row in rows:
    if np.shape(row.images) != np.shape(generated) or (len(row.labels), len(row.ids)) != (m, m):
      found = f"images {np.shape(row.images)}, {len(row.labels)} labels and {len(row.ids)} ids"
      raise InputError(f"row {row.name} has {found}; give {np.shape(generated)} and {m} of each")
  rows = [Matched("generated", generated, [], []), *rows]
  captions = [[f"{label}/{i}" for label, i in zip(row.labels, row.ids, strict=True)] for row in rows]
  scale = max(1, round(96.5 / h))
  pitch = 10 + max([w * scale, *(_width(text, 7) for texts in captions for text in texts)])
  left = 24 + max(_width(row.name, 9) for row in rows)
  step = h * scale + 26
  sheet = _Sheet(left + m * pitch + 6, 46 + step * len(rows), title)
  for r, (row, texts) in enumerate(zip(rows, captions, strict=True)):
    top = 56 + step * r
    sheet.write(row.name, 12, top + h * scale // 2, 9, "left", "center")
    for i, image in enumerate(_pixels(row.images)):
      sheet.paste(image, left + i * pitch + (pitch - w * scale) // 2, top, scale)
    for i, text in enumerate(texts):
      sheet.write(text, left + i * pitch + pitch // 2, top - 4, 7, "center", "bottom")
  sheet.save(path)


def grids(grids: dict[str, np.ndarray], path: Path, title: str) -> None:
  """Square grids side by side, each with its name above: samples of one GAN.

  Each uint8 or float [n, h, w, c], c of 1 or 3, in 0..255, all of one image shape. Above some 50 colour images of
  64 x 64 each, the page is made smaller to stay below 200 kB. Raises InputError for other shapes.
  """
  pages = {name: _pixels(images) for name, images in grids.items()}
  shapes = {np.shape(images)[1:] for images in grids.values()}
  if len(shapes) != 1:
    raise InputError(f"images of shapes {', '.join(map(str, sorted(shapes)))}; give one shape")
  most = max(len(images) for images in pages.values())
  columns = math.ceil(math.sqrt(most))
  h, w = next(iter(pages.values())).shape[1:3]
  scale = max(1, round(440 / (columns * w)))
  side = max(columns * (w * scale + 2), *(_width(name, 10) for name in pages))
  sheet = _Sheet(len(pages) * (side + 32), 92 + math.ceil(most / columns) * (h * scale + 2), title)
  for g, (name, images) in enumerate(pages.items()):
    left = 16 + g * (side + 32)
    sheet.write(name, left, 72, 10, "left", "bottom")
    for i, image in enumerate(images):
      sheet.paste(image, left + i % columns * (w * scale + 2), 78 + i // columns * (h * scale + 2), scale)
  sheet.save(path)


def stack(pages: Sequence[pathlib.Path], path: Path, title: str) -> None:
  """Finished pages, PNG files, one below the other."""
  from PIL import Image

  images = [np.asarray(Image.open(page).convert("RGB")) for page in pages]
  sheet = _Sheet(max(image.shape[1] for image in images), 40 + sum(len(image) for image in images), title)
  top = 40
  for image in images:
    sheet.paste(image, 0, top, 1)
    top += len(image)
  sheet.save(path)


class _Sheet:
  """A white page with images pixel by pixel and texts at pixel positions, the origin at the top left."""

  def __init__(self, width: int, height: int, title: str) -> None:
    self.pixels = np.full((height, max(width, 24 + _width(title, 12)), 3), 255, np.uint8)
    self.texts: list[tuple[str, int, int, int, str, str]] = []
    self.write(title, 12, 12, 12, "left", "top")

  def paste(self, image: np.ndarray, x: int, y: int, scale: int) -> None:
    large = image.repeat(scale, 0).repeat(scale, 1)
    self.pixels[y : y + large.shape[0], x : x + large.shape[1]] = large

  def write(self, text: str, x: int, y: int, size: int, across: str, along: str) -> None:
    self.texts.append((text, x, y, size, across, along))

  def save(self, path: Path) -> None:
    height, width, _ = self.pixels.shape
    figure = canvas.figure((width + 0.01) / DPI, (height + 0.01) / DPI, layout=None)
    figure.figimage(self.pixels)
    for text, x, y, size, across, along in self.texts:
      place = {"ha": across, "va": along, "parse_math": False}
      figure.text(x / width, 1 - y / height, text, fontsize=size, color=TEXT, **place)
    canvas.save(figure, path, pictures=True)


def _pixels(images: np.ndarray) -> np.ndarray:
  """Images in 0..255 as uint8 [n, h, w, 3]."""
  if np.ndim(images) != 4 or np.shape(images)[-1] not in (1, 3) or not np.size(images):
    raise InputError(f"images are of shape {np.shape(images)}; give [n, h, w, c] with c of 1 or 3")
  whole = np.clip(np.round(images), 0, 255).astype(np.uint8)
  return np.broadcast_to(whole, (*whole.shape[:3], 3))


def _width(text: str, size: int) -> int:
  """Pixels that a text of `size` points takes at most, about."""
  return math.ceil(0.64 * size * DPI / 72 * len(text))
