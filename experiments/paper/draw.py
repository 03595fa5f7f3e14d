"""The paper's figures from several results: panels in the paper's arrangement, one shared legend."""

import pathlib
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from asal_jax.reporting import canvas, panels, pictures, plots, summary
from asal_jax.reporting.canvas import TEXT
from asal_jax.reporting.panels import MUTED
from experiments.paper import elsewhere, results, runs, table
from experiments.paper.results import Result
from experiments.paper.table import Item, Panel, Part

VALUES: dict[str, Callable[[summary.Record], Any]] = {
  "accuracy": lambda record: record["test_accuracy"],
  "entropy": lambda record: record.get("new_entropy"),
  "labels": panels.label_fractions,
}
"""What a curve of each kind is of."""

ALONG = {
  "accuracy": "test accuracy",
  "entropy": "entropy of the new samples (nats)",
  "labels": "fraction of the training set",
}
PAGES = {"matches": "matches.png", "samples": "samples.png"}

Drawn = list[tuple[Panel, Result | None, dict[str, summary.Curve]]]


def draw(item: Item, folder: pathlib.Path, root: pathlib.Path = runs.ROOT) -> list[pathlib.Path]:
  """The pages of a figure of which there is a result, as figure_03a.png and so on; their paths."""
  paths = []
  for part in item.parts:
    path = folder / f"{item.name}{part.letter}.png"
    title = f"{item.name.replace('_0', ' ').replace('_', ' ').capitalize()}{part.letter}: {part.about or item.about}"
    if DRAWERS[part.kind](part, path, title, root):
      paths.append(path)
  return paths


def draw_curves(part: Part, path: pathlib.Path, title: str, root: pathlib.Path) -> bool:
  """Panels of curves, on common axes where they share a row's benchmark; a panel without a result says so."""
  drawn = [(panel, *read(panel, part.kind, root)) for panel in part.panels]
  if not any(curves for _, _, curves in drawn):
    return False
  columns = max(map(len, part.rows))
  width, height = (2.9, 2.5) if columns > 1 else (6.4, 3.9)
  # A row without a result keeps its place, not its height.
  made = iter(bool(curves) for _, _, curves in drawn)
  heights = [height if any([next(made) for _ in row]) else 0.9 for row in part.rows]
  figure = canvas.figure(max(6.6, 0.6 + width * columns), 1.4 + sum(heights))
  grid = figure.subplots(len(part.rows), columns, squeeze=False, height_ratios=heights)
  cells = [grid[r][c] for r, row in enumerate(part.rows) for c in range(len(row))]
  for spare in {*grid.ravel()} - {*cells}:
    spare.remove()
  ends = limits(part, drawn)
  lettered = len(drawn) > 1 and not part.letter
  for k, (axes, (panel, result, curves)) in enumerate(zip(cells, drawn, strict=True)):
    axes.set_ylim(*ends.get(panel.run.benchmark, (0, 1)))
    shaded = is_shaded(panel.run.benchmark, drawn, axes.get_ylim())
    draw_panel(axes, part, panel, result, curves, shaded, f"({chr(97 + k)}) " if lettered else "")
  legend(figure, part, cells, drawn)
  figure.suptitle(title, fontsize=11, color=TEXT, x=0.01, ha="left", parse_math=False)
  figure.supylabel(ALONG[part.kind], fontsize=9, color=TEXT)
  canvas.save(figure, path)
  return True


def read(panel: Panel, kind: str, root: pathlib.Path) -> tuple[Result | None, dict[str, summary.Curve]]:
  """A panel's result and its curves, in the order of the table."""
  result = results.find(panel.run, root=root)
  if result is None:
    return None, {}
  curves = summary.curves([r for r in result.records if r["strategy"] in panel.strategies], VALUES[kind])
  if kind != "accuracy":
    curves.pop(summary.CEILING, None)
  return result, {name: curves[name] for name in panel.strategies if name in curves}


def is_shaded(benchmark: str, drawn: Drawn, limits: tuple[float, float]) -> bool:
  """Whether the intervals of a benchmark can be read in all its panels: they are shaded in all or in none."""
  same = [curves for panel, _, curves in drawn if panel.run.benchmark == benchmark]
  return all(panels.readable([curves[name] for name in panels.shown(curves)], limits) for curves in same)


def draw_panel(
  axes: Any, part: Part, panel: Panel, result: Result | None, curves: dict[str, summary.Curve], shaded: bool,
  letter: str,
) -> None:  # fmt: skip
  """One panel into its axes."""
  panels.frame(axes)
  name = f", {panel.strategies[0]}" if part.kind == "labels" else ""
  # What the run was, as its config is called.
  # As wide as a panel of two in a row.
  made_by = f"\n{textwrap.fill(result.title, 44)}" if result is not None else ""
  axes.set_title(f"{letter}{panel.caption}{name}{made_by}", loc="left", fontsize=8, color=TEXT)
  if result is None or not curves:
    axes.text(
      0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", fontsize=9, color=MUTED
    )
    axes.set_xticks([])
    axes.set_yticks([])
    return
  if part.kind == "labels":
    for curve in curves.values():
      panels.fractions(axes, curve)
    pool = result.pool_fractions()
    if pool is not None:
      panels.pool_marks(axes, pool)
  else:
    panels.curves(axes, curves, axes.get_ylim(), shaded, width=1.3)


