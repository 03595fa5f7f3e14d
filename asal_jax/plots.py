"""Figures of a run: accuracy, entropy and class balance against labels; generated images and their matches.

Every function writes one PNG below 200 kB into an existing folder. Matplotlib is imported where it draws, and
without pyplot: no global state changes, no display is needed.
"""

import io
import math
import os
import pathlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from asal_jax import summary

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

Path = str | os.PathLike[str]

DPI = 120
MAX_BYTES = 200_000
TEXT, MUTED, PALE, GRID = "#222222", "#666666", "#D2D2D2", "#EAEAEA"
FEW = 4  # Classes whose pool fractions are told apart as lines; more are ticks.

# Okabe and Ito's colours (2008), distinct under the common colour blindnesses; random grey, the ceiling black.
COLOURS = {
  "random": "#767676",
  "entropy": "#0072B2",
  "min_distance": "#56B4E9",
  "subpool": "#009E73",
  "asal_pixels": "#E69F00",
  "asal_autoencoder": "#CC79A7",
  "asal_critic": "#D55E00",
  summary.CEILING: "#000000",
}
# Tol's muted scheme (2021) and a grey: for classes, and for strategies not listed above.
MORE = ("#332288", "#CC6677", "#117733", "#88CCEE", "#882255",
        "#999933", "#44AA99", "#AA4499", "#DDCC77", "#555555")  # fmt: skip
DASHES = {"_rescore": (0, (4.5, 1.6)), "_random_latents": (0, (1.2, 1.4))}
BOTH_DASHES = (0, (4.5, 1.4, 1.2, 1.4))


class Matched(NamedTuple):
  """The pool's matches of m generated images in one feature set, called `name` in the figure.

  `images` uint8 [m, h, w, c] in 0..255, `labels` their m labels as shown, `ids` their m pool ids.
  """

  name: str
  images: np.ndarray
  labels: Sequence[str]
  ids: Sequence[int]


def style(strategy: str) -> dict[str, Any]:
  """Matplotlib's `color` and `linestyle` of a strategy: by its name alone, so the same in every figure.

  A suffix `_rescore...` dashes and `_random_latents` dots the line of the strategy named before it.
  """
  marks = [mark for mark in DASHES if mark in strategy]
  base = min((strategy.split(mark)[0] for mark in marks), key=len, default=strategy)
  colour = COLOURS.get(base) or MORE[zlib.crc32(base.encode()) % len(MORE)]
  if base == summary.CEILING:
    return {"color": colour, "linestyle": (0, (7, 3))}
  return {"color": colour, "linestyle": BOTH_DASHES if marks[1:] else DASHES[marks[0]] if marks else "solid"}


def accuracy(records: Iterable[summary.Record], path: Path, title: str) -> None:
  """Mean test accuracy over seeds against labelled samples, 95 % Student-t intervals shaded.

  `supervised` is a dashed line across with its value. Where the first cycles lie far below the rest the axis is
  cut, and the line above it says so. Raises InputError as `summary.grouped` does, or without records.
  """
  curves = _curves(records, lambda record: record["test_accuracy"], "test_accuracy")
  figure = _figure(9.2, 5.0)
  axes = figure.subplots()
  _frame(axes)
  for strategy, curve in curves.items():
    if strategy != summary.CEILING:
      _draw(axes, strategy, curve, width=1.5, shade=0.14 if len(curves) <= 5 else 0.07)
  low, high = _range([curve.mean for curve in curves.values()])
  axes.set_ylim(low, high)
  if summary.CEILING in curves:
    ceiling = float(curves[summary.CEILING].mean[-1])
    axes.axhline(ceiling, label=summary.CEILING, linewidth=1.2, **style(summary.CEILING))
    place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "xytext": (4, 3)}
    axes.annotate(f"{summary.CEILING} {ceiling:.4f}", (0, ceiling), fontsize=8, color=TEXT, **place)
  lowest = min(float(curve.mean.min()) for curve in curves.values())
  cut = f"; axis cut at {low:.3f}, curves start from {lowest:.3f}" if lowest < low else ""
  axes.set_title(_seeds(curves) + cut, loc="left", fontsize=8.5, color=MUTED)
  figure.legend(loc="outside right center", frameon=False, fontsize=8.5, handlelength=3.2)
  _finish(figure, path, title, "labelled samples", "test accuracy")


