"""Curves drawn into given axes: accuracy, entropy, class balance; one colour a method everywhere."""

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from asal_jax.reporting import summary
from asal_jax.reporting.canvas import TEXT

if TYPE_CHECKING:
  from matplotlib.axes import Axes

MUTED, PALE, GRID = "#666666", "#D2D2D2", "#EAEAEA"
FEW = 4  # Classes whose pool fractions are told apart as lines; more are ticks.
SHADED = 6  # Curves of one panel whose intervals can be told apart,
READABLE = 0.35  # and the share of the panel's height that one may take.

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
  "gaal_people": "#882255",
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


def class_colours(classes: int) -> list[str]:
  """A colour a class."""
  return [MORE[k % len(MORE)] for k in range(classes)]


def frame(axes: "Axes") -> None:
  """Axes as all figures have them."""
  axes.spines[["top", "right"]].set_visible(False)
  axes.spines[["left", "bottom"]].set_color(MUTED)
  axes.grid(color=GRID, linewidth=0.6)
  axes.set_axisbelow(True)
  axes.tick_params(labelsize=8, color=MUTED, labelcolor=TEXT)
  axes.locator_params(nbins=6)


def curve(axes: "Axes", strategy: str, drawn: summary.Curve, width: float, shaded: bool = True) -> None:
  """One strategy's mean over seeds, and its interval where it is to be shaded."""
  look = style(strategy)
  axes.plot(drawn.labels, drawn.mean, label=strategy, linewidth=width, marker=marker(drawn), **look)
  if drawn.low is not None and drawn.high is not None:
    if shaded:
      axes.fill_between(drawn.labels, drawn.low, drawn.high, color=look["color"], alpha=0.14, linewidth=0)
    if len(drawn.labels) == 1:
      axes.vlines(drawn.labels, drawn.low, drawn.high, color=look["color"], linewidth=width)


def readable(drawn: Collection[summary.Curve], limits: tuple[float, float]) -> bool:
  """Whether shaded intervals can be told apart in one panel whose y-limits are `limits`.

  At most SHADED of them, none with a median width above READABLE of the panel's height.
  """
  widths = [
    float(np.median(one.high - one.low)) for one in drawn if one.low is not None and one.high is not None
  ]
  return len(drawn) <= SHADED and max(widths, default=0.0) <= READABLE * float(limits[1] - limits[0])


def shown(names: Iterable[str], faint: Iterable[str] = ()) -> list[str]:
  """The strategies whose intervals are drawn: neither `supervised` nor a reference in `faint`."""
  return [name for name in names if name not in {*faint, summary.CEILING}]


def curves(
  axes: "Axes", drawn: Mapping[str, summary.Curve], limits: tuple[float, float], shaded: bool,
  faint: Iterable[str] = (), width: float = 1.5,
) -> None:  # fmt: skip
  """Strategies in one panel whose y-limits are `limits`, `supervised` as a line across.

  Intervals are shaded, or the last one of each is a bar beyond the curve's end. Those in `faint` are references:
  thinner, without interval.
  """
  own = shown(drawn, faint)
  axes.set_ylim(*limits)
  for strategy, one in drawn.items():
    if strategy == summary.CEILING:
      axes.axhline(float(one.mean[-1]), label=strategy, linewidth=1.2, **style(strategy))
    elif strategy in own:
      curve(axes, strategy, one, width, shaded)
    else:
      curve(axes, strategy, one, 0.7 * width, shaded=False)
  if not shaded:
    _end_bars(axes, {name: drawn[name] for name in own})


def _end_bars(axes: "Axes", drawn: Mapping[str, summary.Curve]) -> None:
  """The interval at the last cycle of each curve, side by side beyond its end."""
  for i, (strategy, one) in enumerate(drawn.items()):
    if one.low is not None and one.high is not None and len(one.labels) > 1:
      place = one.labels[-1] + 0.022 * (i + 1) * (one.labels[-1] - one.labels[0])
      axes.vlines(place, one.low[-1], one.high[-1], color=style(strategy)["color"], linewidth=1.8)
      axes.plot([place], one.mean[-1:], "o", color=style(strategy)["color"], markersize=3)


