"""The map and its tables, from results.jsonl: map.png, calls.png and TABLES.md.

python -m experiments.where_it_wins.figures [FILE.jsonl [FOLDER]]
"""

import pathlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.colors import TwoSlopeNorm

from asal_jax.reporting import canvas
from asal_jax.reporting.canvas import TEXT
from asal_jax.store.journal import read_lines
from experiments.speed.figures import frame
from experiments.where_it_wins.statistics import RECOMMENDED, Record, against, cells, strategies
from experiments.where_it_wins.tables import page, seconds_with_preparation

FOLDER = pathlib.Path(__file__).parent
CLIPPED = 10.0
"""Percentage points at which the colours of the map end."""

FAMILIES = {
  "random sub-pool": (("subpool50", "subpool200", "subpool1000"), "#009E73"),
  "walk from labelled": (("labelled_walk50", "labelled_walk200"), "#56B4E9"),
  "balanced walk": (("balanced_walk50", "balanced_walk200", "balanced_walk1000"), "#D55E00"),
}
POINTS = {
  "random": ("#767676", "o"), "entropy": ("#0072B2", "s"), "seals": ("#882255", "D"), "asal_critic": ("#E69F00", "v"),
  "asal_critic_rescore20": ("#E69F00", "^"),
}  # fmt: skip


def short(cell: Record) -> str:
  """A cell in a few words, in three lines."""
  rare = "as it is" if cell["rare"] is None else f"{100 * cell['rare']:g} % rare"
  of = f"{cell['pool']:,}" + (
    f" = {cell['pool'] // cell['redundancy']:,} x {cell['redundancy']}" if cell["redundancy"] > 1 else ""
  )
  score = "" if cell.get("score", "entropy") == "entropy" else f", {cell['score']}"
  return f"{cell['benchmark']}, {cell['network']}{score}\n{rare}, {cell['start_set']} start\n{of} images"


def draw_map(records: list[Record], path: pathlib.Path) -> None:
  """AUBC of every strategy in every cell against the recommendation's, hatched where p >= 0.05 after Holm."""
  known = cells(records)
  names = list(dict.fromkeys(name for cell in known for name in strategies(records, cell)))
  figure = canvas.figure(2.6 + 0.62 * len(known), 2.4 + 0.3 * len(names))
  axes = figure.subplots()
  values = np.full((len(names), len(known)), np.nan)
  for column, cell in enumerate(known):
    found = strategies(records, cell)
    best = max(found, key=lambda name: np.mean(found[name]["aubc"]))
    compared = against(found, RECOMMENDED)
    for row, name in enumerate(names):
      if name in compared:
        values[row, column] = compared[name].difference
        hatched = compared[name].p >= 0.05
        _write(
          axes,
          column,
          row,
          f"{compared[name].difference:+.1f}",
          compared[name].difference,
          name == best,
          hatched,
        )
      elif name == RECOMMENDED:
        values[row, column] = 0
        _write(axes, column, row, f"{100 * np.mean(found[name]['aubc']):.1f}", 0, name == best, hatched=False)
  image = axes.imshow(values, cmap="RdBu", norm=TwoSlopeNorm(0, -CLIPPED, CLIPPED), aspect="auto")
  axes.set_yticks(range(len(names)), names, size=7.5)
  axes.set_xticks(
    range(len(known)),
    [short(c) for c in known.values()],
    size=6,
    rotation=60,
    ha="right",
    rotation_mode="anchor",
  )
  for tick, cell in zip(axes.get_xticklabels(), known.values(), strict=True):
    tick.set_color("#0072B2" if cell["held_out"] else TEXT)
  title = f"AUBC against {RECOMMENDED}, percentage points (in its own row AUBC, %)"
  marks = "bold: the best of a cell; hatched: p >= 0.05 (paired t-test, Holm)"
  held_out = "blue: held out from the choice of the recommendation"
  axes.set_title("\n".join([title, marks, held_out]), size=7.5, loc="left", color=TEXT)
  bar = figure.colorbar(image, ax=axes, shrink=0.6, extend="both")
  bar.ax.tick_params(labelsize=7)
  canvas.save(figure, path)


def _write(axes: Any, column: int, row: int, text: str, difference: float, best: bool, hatched: bool) -> None:
  """A cell of the map: its text, white where the colour is dark, and hatching."""
  colour = "white" if abs(difference) > 0.65 * CLIPPED else TEXT
  weight = "bold" if best else "normal"
  axes.text(column, row, text, ha="center", va="center", size=6.5, weight=weight, color=colour)
  if hatched:
    sides, lines = [column - 0.5, column + 0.5], {"facecolor": "none", "edgecolor": "#BBBBBB", "linewidth": 0}
    axes.fill_between(sides, row - 0.5, row + 0.5, hatch="////", **lines)


def draw_costs(
  records: list[Record], path: pathlib.Path, cost: Callable[[str, Record, Record], float], label: str
) -> None:
  """AUBC against `cost(strategy, what it found, its cell)`, a panel a cell."""
  known = cells(records)
  columns = 4
  rows = -(-len(known) // columns)
  figure = canvas.figure(13.0, 2.5 * rows + 0.6)
  panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
  for axes in panels[len(known) :]:
    axes.set_visible(False)
  for axes, (cell, about) in zip(panels, known.items(), strict=False):
    found = strategies(records, cell)
    _panel(axes, {name: (cost(name, r, about), 100 * np.mean(r["aubc"])) for name, r in found.items()})
    axes.set_title(short(about).replace("\n", ", ", 1), size=7, color=TEXT)
  handles, labels = panels[0].get_legend_handles_labels()
  figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=8)
  figure.supxlabel(label, size=9)
  figure.supylabel("AUBC, %", size=9)
  canvas.save(figure, path)


def _panel(axes: Any, points: dict[str, tuple[float, float]]) -> None:
  frame(axes)
  for label, (names, colour) in FAMILIES.items():
    line = [points[name] for name in names if name in points]
    axes.plot(*zip(*line, strict=True), marker=".", color=colour, label=label, linewidth=1.3)
  for name, (colour, marker) in POINTS.items():
    if name in points:
      axes.plot(*points[name], marker, color=colour, label=name, markersize=5, linestyle="none")
  if min(x for x, _ in points.values()) == 0:
    axes.set_xscale("symlog", linthresh=10)
  else:
    axes.set_xscale("log")
  axes.minorticks_off()
  axes.ticklabel_format(axis="y", useOffset=False)
  low, high = axes.get_ylim()
  if high - low < 1:
    axes.set_ylim((low + high - 1) / 2, (low + high + 1) / 2)


def main() -> None:
  source = pathlib.Path(sys.argv[1]) if sys.argv[1:] else FOLDER / "results.jsonl"
  folder = pathlib.Path(sys.argv[2]) if sys.argv[2:] else FOLDER
  records = read_lines(source)
  draw_map(records, folder / "map.png")
  draw_costs(
    records, folder / "calls.png", lambda name, found, cell: found["calls"], "classifier calls a cycle"
  )
  seconds = "seconds a cycle for all seeds, the preparation spread over the cycles"
  draw_costs(records, folder / "seconds.png", seconds_with_preparation, seconds)
  (folder / "TABLES.md").write_text(page(records))


if __name__ == "__main__":
  main()
