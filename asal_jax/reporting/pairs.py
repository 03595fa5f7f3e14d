"""Strategies in pairs: paired differences over seeds, and who beats whom over several benchmarks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from asal_jax.reporting.summary import LEVEL, holm, paired


class Versus(NamedTuple):
  """A paired comparison over seeds: mean difference and half its 95 % interval in percentage points, two-sided p."""

  difference: float
  half: float
  p: float


def versus(a: Sequence[float], b: Sequence[float]) -> Versus:
  """How much a, a value a seed, is above b, of the same seeds; p is 1 where no seed differs.

  It is 0 where all differ by one amount, which leaves nothing to test with. Needs two seeds.
  """
  found = paired(np.array(a, np.float64) - np.array(b, np.float64))
  mean, high, p = found["mean"], found["high"], found["p"]
  assert mean is not None
  assert high is not None
  return Versus(100 * mean, 100 * (high - mean), 0.0 if p is None else p)


def penalties(cells: Sequence[Mapping[str, Sequence[float]]]) -> tuple[list[str], np.ndarray]:
  """Names, and f[n n]: the share of cells in which the row's strategy is significantly above the column's.

  A cell has a value a seed of each strategy; compared are those that all cells have. p < 0.05 after Holm's correction
  over the pairs of a cell (Ash et al. 2020).
  """
  names = [name for name in cells[0] if all(name in each for each in cells)]
  wins = np.zeros((len(names), len(names)))
  for each in cells:
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    results = [versus(each[names[i]], each[names[j]]) for i, j in pairs]
    for (i, j), result, p in zip(pairs, results, holm([r.p for r in results]), strict=True):
      if p < 1 - LEVEL:
        wins[(i, j) if result.difference > 0 else (j, i)] += 1
  return names, wins / len(cells)


def table(names: Sequence[str], wins: np.ndarray) -> str:
  """`penalties` as Markdown, in per cent; the last row is what a strategy loses on average, the best comes first."""
  order = np.argsort(wins.sum(axis=0), kind="stable")
  head = ["beats", *(names[j] for j in order)]
  rows = [[names[i], *(f"{100 * wins[i, j]:.0f}" if i != j else "" for j in order)] for i in order]
  losses = ["**is beaten by**", *(f"**{100 * wins[:, j].sum() / (len(names) - 1):.0f}**" for j in order)]
  return markdown([head, ["---"] + ["---:"] * len(order), *rows, losses])


def markdown(rows: Iterable[Sequence[str]]) -> str:
  """The rows of a table, its head and rule among them."""
  return "\n".join("| " + " | ".join(row) + " |" for row in rows)
