"""Figures 7 and 8 and their tables, from results.jsonl.

python -m experiments.selection_time.figures [FILE.jsonl]
"""

import math
import pathlib
import sys

from matplotlib.ticker import FuncFormatter, NullFormatter

from asal_jax.reporting import canvas
from asal_jax.reporting.panels import MORE, MUTED
from experiments.selection_time.costs import (
  PAPER_ASAL,
  PAPER_ENTROPY,
  extrapolated,
  paper_transition,
  transition,
)
from experiments.selection_time.parts import PARTS
from experiments.selection_time.setting import COUNTED_ITERATIONS, GAN_ITERATIONS, SIZES
from experiments.speed.figures import frame, machine, short
from experiments.speed.growth import power
from experiments.speed.records import newest

FOLDER = pathlib.Path(__file__).parent
LENET, CELEBA = "max entropy, LeNet-5", "max entropy, CelebA's classifier"
PAPER = ("#000000", "o", "paper (GTX TITAN X, CelebA)")

Points = dict[int, dict]


def by_series(records: list[dict], kind: str) -> dict[str, Points]:
  """The records of a kind by what was timed and by size."""
  series: dict[str, Points] = {}
  for record in sorted((r for r in records if r["kind"] == kind), key=lambda r: r["n"]):
    series.setdefault(record["what"], {})[record["n"]] = record
  return series


def seconds(points: Points) -> tuple[list[int], list[float]]:
  return list(points), [record["seconds"] for record in points.values()]


def preparation(made: dict[str, Points], index: str, n: int) -> float | None:
  """Seconds before the first selection with an index: GAN, features, index; None where one was not measured."""
  parts = ["gan", "features"] + ([] if index == "exact" else [index])
  found = [made.get(part, {}).get(SIZES[0] if part == "gan" else n) for part in parts]
  if None in found:
    return None
  gan, *rest = (record["seconds"] for record in found if record is not None)
  return gan * COUNTED_ITERATIONS / GAN_ITERATIONS + sum(rest)


def transitions(records: list[dict], dearer: str) -> dict[str, dict[int, float]]:
  """Cycles after which ASAL is ahead of `dearer` with its preparation counted, by index and size."""
  made, timed = by_series(records, "preparation"), by_series(records, "selection")
  found: dict[str, dict[int, float]] = {}
  for what, points in timed.items():
    if what.startswith("ASAL, "):
      for n, record in points.items():
        cost = preparation(made, what.removeprefix("ASAL, "), n)
        other = slow_seconds(timed.get(dearer, {}), n)
        if cost is not None and other is not None:
          found.setdefault(what, {})[n] = transition(cost, other, record["seconds"])
  return found


def slow_seconds(points: Points, n: int) -> float | None:
  """As measured at n, else by the power of what was measured."""
  if n in points:
    return points[n]["seconds"]
  return extrapolated(*seconds(points), n)[0] if len(points) > 2 else None


def logarithmic(axes, ns: list[int]) -> None:
  axes.set_xscale("log")
  axes.set_yscale("log")
  axes.set_xticks(ns, [short(n) for n in ns])
  axes.xaxis.set_minor_formatter(NullFormatter())
  axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def draw_selection(records: list[dict], path: pathlib.Path) -> None:
  """Figure 7: seconds of a selection of 10 against the pool, linear and log-log, and where they go."""
  timed, figure = by_series(records, "selection"), canvas.figure(13.5, 5.4)
  linear, both, bars = figure.subplots(1, 3, width_ratios=(1, 1.25, 1.25))
  lines = {what: seconds(points) for what, points in timed.items()}
  ns = sorted({n for what, (xs, _) in lines.items() if what != CELEBA for n in xs})
  for axes in (linear, both):
    frame(axes)
    for colour, (what, (xs, ys)) in zip(MORE, lines.items(), strict=False):
      label, look = what, {"color": colour, "linewidth": 1.4}
      if what != CELEBA:
        axes.plot(xs, ys, marker="o", markersize=3.5, label=label, **look)
      else:
        far = [extrapolated(xs, ys, n)[0] for n in ns]
        axes.plot(ns, far, linestyle="--", label=f"{what} (extrapolated from {short(xs[-1])})", **look)
    for points in (PAPER_ENTROPY, PAPER_ASAL):
      label = PAPER[2] if points is PAPER_ENTROPY else None
      axes.plot(
        *zip(*points.items(), strict=True),
        PAPER[1],
        color=PAPER[0],
        markersize=5,
        fillstyle="none",
        label=label,
      )
    axes.set_xlabel("images in the pool", fontsize=9)
  linear.xaxis.set_major_formatter(FuncFormatter(lambda n, _: short(n)))
  linear.set_ylabel("seconds to select 10", fontsize=9)
  logarithmic(both, ns)
  figure.legend(
    *both.get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside lower left", ncols=3
  )
  draw_parts(figure, bars, timed, ns[-1])
  figure.suptitle(
    f"Figure 7, {machine(records)}: MNIST ten, nets of width 16, jittered images",
    fontsize=12, color=canvas.TEXT, x=0.01, ha="left",
  )  # fmt: skip
  canvas.save(figure, path)