def handles(grid: Iterable["Axes"]) -> dict[str, Any]:
  """The lines of several panels by their label, the first of each."""
  found: dict[str, Any] = {}
  for axes in grid:
    for line, name in zip(*axes.get_legend_handles_labels(), strict=True):
      found.setdefault(name, line)
  return found


def fractions(axes: "Axes", drawn: summary.Curve) -> list[Any]:
  """The fraction of each class in one strategy's training set; returns their lines."""
  pairs = zip(drawn.mean.T, class_colours(drawn.mean.shape[1]), strict=True)
  return [
    axes.plot(drawn.labels, fraction, color=colour, linewidth=1.2, marker=marker(drawn))[0]
    for fraction, colour in pairs
  ]


def pool_marks(axes: "Axes", pool: np.ndarray) -> str:
  """Marks the pool's class fractions and returns what the marks look like.

  Dashed lines for few classes, else ticks at the right edge; one dashed line where all are equal.
  """
  colours, equal = class_colours(len(pool)), np.ptp(pool) < 1e-3
  across = equal or len(pool) <= FEW
  ends, look, width = ((0.0, 1.0), "--", 0.9) if across else ((1.0, 1.04), "-", 1.8)
  marks = [(pool.mean(), TEXT)] if equal else list(zip(pool, colours, strict=True))
  for fraction, colour in marks:
    place = {"transform": axes.get_yaxis_transform(), "clip_on": across}
    axes.plot(ends, [fraction] * 2, look, color=colour, linewidth=width, **place)
  return "dashed" if across else "ticks"


def marker(drawn: summary.Curve) -> str | None:
  """A point where there is no line."""
  return "o" if len(drawn.labels) == 1 else None


def label_fractions(record: summary.Record) -> list[float] | None:
  """A record's class balance."""
  counts = record.get("label_counts")
  return [count / sum(counts) for count in counts] if counts and sum(counts) else None


def accuracy_range(means: Sequence[np.ndarray]) -> tuple[float, float]:
  """The y-limits: all of the curves, or from their 15th percentile where half the height lies below it.

  No curve's end is ever cut off.
  """
  values = np.concatenate(means)
  lowest, highest = float(values.min()), float(values.max())
  cut = min(float(np.percentile(values, 15)), *(float(mean[-1]) for mean in means))
  low = cut if cut - lowest > 0.5 * (highest - lowest) else lowest
  margin = 0.05 * (highest - low) or 0.01
  return low - margin, highest + 1.8 * margin


def entropy_range(drawn: Iterable[summary.Curve]) -> tuple[float, float]:
  """The y-limits: all means, and intervals as far as they do not dwarf them."""
  drawn = list(drawn)
  highest = max(float(one.mean.max()) for one in drawn)
  ends = np.concatenate([one.mean if one.high is None else one.high for one in drawn])
  return 0.0, 1.05 * max(highest, min(float(ends.max()), 1.4 * highest)) or 1.0


def fraction_range(drawn: Iterable[summary.Curve], pool: Sequence[float] | np.ndarray) -> tuple[float, float]:
  """The y-limits: from 0, or from the least fraction where what lies below it would be most of the axis."""
  values = np.concatenate([np.ravel(pool), *(np.ravel(one.mean) for one in drawn)])
  lowest, highest = float(values.min()), float(values.max())
  low = lowest if highest - lowest < lowest else 0.0
  margin = 0.08 * (highest - low) or 0.05
  return max(0.0, low - margin) if low else 0.0, highest + margin


EITHER = "shaded, or bar at the end"
"""How `curves` shows an interval."""


def seeds(drawn: Iterable[summary.Curve], interval: str = "shaded") -> str:
  """What the curves are means of, and how their intervals are shown, '' where they are not."""
  counts = sorted({one.seeds for one in drawn})
  if counts == [1]:
    return "1 seed"
  text = f"mean of {counts[0]} seeds" if len(counts) == 1 else f"mean of {counts[0]} to {counts[-1]} seeds"
  return text + f", {interval}: 95 % interval" * bool(interval)