def limits(part: Part, drawn: Drawn) -> dict[str, tuple[float, float]]:
  """Common y-limits of all panels of a benchmark, by its name."""
  found = {}
  for benchmark in {panel.run.benchmark for panel, _, _ in drawn}:
    same = [
      (result, curves) for panel, result, curves in drawn if panel.run.benchmark == benchmark and curves
    ]
    curves = [curve for _, members in same for curve in members.values()]
    if curves and part.kind == "accuracy":
      found[benchmark] = panels.accuracy_range([curve.mean for curve in curves])
    elif curves and part.kind == "entropy":
      found[benchmark] = panels.entropy_range(curves)
    elif curves:
      pools = [pool for result, _ in same if result and (pool := result.pool_fractions()) is not None]
      found[benchmark] = panels.fraction_range(curves, pools[0] if pools else curves[0].mean[0])
  return found


def legend(figure: Any, part: Part, grid: Sequence[Any], drawn: Drawn) -> None:
  """One legend below all panels: strategies, or classes; the label of the horizontal axes is its title."""
  across = f"labelled samples ({told(part, drawn)})"
  look = {"loc": "outside lower center", "frameon": False, "fontsize": 8.5, "handlelength": 3}
  look |= {"title": across, "title_fontsize": 9}
  if part.kind == "labels":
    axes, (_, result, _) = next((a, one) for a, one in zip(grid, drawn, strict=True) if one[2])
    assert result is not None
    names = result.class_names()
    figure.legend(axes.get_lines()[: len(names)], names, ncols=min(5, len(names)), **look)
    return
  handles = panels.handles(grid)
  figure.legend(handles.values(), handles.keys(), ncols=3, **look)


def told(part: Part, drawn: Drawn) -> str:
  """Seeds and intervals in words, and that axes are cut where they are."""
  curves = [curve for _, _, found in drawn for curve in found.values()]
  if part.kind == "accuracy":
    ends = limits(part, drawn)
    lowest = [
      (min(c.mean.min() for c in found.values()), ends[p.run.benchmark][0]) for p, _, found in drawn if found
    ]
    cut = "; axis cut" if any(least < low for least, low in lowest) else ""
    return panels.seeds(curves, panels.EITHER) + cut
  return panels.seeds(curves, "" if part.kind == "labels" else panels.EITHER)


def draw_pages(part: Part, path: pathlib.Path, title: str, root: pathlib.Path) -> bool:
  """The pictures of the runs that there are, one below the other."""
  found = [results.find(panel.run, root=root) for panel in part.panels]
  files = [result.folder / "figures" / PAGES[part.kind] for result in found if result is not None]
  files = [file for file in files if file.exists()]
  if files:
    pictures.stack(files, path, title)
  return bool(files)


def draw_agreement(part: Part, path: pathlib.Path, title: str, root: pathlib.Path) -> bool:
  """Bars of each GAN and feature set."""
  found = {panel.caption: results.find(panel.run, root=root) for panel in part.panels}
  measured = {name: result.agreement() for name, result in found.items() if result is not None}
  shares = {name: one for name, one in measured.items() if one is not None}
  if shares:
    annotator = next(iter(shares.values()))["annotated_by"]
    bars = {name: {features: one[features] for features in table.FEATURES} for name, one in shares.items()}
    plots.agreement(bars, path, f"{title}\nannotated by {annotator}")
  return bool(shares)


def draw_selection(part: Part, path: pathlib.Path, title: str, root: pathlib.Path) -> bool:
  """Figures 7 and 8, by their own experiment."""
  from experiments.selection_time import figures

  (figures.draw_selection if part.kind == "selection" else figures.draw_transition)(elsewhere.times(), path)
  return True


DRAWERS: dict[str, Callable[[Part, pathlib.Path, str, pathlib.Path], bool]] = {
  **dict.fromkeys(VALUES, draw_curves),
  **dict.fromkeys(PAGES, draw_pages),
  "agreement": draw_agreement,
  **dict.fromkeys(("selection", "transition"), draw_selection),
  **dict.fromkeys(("networks", "iterations"), lambda *_: False),
}
"""The function that draws each kind of part: (part, path, title, root) -> whether there was something to draw."""


def draw_all(
  folder: pathlib.Path, items: Iterable[Item] = table.ITEMS, root: pathlib.Path = runs.ROOT
) -> list[pathlib.Path]:
  """Every figure of which there is a result."""
  folder.mkdir(parents=True, exist_ok=True)
  return [path for item in items for path in draw(item, folder, root)]
