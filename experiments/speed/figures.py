"""The figures of the benchmark: ratios row by row, and growth on logarithmic axes."""

import pathlib

from matplotlib.ticker import FuncFormatter, NullFormatter

from asal_jax.reporting import canvas
from asal_jax.reporting.panels import GRID, MORE, MUTED
from experiments.speed.records import machine as of_device
from experiments.speed.rows import PRECISIONS, ROWS

AIM, COLOURS = "#D55E00", dict(zip(PRECISIONS, ("#0072B2", "#009E73", "#CC79A7"), strict=True))
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


def draw_ratios(results: list[dict], path: pathlib.Path) -> None:
  """A panel a machine, a line a row: the median ratios of ours to the rival's with their spreads, and the aim."""
  machines = list(dict.fromkeys(r["machine"] for r in results))
  rows = [row for row in ROWS if any(r["row"] == row for r in results)]
  figure = canvas.figure(5.6 + 4.2 * len(machines), 1.5 + 0.34 * len(rows))
  panels = figure.subplots(1, len(machines), sharex=True, sharey=True, squeeze=False)[0]
  for axes, name in zip(panels, machines, strict=True):
    frame(axes)
    axes.set_title(name, loc="left", fontsize=9, color=canvas.TEXT)
    for precision in PRECISIONS:
      points(axes, rows, [r for r in results if (r["machine"], r["precision"]) == (name, precision)])
    aimed = [(ROWS[row].aim, y) for y, row in enumerate(rows) if ROWS[row].aim is not None]
    look = {"color": AIM, "markersize": 13, "markeredgewidth": 2.2}
    aimed and axes.plot(*zip(*aimed, strict=True), "|", label="aim: at most", **look)
    axes.axvline(1, color=canvas.TEXT, linewidth=1)
    axes.set_xlabel("seconds of ours / seconds of the rival", fontsize=8.5)
  axes = panels[0]
  axes.set_xscale("log")
  axes.set_ylim(len(rows) - 0.4, -0.6)
  axes.set_yticks(range(len(rows)), [ROWS[row].what for row in rows])
  axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
  axes.set_xticks([], minor=True)
  axes.set_xlim(
    0.9 * min(r["ratio_low"] for r in results), max(2.0, 1.1 * max(r["ratio_high"] for r in results))
  )
  title = "Speed against PyTorch, faiss and scikit-activeml; left of 1 ours is faster"
  figure.suptitle(title, fontsize=12, color=canvas.TEXT, x=0.01, ha="left")
  panels[-1].legend(loc="lower right", bbox_to_anchor=(1, 1.04), ncols=3, fontsize=8, frameon=False)
  canvas.save(figure, path)


def points(axes, rows: list[str], results: list[dict]) -> None:
  """The results of one machine and precision, those of a second precision a little lower."""
  if not results:
    return
  precision = results[0]["precision"]
  heights = [rows.index(r["row"]) + 0.22 * PRECISIONS.index(precision) for r in results]
  around = [[r["ratio"] - r["ratio_low"] for r in results], [r["ratio_high"] - r["ratio"] for r in results]]
  look = {"fmt": "o", "color": COLOURS[precision], "markersize": 5, "elinewidth": 2, "capsize": 3}
  axes.errorbar([r["ratio"] for r in results], heights, xerr=around, label=precision, **look)


def draw_growth(panels: list[tuple[str, str, list[dict]]], path: pathlib.Path) -> None:
  """A panel (title, name of x, records of its series) for each quantity that grows, with the fitted powers."""
  figure = canvas.figure(12.5, 9.0)
  grid = figure.subplots(2, 2).ravel()
  for axes in grid[len(panels) :]:
    axes.remove()
  for axes, (title, across, records) in zip(grid, panels, strict=False):
    frame(axes)
    kinds = list(dict.fromkeys(kind(record) for record in records))
    for record in records:
      colour, dashed = MORE[kinds.index(kind(record))], record["series"].endswith("one by one")
      label = f"{record['series']}: {record['exponent']:.2f} ± {record['half_interval']:.2f}"
      look = {"color": colour, "linestyle": "--" if dashed else "-", "marker": "o", "markersize": 3.5}
      axes.plot(record["x"], record["seconds"], linewidth=1.4, label=label, **look)
    axes.set_xscale("log")
    axes.set_yscale("log")
    xs = sorted({x for record in records for x in record["x"]})
    axes.set_xticks(thinned(xs), [short(x) for x in thinned(xs)])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(title, loc="left", fontsize=10, color=canvas.TEXT)
    fitted = {"all": "all points", "upper half": "the upper half"}[records[0]["fitted"]]
    axes.set_title(f"fitted over {fitted}", loc="right", fontsize=8.5, color=MUTED)
    axes.set_xlabel(across, fontsize=8.5)
    axes.set_ylabel("seconds", fontsize=8.5)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.15), "ncols": 2}
    axes.legend(**place, fontsize=8, frameon=False, handlelength=2.8)
  device = machine(panels[0][2])
  title = f"Growth of the time per cycle, {device}; in the legends exponents of x with 95 % intervals"
  figure.suptitle(title, fontsize=12, color=canvas.TEXT, x=0.01, ha="left")
  canvas.save(figure, path)


def kind(record: dict) -> str:
  """What a series and its counterpart have in common."""
  return record["series"].removesuffix(", at once").removesuffix(", one by one")


def machine(records: list[dict]) -> str:
  """What the newest of the records was taken on, in words."""
  return of_device(records[-1]["device"])


def thinned(xs: list[int]) -> list[int]:
  """Those of the xs whose tick labels have room."""
  kept = xs[:1]
  for x in xs[1:]:
    if x >= 1.45 * kept[-1]:
      kept.append(x)
  return kept


def short(x: int) -> str:
  if x >= 1_000_000:
    return f"{x / 1_000_000:g}M"
  return f"{x / 1_000:g}k" if x >= 1_000 else f"{x:g}"


def frame(axes) -> None:
  axes.spines[["top", "right"]].set_visible(False)
  axes.spines[["left", "bottom"]].set_color(MUTED)
  axes.grid(color=GRID, linewidth=0.6)
  axes.set_axisbelow(True)
  axes.tick_params(labelsize=8, color=MUTED, labelcolor=canvas.TEXT)
