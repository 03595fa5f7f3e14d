"""The figures of the benchmark: ratios row by row, and growth on logarithmic axes."""

import pathlib

from matplotlib.ticker import FuncFormatter, NullFormatter

from asal_jax.reporting import canvas
from asal_jax.reporting.plots import GRID, MORE, MUTED

OURS, AIM = "#0072B2", "#D55E00"
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3)


def draw_ratios(results: list[dict], path: pathlib.Path) -> None:
  """A line a row: the median ratio of ours to the rival's with its spread, and the aim."""
  figure = canvas.figure(9.6, 1.3 + 0.3 * len(results))
  axes = figure.subplots()
  frame(axes)
  heights = range(len(results))
  ratios = [r["ratio"] for r in results]
  around = [[r["ratio"] - r["ratio_low"] for r in results], [r["ratio_high"] - r["ratio"] for r in results]]
  look = {"fmt": "o", "color": OURS, "markersize": 5, "elinewidth": 2, "capsize": 3}
  axes.errorbar(ratios, heights, xerr=around, label="median and spread", **look)
  aimed = [(r["target"], y) for r, y in zip(results, heights, strict=True) if r["target"] is not None]
  axes.plot(
    *zip(*aimed, strict=True), "|", color=AIM, markersize=13, markeredgewidth=2.2, label="aim: at most"
  )
  axes.axvline(1, color=canvas.TEXT, linewidth=1)
  axes.set_xscale("log")
  low = 0.9 * min([r["ratio_low"] for r in results] + [aim for aim, _ in aimed])
  axes.set_ylim(len(results) - 0.4, -0.6)
  axes.set_yticks(heights, [r["what"] for r in results])
  axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
  axes.set_xticks([], minor=True)
  axes.set_xlim(low, max(2.0, 1.1 * max(r["ratio_high"] for r in results)))
  axes.set_xlabel("seconds of ours / seconds of the rival; left of 1 ours is faster", fontsize=9)
  title = f"Speed against PyTorch and faiss, {machine(results)}"
  figure.suptitle(title, fontsize=12, color=canvas.TEXT, x=0.01, ha="left")
  axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, frameon=False)
  canvas.save(figure, path)


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
  device = records[-1]["device"]
  return f"{device['cores']} CPU cores" if device["platform"] == "cpu" else device["kind"]


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
