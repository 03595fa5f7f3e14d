"""The page that figures are drawn on: one resolution, text colour and way to a PNG below 200 kB."""

import io
import os
import pathlib
from typing import TYPE_CHECKING, Any

from asal_jax.store.files import whole_file

if TYPE_CHECKING:
  from matplotlib.figure import Figure

Path = str | os.PathLike[str]

DPI = 120
MAX_BYTES = 200_000
TEXT = "#222222"


def figure(width: float, height: float, layout: Any = "constrained") -> "Figure":
  """A white figure of width x height inches, without pyplot."""
  from matplotlib.figure import Figure

  return Figure((width, height), dpi=DPI, layout=layout, facecolor="white")


def save(figure: "Figure", path: Path, pictures: bool = False) -> None:
  """The figure as a file of `png`'s; of several processes the first draws it."""
  # Imports jax, without which summaries and plots are imported in no time.
  from asal_jax import processes

  if processes.is_writer():
    with whole_file(pathlib.Path(path)) as file:
      file.write(png(figure, pictures))


def png(figure: "Figure", pictures: bool = False) -> bytes:
  """The figure as PNG; above MAX_BYTES with 256 colours, and then smaller until it fits.

  The colours are chosen for the least worst error, or in `pictures` for the least banding.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from PIL import Image

  # Not savefig: it draws everything twice, to the same pixels.
  drawn = FigureCanvasAgg(figure)
  drawn.draw()
  size = drawn.get_width_height()
  image = Image.frombytes("RGBA", size, bytes(drawn.buffer_rgba())).convert("RGB")
  # The smallest file takes four times as long and is a thirtieth smaller.
  data, factor = _png(image, optimize=False), 1.0
  if len(data) > MAX_BYTES:
    data = _png(image)
  method = Image.Quantize.MEDIANCUT if pictures else Image.Quantize.FASTOCTREE
  while len(data) > MAX_BYTES:
    smaller = image.resize([round(side * factor) for side in size], Image.Resampling.LANCZOS)
    data = _png(smaller.quantize(256, method, dither=Image.Dither.NONE))
    factor *= 0.85
  return data


def _png(image: Any, optimize: bool = True) -> bytes:
  buffer = io.BytesIO()
  image.save(buffer, "PNG", optimize=optimize, dpi=(DPI, DPI))
  return buffer.getvalue()
