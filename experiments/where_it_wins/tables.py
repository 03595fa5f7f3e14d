"""The tables of the map, as Markdown."""

import statistics as middle

import numpy as np

from asal_jax.reporting import pairs
from asal_jax.reporting.pairs import markdown
from asal_jax.reporting.summary import interval
from experiments.where_it_wins.statistics import (
  RECOMMENDED,
  Record,
  against,
  cells,
  labels_to_reach,
  penalties,
  strategies,
  verdicts,
)

HEADER = (
  "strategy", "calls", "AUBC %", "balanced %", "final %", "rare found", "labels to random's end",
  f"against {RECOMMENDED}", "s/cycle", "s/cycle with preparation",
)  # fmt: skip
ABOUT = """Made by `python -m experiments.where_it_wins.figures` from results.jsonl. AUBC is the mean accuracy over the
cycles, ± half its 95 % Student-t interval over seeds; differences are paired over seeds, p after Holm's correction
within a cell; s/cycle is a seed's share of a selection, the last column a selection of all seeds and the preparation
spread over the cycles."""

GAN_STAGES = ("gan", "features critic", "index critic", "graph critic")
GRAPH_STAGES = ("features pixels", "index pixels", "graph pixels")


def preparation(name: str, about: Record) -> float:
  """Seconds that were spent before the first cycle for a strategy."""
  seconds = about["preparation_seconds"]
  needed = ()
  if "walk" in name or name == "seals":
    needed += GRAPH_STAGES
  if "asal" in name or name.startswith("mixed"):
    needed += GAN_STAGES
  return sum(seconds.get(stage, 0) for stage in needed)


def seconds_with_preparation(name: str, found: Record, about: Record) -> float:
  """Seconds of a selection for all seeds, and the preparation spread over the cycles."""
  return found["select_seconds"] * about["seeds"] + preparation(name, about) / (len(found["labels"]) - 1)


def plus_minus(values: list[float]) -> str:
  """Mean in per cent and half its 95 % interval."""
  found = interval(values)
  return f"{100 * found['mean']:.2f} ±{100 * (found['high'] - found['mean']):.2f}"  # type: ignore[operator]


def cell_table(records: list[Record], cell: str, about: Record) -> str:
  """A line a strategy, the best first."""
  found = strategies(records, cell)
  compared = against(found, RECOMMENDED)
  goal = found["random"]["accuracy"][-1]
  lines = []
  for name in sorted(found, key=lambda name: -np.mean(found[name]["aubc"])):
    r = found[name]
    versus = compared.get(name)
    reached = labels_to_reach(r, goal)
    whole = seconds_with_preparation(name, r, about)
    lines.append(
      (
        name, f"{r['calls']:,.0f}", plus_minus(r["aubc"]), plus_minus(r["balanced_aubc"]), plus_minus(r["final"]),
        f"{middle.mean(r['rare_found']):.0f}", "-" if reached is None else str(reached),
        "" if versus is None else f"{versus.difference:+.2f} (p {versus.p:.1g})",
        f"{r['select_seconds']:.4f}", f"{whole:.2g}",
      )
    )  # fmt: skip
  rows = [HEADER, ("---", *("---:",) * (len(HEADER) - 1)), *lines]
  classes = about["classes"]
  title = f"### {cell}{' (held out)' if about['held_out'] else ''}"
  text = (
    f"{about['pool']:,} images, {classes[0] * about['redundancy']:,} of the rare class; {about['seeds']} seeds; "
    f"commit {about['commit'][:10]}."
  )
  return "\n".join([title, text, "", markdown(rows)])


def penalty_table(records: list[Record]) -> str:
  """The pairwise matrix of the cells."""
  return pairs.table(*penalties(records))


def verdict_table(records: list[Record]) -> str:
  """The recommendation against the sub-pool at equal calls, and against all rivals where a class is rare."""
  rows = [("cell", "held out", "rival", "difference", "p"), ("---", "---", "---", "---:", "---:")]
  rows += [
    (
      about["cell"],
      "yes" if about["held_out"] else "",
      rival,
      f"{v.difference:+.2f} ±{v.half:.2f}",
      f"{v.p:.1g}",
    )
    for about, rival, v in verdicts(records)
  ]
  return markdown(rows)


def page(records: list[Record]) -> str:
  """All tables."""
  tables = [cell_table(records, cell, about) for cell, about in cells(records).items()]
  return "\n\n".join(
    [
      "# Tables of the map",
      ABOUT,
      f"## {RECOMMENDED} put to the test\nAUBC in percentage points, p not corrected.",
      verdict_table(records),
      "## Who beats whom, in per cent of the cells",
      penalty_table(records),
      "## Cell by cell",
      *tables,
    ]
  ) + "\n"  # fmt: skip
