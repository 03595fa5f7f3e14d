"""Table and figures of the sweep: AUBC against random's and entropy of new samples, by GAN and ascent.

python -m experiments.better_gan.report
"""

from collections.abc import Callable, Iterable

import numpy as np

from asal_jax.reporting import canvas, pairs, panels
from asal_jax.reporting.summary import interval
from experiments.better_gan.sweep import ASAL, FOLDER, PAIRS, WIDTHS, Point, known

LOOKS = dict(zip(WIDTHS, (("solid", "o"), ("dashed", "s"), ("dotted", "^")), strict=True))
"""Line and marker of a width."""

Lines = dict[Point, dict]


def values(line: dict, strategy: str, what: str) -> np.ndarray:
  """f64[s], a value a seed."""
  return np.array(line["strategies"][strategy][what])


def without(found: Lines, pair: tuple[int, int]) -> dict:
  """The line of the strategies that need no GAN."""
  return found[Point(pair, WIDTHS[0], 0)]


def table(found: Lines) -> str:
  """A row a point: differences of AUBC to random's in points, new entropy as a share of random's."""
  head = ["pair", "width", "iterations", "steps", "rate", "score"]
  rows = [[*head, *ASAL, "new entropy / random's"], ["---"] + ["---:"] * (len(head) + len(ASAL))]
  for point, line in sorted(found.items()):
    if not point.iterations or Point(point.pair, WIDTHS[0], 0) not in found:
      continue
    base, score = without(found, point.pair), line["classifier_score"]
    random = values(base, "random", "aubc")
    cells = [f"{point.pair[0]}, {point.pair[1]}", str(point.width), f"{point.iterations:,}", str(point.steps)]
    cells += [f"{point.rate:g}", f"{score:.2f}" if score else "-"]
    for name in ASAL:
      v = pairs.versus(values(line, name, "aubc").tolist(), random.tolist())
      cells.append(f"{v.difference:+.2f} ±{v.half:.2f}{' *' if v.p < 0.05 else ''}")
    gains = [values(line, name, "new_entropy") / values(base, "random", "new_entropy") for name in ASAL]
    rows.append([*cells, f"{np.mean(gains):.2f}"])
  return pairs.markdown(rows)


def draw(found: Lines, pair: tuple[int, int]) -> None:
  """A page a pair: columns are what was varied, rows AUBC above random's and entropy of new samples."""
  base = without(found, pair)
  points = [point for point in found if point.pair == pair and point.iterations]
  small = [p for p in points if (p.width, p.iterations) == (WIDTHS[0], 4_000)]
  plain = Point(pair, WIDTHS[0], 4_000)
  columns: list[tuple[str, str, dict[int, list[Point]], Callable[[Point], float]]] = [
    ("iterations of the GAN", "log",
     {w: [p for p in points if p == Point(pair, w, p.iterations)] for w in WIDTHS}, lambda p: p.iterations),
    ("steps of the ascent", "linear", {WIDTHS[0]: [p for p in small if p.rate == plain.rate]}, lambda p: p.steps),
    ("rate of the ascent", "log", {WIDTHS[0]: [p for p in small if p.steps == plain.steps]}, lambda p: p.rate),
  ]  # fmt: skip
  columns = [column for column in columns if any(len(chosen) > 1 for chosen in column[2].values())]
  if not columns:
    return
  figure = canvas.figure(0.8 + 2.8 * max(2, len(columns)), 5.6)
  axes = figure.subplots(2, len(columns), sharey="row", squeeze=False)
  random = values(base, "random", "aubc")
  for column, (label, scale, by_width, x) in zip(axes.T, columns, strict=True):
    for width, chosen in by_width.items():
      chosen, (line, marker) = sorted(chosen, key=x), LOOKS[width]
      for name in ASAL:
        look = panels.style(name) | {"linestyle": line, "marker": marker, "markersize": 4}
        gains = [100 * (values(found[p], name, "aubc") - random) for p in chosen]
        entropies = [values(found[p], name, "new_entropy") for p in chosen]
        for ax, series in zip(column, (gains, entropies), strict=True):
          band(ax, [x(p) for p in chosen], series, f"{name}, width {width}", look)
    column[1].set_xlabel(label)
    for ax in column:
      panels.frame(ax)
      ax.set_xscale(scale)
      if scale == "log":
        xs = sorted({x(p) for chosen in by_width.values() for p in chosen})
        ax.set_xticks(xs, [f"{value:,g}" for value in xs], fontsize=8)
        ax.minorticks_off()
  for name in ("random", "entropy", "subpool"):
    for row, what in ((0, values(base, name, "aubc") - random), (1, values(base, name, "new_entropy"))):
      for ax in axes[row]:
        ax.axhline((100 if row == 0 else 1) * what.mean(), label=name, lw=1, **panels.style(name))
  axes[0, 0].set_ylabel("AUBC above random's, points", fontsize=9)
  axes[1, 0].set_ylabel("entropy of new samples, nats", fontsize=9)
  handles, labels = axes[0, 0].get_legend_handles_labels()
  figure.legend(
    handles,
    labels,
    loc="outside lower center",
    ncol=1 + len({p.width for p in points}),
    frameon=False,
    fontsize=8,
  )
  figure.suptitle(f"MNIST {pair[0]} and {pair[1]}: 20 seeds, 95 % intervals", x=0.01, ha="left")
  canvas.save(figure, FOLDER / f"digits_{pair[0]}{pair[1]}.png")


def band(ax, xs: list[float], series: Iterable[np.ndarray], label: str, look: dict) -> None:
  """Means with bars of their 95 % intervals."""
  ends = [interval(one.tolist()) for one in series]
  if not ends:
    return
  means = [end["mean"] for end in ends]
  half = [end["high"] - end["mean"] for end in ends]
  ax.errorbar(xs, means, half, label=label, lw=1.2, elinewidth=0.8, **look)


def main() -> None:
  found = known()
  print(table(found))
  for pair in PAIRS:
    if Point(pair, WIDTHS[0], 0) in found:
      draw(found, pair)


if __name__ == "__main__":
  main()
