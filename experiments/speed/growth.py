"""How the time of a cycle grows with labels, pool, seeds and latents; a power of x is fitted to each series.

  python -m experiments.speed.growth                                          measures all panels
  python -m experiments.speed.growth [labels | pool | seeds | latents ...]    measures these, in any case
  python -m experiments.speed.growth --figure                                 prints and draws what was measured before

The first goes on where it was stopped: a panel that was measured at this commit on this machine is left out.

Nets have fresh weights and images are noise: neither changes how long the work takes. Features are normal with a
falling spectrum, as principal components have it, and the queries are scaled to lie among them.
"""

import math
import statistics
import sys
import time

from scipy import stats

from experiments.speed.growing import PANELS, Panel, Timed
from experiments.speed.records import FOLDER, append, last, lines, machine, surroundings, tell

RESULTS = FOLDER / "growth.jsonl"
CALLS, LONGEST = 5, 2.0
"""A point is the median of CALLS calls, or of as many as began within LONGEST seconds."""


def seconds(call: Timed) -> tuple[float, int]:
  """The median over calls, and how many there were; a first call, which compiles, is left out."""
  call()
  times: list[float] = []
  while len(times) < CALLS and sum(times) < LONGEST:
    started = time.perf_counter()
    call()
    times.append(time.perf_counter() - started)
  return statistics.median(times), len(times)


def power(xs: list[int], ys: list[float]) -> dict:
  """The exponent b of y ~ x^b with half its 95 % interval, by least squares of log y on log x.

  Over the upper half of the range (of log x) where five points or more lie in it, else over all points.
  """
  middle = math.sqrt(xs[0] * xs[-1])
  upper = [i for i, x in enumerate(xs) if x >= middle]
  used = upper if len(upper) >= 5 else list(range(len(xs)))
  fit = stats.linregress([math.log(xs[i]) for i in used], [math.log(ys[i]) for i in used])
  half = stats.t.ppf(0.975, len(used) - 2) * fit.stderr if len(used) > 2 else math.inf
  return {"exponent": fit.slope, "half_interval": half, "fitted": "upper half" if used == upper else "all"}


def measure(name: str, panel: Panel, about: dict) -> None:
  """Times all points of a panel and writes a record a series."""
  series: dict[str, list[tuple[int, float, int]]] = {}
  for label, x, call in panel.points():
    median, calls = seconds(call)
    tell(f"{name}: {label}, {x}: {median:.4g} s")
    series.setdefault(label, []).append((x, median, calls))
  for label, points in series.items():
    xs, ys, calls = map(list, zip(*points, strict=True))
    record = {"panel": name, "series": label, "x": xs, "seconds": ys, "calls": calls}
    append(RESULTS, record | power(xs, ys) | about)


def table(records: list[dict]) -> str:
  lines = [
    "| panel | series | range | seconds | exponent (95 %) | fitted |",
    "| --- | --- | ---: | ---: | ---: | --- |",
  ]
  for r in records:
    cells = [
      r["panel"], r["series"], f"{r['x'][0]:,} to {r['x'][-1]:,}",
      f"{r['seconds'][0]:.3g} to {r['seconds'][-1]:.3g}",
      f"{r['exponent']:.2f} ± {r['half_interval']:.2f}", r["fitted"],
    ]  # fmt: skip
    lines.append(f"| {' | '.join(cells)} |")
  return "\n".join(lines)


def show() -> None:
  from experiments.speed.figures import draw_growth

  measured = lines(RESULTS)
  # One figure, one machine: the one that was measured last.
  here = machine(measured[-1]["device"])
  records = last([r for r in measured if machine(r["device"]) == here], "panel", "series")
  by_panel = {name: [r for r in records if r["panel"] == name] for name in PANELS}
  drawn = [(p.title, p.across, by_panel[name]) for name, p in PANELS.items() if by_panel[name]]
  draw_growth(drawn, FOLDER / "growth.png")
  print(table([r for name in PANELS for r in by_panel[name]]))


def left(about: dict) -> list[str]:
  """The panels that were not measured where and with what this process runs; all where that is no commit."""
  here = about["commit"], machine(about["device"])
  done = {r["panel"] for r in lines(RESULTS) if (r["commit"], machine(r["device"])) == here}
  return [name for name in PANELS if name not in done or not here[0] or here[0].endswith("-dirty")]


def main(arguments: list[str]) -> None:
  if arguments != ["--figure"]:
    about = surroundings()
    for name in arguments or left(about):
      started = time.perf_counter()
      measure(name, PANELS[name], about)
      tell(f"  {name}: {time.perf_counter() - started:.0f} s")
  show()


if __name__ == "__main__":
  main(sys.argv[1:])