def entropy(records: Iterable[summary.Record], path: Path, title: str) -> None:
  """Mean entropy in nats of the newly added samples against labels, unsmoothed, 95 % intervals shaded.

  A panel a strategy on common axes, the others pale behind it, its mean over the cycles above it. Raises
  InputError as `summary.grouped` does, or where no record has an entropy.
  """
  curves = _curves(records, lambda record: record.get("new_entropy"), "new_entropy")
  figure, panels = _panels(curves)
  for axes, (strategy, curve) in zip(panels, curves.items(), strict=True):
    for other in curves.values():
      axes.plot(other.labels, other.mean, color=PALE, linewidth=0.6, zorder=1)
    _draw(axes, strategy, curve, width=1.2, shade=0.14)
    axes.set_title(f"mean {curve.mean.mean():.3f}", loc="right", fontsize=7.5, color=MUTED)
  highest = max(float(curve.mean.max()) for curve in curves.values())
  ends = np.concatenate([curve.mean if curve.high is None else curve.high for curve in curves.values()])
  panels[0].set_ylim(0, 1.05 * max(highest, min(float(ends.max()), 1.4 * highest)) or 1)
  _finish(figure, path, title, f"labelled samples ({_seeds(curves)})", "entropy of the new samples (nats)")


def labels(
  records: Iterable[summary.Record],
  pool_fractions: Sequence[float] | np.ndarray,
  class_names: Sequence[str],
  path: Path,
  title: str,
) -> None:
  """Fraction of each class in the training set against labels, mean over seeds, a panel a strategy.

  `pool_fractions` f32[k], the pool's own balance: dashed lines for few classes, else ticks at the right edge;
  one dashed line where all are equal. `supervised` is left out. Raises InputError as `summary.grouped` does,
  without label counts, and where the three disagree about k.
  """
  kept = [record for record in records if record["strategy"] != summary.CEILING]
  curves = _curves(kept, _fractions, "label_counts")
  sizes = {len(pool_fractions), len(class_names), *(curve.mean.shape[1] for curve in curves.values())}
  if len(sizes) > 1:
    raise summary.error(
      f"pool_fractions, class_names and label_counts have {sorted(sizes)} classes; give one number"
    )
  colours = [MORE[k % len(MORE)] for k in range(len(class_names))]
  figure, panels = _panels(curves)
  for axes, curve in zip(panels, curves.values(), strict=True):
    for fraction, colour in zip(curve.mean.T, colours, strict=True):
      axes.plot(curve.labels, fraction, color=colour, linewidth=1.2, marker=_marker(curve))
  lines = panels[0].get_lines()
  mark = _pool(panels, np.asarray(pool_fractions, np.float64), colours)
  highest = max(float(np.max(pool_fractions)), *(float(curve.mean.max()) for curve in curves.values()))
  panels[0].set_ylim(0, 1.08 * highest)
  figure.legend(
    lines,
    list(class_names),
    title=f"{mark}: pool",
    loc="outside right center",
    alignment="left",
    fontsize=8.5,
    title_fontsize=8.5,
    frameon=False,
  )
  _finish(
    figure, path, title, f"labelled samples ({_seeds(curves, shaded=False)})", "fraction of the training set"
  )


