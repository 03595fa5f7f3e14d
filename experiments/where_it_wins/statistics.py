"""What the map's records say: paired differences, corrected for their number; the recommendation put to the test."""

from typing import Any

import numpy as np

from asal_jax.reporting import pairs
from asal_jax.reporting.pairs import Versus
from asal_jax.reporting.summary import holm
from experiments.where_it_wins.cells import CELLS

RECOMMENDED = "balanced_walk50"
RIVALS = ("subpool50", "seals", "entropy")
"""What the recommendation is held against in the cells of a rare class; the sub-pool at equal calls in all."""

RARE_BELOW = 0.05
"""A cell's class is rare below this share."""

Record = dict[str, Any]


def cells(records: list[Record]) -> dict[str, Record]:
  """What each cell is and was made with, by name, in the order of CELLS."""
  found = {r["cell"]: dict(r) for r in records if r["kind"] == "cell"}
  for r in records:
    if r["kind"] == "gan":
      found[r["cell"]]["preparation_seconds"] = (
        r["preparation_seconds"] | found[r["cell"]]["preparation_seconds"]
      )
  return {cell.name: found[cell.name] for cell in CELLS if cell.name in found}


def strategies(records: list[Record], cell: str) -> dict[str, Record]:
  """What a cell's strategies found, by name."""
  return {r["strategy"]: r for r in records if r["kind"] == "strategy" and r["cell"] == cell}


def versus(a: Record, b: Record, field: str = "aubc") -> Versus:
  """How much a is above b."""
  return pairs.versus(a[field], b[field])


def against(found: dict[str, Record], reference: str) -> dict[str, Versus]:
  """All strategies of a cell against one, p corrected for their number (Holm)."""
  others = {name: versus(record, found[reference]) for name, record in found.items() if name != reference}
  corrected = holm([v.p for v in others.values()])
  return {name: v._replace(p=p) for (name, v), p in zip(others.items(), corrected, strict=True)}


def penalties(records: list[Record]) -> tuple[list[str], np.ndarray]:
  """Names, and f[n n]: the share of cells in which the row's strategy is significantly above the column's."""
  found = [strategies(records, cell) for cell in cells(records)]
  return pairs.penalties([{name: record["aubc"] for name, record in each.items()} for each in found])


def is_rare(cell: Record) -> bool:
  """Whether the cell's first class is rare."""
  return cell["classes"][0] / sum(cell["classes"]) < RARE_BELOW


def equal_calls(name: str) -> str:
  """The sub-pool that costs a walk's calls."""
  return "subpool" + name.rpartition("walk")[2]


def verdicts(records: list[Record], name: str = RECOMMENDED) -> list[tuple[Record, str, Versus]]:
  """(cell, rival, the recommendation against it): the sub-pool at equal calls everywhere, RIVALS where a class is rare.

  p is not corrected here: each is one of the claims.
  """
  claims = []
  for cell, about in cells(records).items():
    found = strategies(records, cell)
    rivals = dict.fromkeys([equal_calls(name), *(RIVALS if is_rare(about) else ())])
    claims += [(about, rival, versus(found[name], found[rival])) for rival in rivals]
  return claims


def labels_to_reach(record: Record, accuracy: float) -> int | None:
  """The first number of labels at which the mean accuracy over seeds is at least this."""
  return next((n for n, a in zip(record["labels"], record["accuracy"], strict=True) if a >= accuracy), None)
