"""The page that figures are drawn on: one resolution, text colour and way to a PNG below 200 kB."""

import io
import os
import pathlib
from typing import TYPE_CHECKING, Any

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
  """The figure as PNG; above MAX_BYTES with 256 colours, and then smaller until it fits.

  The colours are chosen for the least worst error, or in `pictures` for the least banding. Of several processes the
  first draws it.
  """
  # Imports jax, without which summaries and plots are imported in no time.
  from asal_jax import processes

  if not processes.is_writer():
    return
  from PIL import Image

  buffer = io.BytesIO()
  figure.savefig(buffer, format="raw", dpi=DPI)
  size = figure.canvas.get_width_height()
  image = Image.frombytes("RGBA", size, buffer.getvalue()).convert("RGB")
  data, factor = _png(image), 1.0
  method = Image.Quantize.MEDIANCUT if pictures else Image.Quantize.FASTOCTREE
  while len(data) > MAX_BYTES:
    smaller = image.resize([round(side * factor) for side in size], Image.Resampling.LANCZOS)
    data = _png(smaller.quantize(256, method, dither=Image.Dither.NONE))
    factor *= 0.85
  pathlib.Path(path).write_bytes(data)


def _png(image: Any) -> bytes:
  buffer = io.BytesIO()
  image.save(buffer, "PNG", optimize=True, dpi=(DPI, DPI))
  return buffer.getvalue()
