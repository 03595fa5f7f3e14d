"""Figures of a run: accuracy, entropy and class balance against labels.

Every function writes one PNG below 200 kB into an existing folder. Matplotlib is imported where it draws, and
without pyplot: no global state changes, no display is needed.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from asal_jax.errors import InputError
from asal_jax.reporting import canvas, summary
from asal_jax.reporting.canvas import TEXT, Path

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

MUTED, PALE, GRID = "#666666", "#D2D2D2", "#EAEAEA"
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
  "seals": "#AA4499",
  "balanced": "#CC3311",
  "labelled": "#999933",
  "mixed": "#44AA99",
  "badge": "#332288",
  "coreset": "#117733",
  "gaal_stand_in": "#882255",
  "gaal_file": "#332288",
  summary.CEILING: "#000000",
}
# Tol's muted scheme (2021) and a grey: for classes, and for strategies not listed above.
MORE = ("#332288", "#CC6677", "#117733", "#88CCEE", "#882255",
        "#999933", "#44AA99", "#AA4499", "#DDCC77", "#555555")  # fmt: skip
DASHES = {"_rescore": (0, (4.5, 1.6)), "_walk": (0, (7, 1.2)), "_random_latents": (0, (1.2, 1.4))}
BOTH_DASHES = (0, (4.5, 1.4, 1.2, 1.4))


def style(strategy: str) -> dict[str, Any]:
  """Matplotlib's `color` and `linestyle` of a strategy: by its name alone, so the same in every figure.

  A suffix `_rescore...` or `_walk...` dashes and `_random_latents` dots the line of the strategy named before it; a
  number of samples changes nothing.
  """
  marks = [mark for mark in DASHES if mark in strategy]
  base = min((strategy.split(mark)[0] for mark in marks), key=len, default=strategy).rstrip("0123456789")
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
  figure = canvas.figure(9.2, 5.0)
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
    raise InputError(
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
  look = {"fontsize": 8.5, "title_fontsize": 8.5, "frameon": False, "alignment": "left"}
  figure.legend(lines, list(class_names), title=f"{mark}: pool", loc="outside right center", **look)
  across = f"labelled samples ({_seeds(curves, shaded=False)})"
  _finish(figure, path, title, across, "fraction of the training set")


def agreement(shares: Mapping[str, float | None], path: Path, title: str) -> None:
  """Share of synthetic samples whose match has the label they were annotated with, a bar a feature set.

  None (nothing was annotated) has no bar.
  """
  figure = canvas.figure(6.4, 1.5 + 0.4 * len(shares))
  axes = figure.subplots()
  _frame(axes)
  values = [100 * (share or 0) for share in shares.values()]
  colours = [style(f"asal_{name}")["color"] for name in shares]
  bars = axes.barh(range(len(shares)), values, color=colours, height=0.6)
  texts = ["none annotated" if share is None else f"{100 * share:.1f}" for share in shares.values()]
  axes.bar_label(bars, texts, padding=3, fontsize=8, color=TEXT)
  axes.set_yticks(range(len(shares)), list(shares))
  axes.invert_yaxis()
  axes.set_xlim(0, 112)
  axes.set_xticks(range(0, 101, 20))
  _finish(figure, path, title, "agreement, mean over the annotated classes (%)", "")


def _curves(
  records: Iterable[summary.Record], value: Callable[[summary.Record], Any], field: str
) -> dict[str, summary.Curve]:
  curves = summary.curves(records, value)
  if not curves:
    raise InputError(f"no record has {field}, so there is nothing to draw; plot after the first cycles")
  return curves


def _fractions(record: summary.Record) -> list[float] | None:
  counts = record.get("label_counts")
  return [count / sum(counts) for count in counts] if counts and sum(counts) else None


def _panels(curves: Mapping[str, summary.Curve]) -> "tuple[Figure, list[Axes]]":
  """A titled panel a strategy, on common axes."""
  n = len(curves)
  columns = n if n <= 3 else 2 if n == 4 else 3 if n in (5, 6, 9) else 4
  rows = math.ceil(n / columns)
  figure = canvas.figure(max(1.4 + 2.5 * columns, 6), max(1.1 + 1.8 * rows, 3.6))
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
  """The y-limits: all of the curves, or from their 15th percentile where half the height lies below it.

  No curve's end is ever cut off.
  """
  values = np.concatenate(means)
  lowest, highest = float(values.min()), float(values.max())
  cut = min(float(np.percentile(values, 15)), *(float(mean[-1]) for mean in means))
  low = cut if cut - lowest > 0.5 * (highest - lowest) else lowest
  margin = 0.05 * (highest - low) or 0.01
  return low - margin, highest + 1.8 * margin


def _seeds(curves: Mapping[str, summary.Curve], shaded: bool = True) -> str:
  counts = sorted({curve.seeds for curve in curves.values()})
  if counts == [1]:
    return "1 seed"
  text = f"mean of {counts[0]} seeds" if len(counts) == 1 else f"mean of {counts[0]} to {counts[-1]} seeds"
  return text + ", shaded: 95 % interval" * shaded


def _finish(figure: "Figure", path: Path, title: str, across: str, along: str) -> None:
  figure.suptitle(title, fontsize=12, color=TEXT, x=0.01, ha="left", parse_math=False)
  figure.supxlabel(across, fontsize=9, color=TEXT)
  figure.supylabel(along, fontsize=9, color=TEXT)
  canvas.save(figure, path)