def matches(generated: np.ndarray, rows: Sequence[Matched], path: Path, title: str) -> None:
  """Generated images in a row, below them a row a feature set with their matches, 'label/id' above each.

  `generated` uint8 or float [m, h, w, c], c of 1 or 3, in 0..255 (floats are rounded and clipped). Images are
  enlarged by a whole number. Raises InputError where a row has not m images of that shape, m labels and m ids.
  """
  m, h, w, _ = _pixels(generated).shape
  for row in rows:
    if np.shape(row.images) != np.shape(generated) or (len(row.labels), len(row.ids)) != (m, m):
      found = f"images {np.shape(row.images)}, {len(row.labels)} labels and {len(row.ids)} ids"
      raise summary.error(f"row {row.name} has {found}; give {np.shape(generated)} and {m} of each")
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


def samples(random: np.ndarray, uncertain: np.ndarray, path: Path, title: str) -> None:
  """Two square grids side by side: images of random latents, and of latents whose entropy was ascended.

  Both uint8 or float [n, h, w, c], c of 1 or 3, in 0..255, of one image shape. Above some 50 colour images of
  64 x 64 each, the page is made smaller to stay below 200 kB. Raises InputError for other shapes.
  """
  grids = {"random latents": _pixels(random), "uncertain (entropy ascended)": _pixels(uncertain)}
  if np.shape(random)[1:] != np.shape(uncertain)[1:]:
    raise summary.error(
      f"images of shapes {np.shape(random)[1:]} and {np.shape(uncertain)[1:]}; give one shape"
    )
  most = max(len(images) for images in grids.values())
  columns = math.ceil(math.sqrt(most))
  h, w = np.shape(random)[1:3]
  scale = max(1, round(440 / (columns * w)))
  side = max(columns * (w * scale + 2), *(_width(name, 10) for name in grids))
  sheet = _Sheet(2 * side + 64, 92 + math.ceil(most / columns) * (h * scale + 2), title)
  for g, (name, images) in enumerate(grids.items()):
    left = 16 + g * (side + 32)
    sheet.write(name, left, 72, 10, "left", "bottom")
    for i, image in enumerate(images):
      sheet.paste(image, left + i % columns * (w * scale + 2), 78 + i // columns * (h * scale + 2), scale)
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
    figure = _figure((width + 0.01) / DPI, (height + 0.01) / DPI, layout=None)
    figure.figimage(self.pixels)
    for text, x, y, size, across, along in self.texts:
      place = {"ha": across, "va": along, "parse_math": False}
      figure.text(x / width, 1 - y / height, text, fontsize=size, color=TEXT, **place)
    _save(figure, path, pictures=True)


def _curves(
  records: Iterable[summary.Record], value: Callable[[summary.Record], Any], field: str
) -> dict[str, summary.Curve]:
  curves = summary.curves(records, value)
  if not curves:
    raise summary.error(f"no record has {field}, so there is nothing to draw; plot after the first cycles")
  return curves


def _fractions(record: summary.Record) -> list[float] | None:
  counts = record.get("label_counts")
  return [count / sum(counts) for count in counts] if counts and sum(counts) else None


def _pixels(images: np.ndarray) -> np.ndarray:
  """Images in 0..255 as uint8 [n, h, w, 3]."""
  if np.ndim(images) != 4 or np.shape(images)[-1] not in (1, 3) or not np.size(images):
    raise summary.error(f"images are of shape {np.shape(images)}; give [n, h, w, c] with c of 1 or 3")
  whole = np.clip(np.round(images), 0, 255).astype(np.uint8)
  return np.broadcast_to(whole, (*whole.shape[:3], 3))


def _figure(width: float, height: float, layout: Any = "constrained") -> "Figure":
  from matplotlib.figure import Figure

  return Figure((width, height), dpi=DPI, layout=layout, facecolor="white")


def _panels(curves: Mapping[str, summary.Curve]) -> "tuple[Figure, list[Axes]]":
  """A titled panel a strategy, on common axes."""
  n = len(curves)
  columns = n if n <= 3 else 2 if n == 4 else 3 if n in (5, 6, 9) else 4
  rows = math.ceil(n / columns)
  figure = _figure(max(1.4 + 2.5 * columns, 6), max(1.1 + 1.8 * rows, 3.6))
  grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
  for axes in grid[n:]:
    axes.remove()
  for axes, strategy in zip(grid, curves, strict=False):
    _frame(axes)
    axes.tick_params(labelbottom=True)
    size = min(8, 8 * 31 / len(strategy))
    axes.set_title(strategy, loc="left", fontsize=size, color=style(strategy)["color"])
  return figure, list(grid[:n])


def _frame(axes: "Axes") -> None:
  axes.spines[["top", "right"]].set_visible(False)
  axes.spines[["left", "bottom"]].set_color(MUTED)
  axes.grid(color=GRID, linewidth=0.6)
  axes.set_axisbelow(True)
  axes.tick_params(labelsize=8, color=MUTED, labelcolor=TEXT)
  axes.locator_params(nbins=6)


def _draw(axes: "Axes", strategy: str, curve: summary.Curve, width: float, shade: float) -> None:
  look = style(strategy)
  axes.plot(curve.labels, curve.mean, label=strategy, linewidth=width, marker=_marker(curve), **look)
  if curve.low is not None and curve.high is not None:
    axes.fill_between(curve.labels, curve.low, curve.high, color=look["color"], alpha=shade, linewidth=0)
    if len(curve.labels) == 1:
      axes.vlines(curve.labels, curve.low, curve.high, color=look["color"], linewidth=width)


def _marker(curve: summary.Curve) -> str | None:
  return "o" if len(curve.labels) == 1 else None


def _pool(panels: Sequence["Axes"], fractions: np.ndarray, colours: Sequence[str]) -> str:
  """Marks the pool's class fractions in every panel and returns what the marks look like."""
  equal = np.ptp(fractions) < 1e-3
  across = equal or len(fractions) <= FEW
  ends, look, width = ((0.0, 1.0), "--", 0.9) if across else ((1.0, 1.04), "-", 1.8)
  marks = [(fractions.mean(), TEXT)] if equal else list(zip(fractions, colours, strict=True))
  for axes in panels:
    place = {"transform": axes.get_yaxis_transform(), "clip_on": across}
    for fraction, colour in marks:
      axes.plot(ends, [fraction] * 2, look, color=colour, linewidth=width, **place)
  return "dashed" if across else "ticks"


def _range(means: Sequence[np.ndarray]) -> tuple[float, float]:
  """The y-limits: all of the curves, or from their 15th percentile where half the height lies below it."""
  values = np.concatenate(means)
  lowest, highest = float(values.min()), float(values.max())
  cut = float(np.percentile(values, 15))
  low = cut if cut - lowest > 0.5 * (highest - lowest) else lowest
  margin = 0.05 * (highest - low) or 0.01
  return low - margin, highest + 1.8 * margin


def _seeds(curves: Mapping[str, summary.Curve], shaded: bool = True) -> str:
  counts = sorted({curve.seeds for curve in curves.values()})
  if counts == [1]:
    return "1 seed"
  text = f"mean of {counts[0]} seeds" if len(counts) == 1 else f"mean of {counts[0]} to {counts[-1]} seeds"
  return text + ", shaded: 95 % interval" * shaded


def _width(text: str, size: int) -> int:
  """Pixels that a text of `size` points takes at most, about."""
  return math.ceil(0.64 * size * DPI / 72 * len(text))


def _finish(figure: "Figure", path: Path, title: str, across: str, along: str) -> None:
  figure.suptitle(title, fontsize=12, color=TEXT, x=0.01, ha="left", parse_math=False)
  figure.supxlabel(across, fontsize=9, color=TEXT)
  figure.supylabel(along, fontsize=9, color=TEXT)
  _save(figure, path)


def _save(figure: "Figure", path: Path, pictures: bool = False) -> None:
  """The figure as PNG; above MAX_BYTES with 256 colours, and then smaller until it fits.

  The colours are chosen for the least worst error, or in `pictures` for the least banding.
  """
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
