"""Figures of a run: accuracy, entropy and class balance against labels.

Every function writes one PNG below 200 kB into an existing folder. Matplotlib is imported where it draws, and
without pyplot: no global state changes, no display is needed.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from asal_jax.errors import InputError
from asal_jax.reporting import canvas, panels, summary
from asal_jax.reporting.canvas import TEXT, Path
from asal_jax.reporting.panels import MUTED, PALE, SHADED

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

REFERENCES = (summary.CEILING, summary.REFERENCE, "entropy")
"""Drawn in every facet."""

FACETS = {
  "ASAL": lambda name: name.startswith("asal_") and not _is_modified(name),
  "ASAL, modified": lambda name: name.startswith("asal_") and _is_modified(name),
  "rivals": lambda name: not name.startswith("asal_"),
}
"""Facets of the strategies that are no references, in the order in which they are looked for."""


def accuracy(records: Iterable[summary.Record], path: Path, title: str) -> None:
  """Mean test accuracy over seeds against labelled samples, 95 % Student-t intervals shaded where all facets are
  `panels.readable`, else as of `panels.curves`.

  `supervised` is a dashed line across with its value. More than SHADED curves are drawn in facets on common axes, each
  with REFERENCES. Where the first cycles lie far below the rest the axis is cut, and the line above it says so.
  Raises InputError as `summary.grouped` does, or without records.
  """
  curves = _curves(records, lambda record: record["test_accuracy"], "test_accuracy")
  groups = facets(list(curves))
  figure, grid, spare = _facet_axes(len(groups))
  low, high = panels.accuracy_range([curve.mean for curve in curves.values()])
  faint = REFERENCES if len(groups) > 1 else ()
  own = [[curves[member] for member in panels.shown(members, faint)] for members in groups.values()]
  shaded = all(panels.readable(drawn, (low, high)) for drawn in own)
  for axes, (name, members) in zip(grid, groups.items(), strict=True):
    panels.frame(axes)
    panels.curves(axes, {member: curves[member] for member in members}, (low, high), shaded, faint)
    if summary.CEILING in curves:
      ceiling = float(curves[summary.CEILING].mean[-1])
      place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "xytext": (4, 3)}
      axes.annotate(f"{summary.CEILING} {ceiling:.4f}", (0, ceiling), fontsize=8, color=TEXT, **place)
    axes.tick_params(labelbottom=True)
    if len(groups) > 1:
      axes.set_title(name, loc="left", fontsize=9.5, color=TEXT)
  lowest = min(float(curve.mean.min()) for curve in curves.values())
  cut = f"; axis cut at {low:.3f}, curves start from {lowest:.3f}" if lowest < low else ""
  _legend(figure, grid, list(curves), spare)
  thin = "; thin: references" if len(groups) > 1 else ""
  across = f"labelled samples ({panels.seeds(curves.values(), panels.EITHER)}{thin}{cut})"
  _finish(figure, path, title, across, "test accuracy")


def facets(strategies: Sequence[str]) -> dict[str, list[str]]:
  """Which strategies are drawn together: all where their intervals can be read, else by kind, at most SHADED and the
  references in each."""
  if len({*strategies} - {summary.CEILING}) <= SHADED:
    return {"": list(strategies)}
  shown = [name for name in strategies if name in REFERENCES]
  rest = [name for name in strategies if name not in REFERENCES]
  found: dict[str, list[str]] = {}
  for kind, holds in FACETS.items():
    members = [name for name in rest if holds(name)]
    for i in range(0, len(members), SHADED):
      found[kind if not i else f"{kind} ({i // SHADED + 1})"] = [*shown, *members[i : i + SHADED]]
  return found


def entropy(records: Iterable[summary.Record], path: Path, title: str) -> None:
  """Mean entropy in nats of the newly added samples against labels, unsmoothed, 95 % intervals shaded.

  A panel a strategy on common axes, the others pale behind it, its mean over the cycles above it. Raises
  InputError as `summary.grouped` does, or where no record has an entropy.
  """
  curves = _curves(records, lambda record: record.get("new_entropy"), "new_entropy")
  figure, grid = _panels(curves)
  for axes, (strategy, curve) in zip(grid, curves.items(), strict=True):
    for other in curves.values():
      axes.plot(other.labels, other.mean, color=PALE, linewidth=0.6, zorder=1)
    panels.curve(axes, strategy, curve, width=1.2)
    axes.set_title(f"mean {curve.mean.mean():.3f}", loc="right", fontsize=7.5, color=MUTED)
  grid[0].set_ylim(*panels.entropy_range(curves.values()))
  across = f"labelled samples ({panels.seeds(curves.values())})"
  _finish(figure, path, title, across, "entropy of the new samples (nats)")


def labels(
  records: Iterable[summary.Record],
  pool_fractions: Sequence[float] | np.ndarray | None,
  class_names: Sequence[str],
  path: Path,
  title: str,
) -> None:
  """Fraction of each class in the training set against labels, mean over seeds, a panel a strategy.

  `pool_fractions` f32[k], the pool's own balance: dashed lines for few classes, else ticks at the right edge;
  one dashed line where all are equal, none where it is not known (None). `supervised` is left out. Raises
  InputError as `summary.grouped` does, without label counts, and where the three disagree about k.
  """
  kept = [record for record in records if record["strategy"] != summary.CEILING]
  curves = _curves(kept, panels.label_fractions, "label_counts")
  pool = None if pool_fractions is None else np.asarray(pool_fractions, np.float64)
  sizes = {len(class_names), *(curve.mean.shape[1] for curve in curves.values())}
  sizes |= set() if pool is None else {len(pool)}
  if len(sizes) > 1:
    raise InputError(
      f"pool_fractions, class_names and label_counts have {sorted(sizes)} classes; give one number"
    )
  figure, grid = _panels(curves)
  drawn = [panels.fractions(axes, curve) for axes, curve in zip(grid, curves.values(), strict=True)]
  marks = [] if pool is None else [panels.pool_marks(axes, pool) for axes in grid]
  grid[0].set_ylim(*panels.fraction_range(curves.values(), [] if pool is None else pool))
  look = {"fontsize": 8.5, "title_fontsize": 8.5, "frameon": False, "alignment": "left"}
  told = f"{marks[0]}: pool" if marks else None
  legend = figure.legend(drawn[0], [" "] * len(class_names), title=told, loc="outside right center", **look)
  for text, name in zip(legend.get_texts(), class_names, strict=True):
    # As it is: dollars would be a formula, and what begins with an underscore would be left out.
    text.set(text=name, parse_math=False)
  told = panels.seeds(curves.values(), interval="")
  _finish(figure, path, title, f"labelled samples ({told})", "fraction of the training set")


def agreement(found: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path, title: str) -> None:
  """Share of synthetic samples whose match has the label they were annotated with (figure 13).

  `found` has of each GAN, by its title, `Agreement`s as dicts by feature set: a bar each, with its 95 % interval. A
  feature set for which nothing was annotated has no bar.
  """
  figure = canvas.figure(6.4, 1.6 + 0.36 * 4 * len(found))
  axes = figure.subplots()
  panels.frame(axes)
  ticks, place = {}, 0.0
  for gan, sets in found.items():
    for name, one in sets.items():
      _bar(axes, place, one, panels.style(f"asal_{name}")["color"])
      ticks[place] = f"{gan}, {name}"
      place += 1
    place += 0.6
  axes.set_yticks(list(ticks), list(ticks.values()))
  axes.invert_yaxis()
  axes.set_xlim(0, 112)
  axes.set_xticks(range(0, 101, 20))
  _finish(figure, path, title, "agreement, mean over the annotated classes, 95 % interval (%)", "")


def _bar(axes: "Axes", place: float, one: Mapping[str, Any], colour: str) -> None:
  share = one["agreement"]
  axes.barh([place], [100 * (share or 0)], color=colour, height=0.72)
  if share is not None:
    ends = [[100 * max(0, share - one["low"])], [100 * max(0, one["high"] - share)]]
    axes.errorbar([100 * share], [place], xerr=ends, color=TEXT, linewidth=1, capsize=2.5)
  told = "none annotated" if share is None else f"{100 * share:.1f}"
  axes.text(100 * (one["high"] or 0) + 1.5, place, told, va="center", fontsize=8, color=TEXT)


def _curves(
  records: Iterable[summary.Record], value: Callable[[summary.Record], Any], field: str
) -> dict[str, summary.Curve]:
  curves = summary.curves(records, value)
  if not curves:
    raise InputError(f"no record has {field}, so there is nothing to draw; plot after the first cycles")
  return curves


def _facet_axes(n: int) -> "tuple[Figure, list[Axes], Axes | None]":
  """A figure with n panels on common axes, and an empty cell of the grid for the legend where there is one."""
  if n == 1:
    figure = canvas.figure(9.2, 5.0)
    return figure, [figure.subplots()], None
  rows = math.ceil(n / 2)
  figure = canvas.figure(9.2, 0.8 + 3.1 * rows)
  grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
  spare = grid[n] if n % 2 else None
  if spare is not None:
    spare.set_axis_off()
  return figure, list(grid[:n]), spare


def _legend(figure: "Figure", grid: Sequence["Axes"], order: Sequence[str], spare: "Axes | None") -> None:
  """One legend of all strategies, beside the panels or in the grid's empty cell."""
  handles = panels.handles(grid)
  look = {"frameon": False, "fontsize": 8.5, "handlelength": 3.2}
  if spare is not None:
    spare.legend([handles[name] for name in order], order, loc="center left", **look)
  else:
    figure.legend([handles[name] for name in order], order, loc="outside right center", **look)


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
    panels.frame(axes)
    axes.tick_params(labelbottom=True)
    size = min(8, 8 * 31 / len(strategy))
    axes.set_title(strategy, loc="left", fontsize=size, color=panels.style(strategy)["color"])
  return figure, list(grid[:n])


def _is_modified(name: str) -> bool:
  return any(mark in name for mark in panels.DASHES)


def _finish(figure: "Figure", path: Path, title: str, across: str, along: str) -> None:
  figure.suptitle(title, fontsize=12, color=TEXT, x=0.01, ha="left", parse_math=False)
  figure.supxlabel(across, fontsize=9, color=TEXT)
  figure.supylabel(along, fontsize=9, color=TEXT)
  canvas.save(figure, path)