def draw_parts(figure, axes, timed: dict[str, Points], n: int) -> None:
  """Where a selection's time goes at the largest pool, in shares."""
  frame(axes)
  shown = {what: points[max(points)] for what, points in timed.items() if what != CELEBA}
  left = [0.0] * len(shown)
  for colour, part in zip(MORE, PARTS, strict=False):
    shares = [100 * r["parts"][part] / sum(r["parts"].values()) for r in shown.values()]
    axes.barh(range(len(shown)), shares, left=left, color=colour, label=part, height=0.62)
    left = [a + b for a, b in zip(left, shares, strict=True)]
  names = [f"{what}\n{short(r['n'])}: {r['seconds']:.3g} s" for what, r in shown.items()]
  axes.set_yticks(range(len(shown)), names, fontsize=8)
  axes.invert_yaxis()
  axes.set_xlabel("per cent of a selection", fontsize=9)
  figure.legend(
    *axes.get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside lower right", ncols=3
  )
  axes.set_title(f"each at its largest pool, up to {short(n)}", loc="right", fontsize=8.5, color=MUTED)


def draw_transition(records: list[dict], path: pathlib.Path) -> None:
  """Figure 8: cycles until ASAL with its preparation is ahead of maximum entropy, linear and log-log."""
  figure = canvas.figure(11, 5.2)
  linear, both = figure.subplots(1, 2)
  lines = {f"{what}, against LeNet-5": found for what, found in transitions(records, LENET).items()}
  ns = sorted({n for found in lines.values() for n in found})
  for axes in (linear, both):
    frame(axes)
    for colour, (what, found) in zip(MORE, lines.items(), strict=False):
      kept = {n: cycles for n, cycles in found.items() if math.isfinite(cycles)}
      axes.plot(list(kept), list(kept.values()), marker="o", markersize=3.5, color=colour, label=what)
    axes.plot(ns, [paper_transition(n) for n in ns], PAPER[1], linestyle=":", color=PAPER[0], fillstyle="none",
              label="paper's numbers in its formula")  # fmt: skip
    axes.set_xlabel("images in the pool", fontsize=9)
  linear.xaxis.set_major_formatter(FuncFormatter(lambda n, _: short(n)))
  linear.set_ylabel("cycles until ASAL is ahead", fontsize=9)
  logarithmic(both, ns)
  figure.legend(
    *linear.get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside lower left", ncols=4
  )
  figure.suptitle(
    f"Figure 8, {machine(records)}: preparation (GAN, features, index) over what a cycle saves",
    fontsize=12, color=canvas.TEXT, x=0.01, ha="left",
  )  # fmt: skip
  canvas.save(figure, path)


def tables(records: list[dict]) -> str:
  """Markdown: selections with exponents, preparation, transition points."""
  timed, made = by_series(records, "selection"), by_series(records, "preparation")
  lines = ["| selection of 10 | " + " | ".join(short(n) for n in SIZES) + " | exponent (95 %) |"]
  lines.append("| --- |" + " ---: |" * (len(SIZES) + 1))
  for what, points in timed.items():
    xs, ys = seconds(points)
    cells = [f"{points[n]['seconds']:.3g} s" if n in points else "" for n in SIZES]
    if what == CELEBA:
      cells = [f"({extrapolated(xs, ys, n)[0]:.3g} s)" for n in SIZES]
    lines.append(f"| {what} | {' | '.join(cells)} | {exponent(xs, ys)} |")
  lines += ["", "| preparation | " + " | ".join(short(n) for n in SIZES) + " | exponent (95 %) |"]
  lines.append("| --- |" + " ---: |" * (len(SIZES) + 1))
  for what, points in made.items():
    if what == "exact":
      continue  # its index is the features
    cells = [f"{points[n]['seconds']:.3g} s" if n in points else "" for n in SIZES]
    lines.append(f"| {what} | {' | '.join(cells)} | {exponent(*seconds(points))} |")
  lines += ["", "| cycles until ASAL is ahead | " + " | ".join(short(n) for n in SIZES) + " |"]
  lines.append("| --- |" + " ---: |" * len(SIZES))
  # Not of CelebA's classifier: its own GAN and features would cost more than those of MNIST.
  for what, found in transitions(records, LENET).items():
    cells = [f"{found[n]:.3g}" if n in found else "" for n in SIZES]
    lines.append(f"| {what}, of {LENET} | {' | '.join(cells)} |")
  cells = [f"{paper_transition(n):.3g}" for n in SIZES]
  lines.append(f"| the paper's numbers in its formula | {' | '.join(cells)} |")
  return "\n".join(lines)


def exponent(xs: list[int], ys: list[float]) -> str:
  if len(xs) < 3:
    return ""
  fit = power(xs, ys)
  return f"{fit['exponent']:.2f} ± {fit['half_interval']:.2f}"


def main(arguments: list[str]) -> None:
  path = pathlib.Path(arguments[0]) if arguments else FOLDER / "results.jsonl"
  records = newest(path, "kind", "what", "n")
  draw_selection(records, path.with_name("figure_7.png"))
  draw_transition(records, path.with_name("figure_8.png"))
  print(tables(records))


if __name__ == "__main__":
  main(sys.argv[1:])
