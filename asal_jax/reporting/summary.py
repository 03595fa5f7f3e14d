"""What a run's `metrics.jsonl` says: curves over seeds, AUBC, paired tests against random, and tables.

A record is one line of that file, one per (strategy, seed, cycle): `strategy` str, `seed` int, `cycle` int
from 0, `labels` int, `test_accuracy` float in [0, 1] or None where there is no test set, `new_entropy` float
in nats or None, `label_counts` list of int, `train_seconds` and `select_seconds` float or None.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from asal_jax.errors import InputError

Record = Mapping[str, Any]
"""One parsed line of `metrics.jsonl`."""

REFERENCE = "random"
"""The strategy that all others are compared with."""

CEILING = "supervised"
"""The strategy that is trained on all labels: one record a seed, no curve."""

LEVEL = 0.95
"""Coverage of every interval; 1 - LEVEL is the family-wise error of every star."""

WIDTH = 100
"""Columns that `table` may take."""

HEADER = ("strategy", "labels", "AUBC %", "final %", "new entropy", "vs random", "s/cycle")

SAME = 1e-12
"""A spread of paired accuracy differences below this is rounding: the test has nothing to divide by."""


class Curve(NamedTuple):
  """One strategy's course over the cycles that all of its seeds have reached.

  `labels` f64[t] labelled samples; `mean`, `low`, `high` f64[t ...] over the seeds with the 95 % Student-t
  interval of the mean (low = high = None for a single seed); `seeds` their number.
  """

  labels: np.ndarray
  mean: np.ndarray
  low: np.ndarray | None
  high: np.ndarray | None
  seeds: int


def grouped(records: Iterable[Record]) -> dict[str, dict[int, list[Record]]]:
  """Records by strategy (order of first appearance) and seed, each list by ascending cycle.

  A strategy's seeds are cut to the cycles that all of them have, so that an interrupted run is averaged over
  the same budgets for every seed. Raises InputError for a record without a field, an accuracy or entropy that
  is no number of its range, a record that comes twice, and seeds without a common cycle.
  """
  found: dict[str, dict[int, dict[int, Record]]] = {}
  for record in records:
    _check(record)
    cycles = found.setdefault(record["strategy"], {}).setdefault(record["seed"], {})
    if record["cycle"] in cycles:
      raise InputError(f"{_name(record)} comes twice; summarise one run at a time")
    cycles[record["cycle"]] = record
  result = {}
  for strategy, seeds in found.items():
    common = sorted(set.intersection(*(set(cycles) for cycles in seeds.values())))
    if not common:
      raise InputError(f"the seeds {sorted(seeds)} of {strategy} have no cycle in common")
    result[strategy] = {seed: [seeds[seed][cycle] for cycle in common] for seed in sorted(seeds)}
  return result


def interval(values: Sequence[float]) -> dict[str, float | None]:
  """{mean, low, high} of one value a seed: the 95 % Student-t interval of the mean, None for one seed."""
  mean, low, high = _interval(np.asarray(values, np.float64))
  ends = {"low": None, "high": None} if low is None else {"low": float(low), "high": float(high)}
  return {"mean": float(mean), **ends}


def aubc(course: Iterable[Record]) -> float:
  """The area under the budget curve of a seed: its mean test accuracy over the cycles."""
  return float(np.mean([record["test_accuracy"] for record in course]))


def curves(records: Iterable[Record], value: Callable[[Record], Any]) -> dict[str, Curve]:
  """The mean over seeds of `value(record)`, a float, a list of floats or None, for each strategy.

  Cycles where a seed has None are left out; a strategy that has None alone does not appear. Raises as
  `grouped`.
  """
  result = {}
  for strategy, seeds in grouped(records).items():
    columns = []
    for column in zip(*seeds.values(), strict=True):
      values = [value(record) for record in column]
      if all(v is not None for v in values):
        columns.append((np.mean([record["labels"] for record in column]), values))
    if columns:
      labels, values = zip(*columns, strict=True)
      stacked = np.swapaxes(np.asarray(values, np.float64), 0, 1)
      result[strategy] = Curve(np.asarray(labels), *_interval(stacked), seeds=len(seeds))
  return result


def paired(differences: np.ndarray) -> dict[str, float | None]:
  """{mean, low, high, p} of one paired difference a seed, two or more: its interval and the two-sided t-test's p.

  `p` is 1 where no pair differs, None where all differ by one amount: there is nothing to test with.
  """
  from scipy import special

  spread, mean, n = differences.std(ddof=1), differences.mean(), len(differences)
  if spread > SAME:
    p = float(2 * special.stdtr(n - 1, -abs(mean) * math.sqrt(n) / spread))
  else:
    p = 1.0 if abs(mean) <= SAME else None
  return {**interval(differences.tolist()), "p": p}


def holm(p_values: Sequence[float]) -> list[float]:
  """P-values adjusted for their number, in the order given (Holm 1979, step-down; family-wise error)."""
  adjusted, floor = [0.0] * len(p_values), 0.0
  for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
    floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[i]))
    adjusted[i] = floor
  return adjusted


def summarise(records: Iterable[Record]) -> dict[str, dict[str, Any]]:
  """Each strategy in numbers, by first appearance; floats, ints and None alone, as JSON wants it.

  `seeds`, `cycles` their numbers; `labels` at the last cycle; `aubc` (mean test accuracy over a seed's
  cycles, then over seeds), `final_accuracy` and `new_entropy` (nats, over cycles >= 1; None where there is
  none) as {mean, low, high} with a 95 % Student-t interval over seeds; `median_select_seconds`,
  `median_train_seconds` over seeds and cycles (None where there is none); `versus_random` {mean, low, high,
  seeds, p, p_holm}: the difference of AUBC to random's, paired over the seeds and cycles that both have, the
  two-sided paired t-test's p and p after Holm's correction over the strategies tested here (p and p_holm are
  None where all pairs differ by one non-zero amount, which leaves nothing to test with); None for random,
  supervised, a run without random and fewer than two seeds in common. Raises InputError as `grouped` does.
  """
  runs = grouped(records)
  result = {strategy: _describe(seeds) for strategy, seeds in runs.items()}
  for strategy, seeds in runs.items():
    comparable = REFERENCE in runs and strategy not in (REFERENCE, CEILING)
    result[strategy]["versus_random"] = _compare(seeds, runs[REFERENCE]) if comparable else None
  tested = [entry["versus_random"] for entry in result.values() if entry["versus_random"]]
  tested = [entry for entry in tested if entry["p"] is not None]
  for entry, p in zip(tested, holm([entry["p"] for entry in tested]), strict=True):
    entry["p_holm"] = p
  return result


def table(summary: Mapping[str, Mapping[str, Any]]) -> str:
  """The summary as aligned plain text of at most 100 columns, a note below; long names lose their middle."""
  rows = [HEADER, *_rows(summary)]
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1))
  lines = []
  for name, *cells in rows:
    padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
    lines.append("  ".join([_shorten(name, widths[0]).ljust(widths[0]), *padded]).rstrip())
  lines.insert(1, "  ".join("-" * width for width in widths))
  return "\n".join([*lines, "", *_note(summary)])


def markdown(summary: Mapping[str, Mapping[str, Any]]) -> str:
  """The rows of `table` as a Markdown table, the note as a paragraph below."""
  rows = [HEADER, ("---",) + ("---:",) * (len(HEADER) - 1), *_rows(summary)]
  lines = ["| " + " | ".join(cell.strip() for cell in row) + " |" for row in rows]
  return "\n".join([*lines, "", " ".join(_note(summary))])


def _name(record: Record) -> str:
  return ", ".join(f"{key} {record[key]}" for key in ("strategy", "seed", "cycle"))


def _check(record: Record) -> None:
  for key in ("strategy", "seed", "cycle", "labels"):
    if record.get(key) is None:
      raise InputError(f"a record has no {key}: {dict(record)}")
  if "test_accuracy" not in record:
    raise InputError(f"a record has no test_accuracy: {dict(record)}")
  accuracy = record["test_accuracy"]
  if accuracy is not None and not 0 <= accuracy <= 1:
    raise InputError(
      f"{_name(record)}: test_accuracy is {accuracy}, allowed is 0 to 1, or null without a test set"
    )
  entropy = record.get("new_entropy")
  if entropy is not None and not math.isfinite(entropy):
    raise InputError(f"{_name(record)}: new_entropy is {entropy}, allowed is a finite number or null")


@functools.cache
def _quantile(seeds: int) -> float:
  from scipy import special  # scipy.stats, which has the same, takes half a second to import.

  return float(special.stdtrit(seeds - 1, (1 + LEVEL) / 2))


def _interval(values: np.ndarray) -> tuple[Any, Any, Any]:
  """Mean over the first axis and the ends of its interval: None, None for one row."""
  mean, seeds = values.mean(0), len(values)
  if seeds < 2:
    return mean, None, None
  half = _quantile(seeds) * values.std(0, ddof=1) / math.sqrt(seeds)
  return mean, mean - half, mean + half


def _describe(seeds: Mapping[int, list[Record]]) -> dict[str, Any]:
  courses = list(seeds.values())
  added = [
    [r["new_entropy"] for r in c if r["cycle"] >= 1 and r.get("new_entropy") is not None] for c in courses
  ]
  entropies = [np.mean(values) for values in added if values]
  tested = all(r["test_accuracy"] is not None for course in courses for r in course)
  return {
    "seeds": len(courses),
    "cycles": len(courses[0]),
    "labels": max(course[-1]["labels"] for course in courses),
    "aubc": interval([aubc(course) for course in courses]) if tested else None,
    "final_accuracy": interval([course[-1]["test_accuracy"] for course in courses]) if tested else None,
    "new_entropy": interval(entropies) if entropies else None,
    "median_select_seconds": _median(r.get("select_seconds") for course in courses for r in course),
    "median_train_seconds": _median(r.get("train_seconds") for course in courses for r in course),
  }


def _median(values: Iterable[float | None]) -> float | None:
  known = [value for value in values if value is not None]
  return float(np.median(known)) if known else None


def _compare(seeds: Mapping[int, list[Record]], others: Mapping[int, list[Record]]) -> dict[str, Any] | None:
  """AUBC minus that of `others`, paired by seed over what both have; None below two seeds.

  `p` is 1 where no pair differs; `p_holm` is left to the caller, who knows the other strategies.
  """
  shared = sorted(set(seeds) & set(others))
  cycles = {r["cycle"] for r in next(iter(seeds.values()))} & {
    r["cycle"] for r in next(iter(others.values()))
  }
  tested = all(
    r["test_accuracy"] is not None for runs in (seeds, others) for course in runs.values() for r in course
  )
  if len(shared) < 2 or not cycles or not tested:
    return None

  def area(course: list[Record]) -> float:
    return aubc(r for r in course if r["cycle"] in cycles)

  differences = np.array([area(seeds[seed]) - area(others[seed]) for seed in shared])
  tested = paired(differences)
  p = tested.pop("p")
  return {**tested, "seeds": len(shared), "p": p, "p_holm": None}


def _rows(summary: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
  return [
    (
      strategy,
      str(entry["labels"]),
      _plus_minus(entry["aubc"], 100, 2),
      _plus_minus(entry["final_accuracy"], 100, 2),
      _plus_minus(entry["new_entropy"], 1, 3),
      _difference(entry["versus_random"]),
      _seconds(entry["median_select_seconds"]),
    )
    for strategy, entry in summary.items()
  ]


def _plus_minus(estimate: Mapping[str, Any] | None, factor: float, digits: int) -> str:
  if estimate is None:
    return "-"
  text = f"{factor * estimate['mean']:.{digits}f}"
  if estimate["high"] is None:
    return text
  return f"{text} ±{factor * (estimate['high'] - estimate['mean']):.{digits}f}"


def _difference(versus: Mapping[str, Any] | None) -> str:
  if versus is None:
    return "-  "
  star = versus["p_holm"] is not None and versus["p_holm"] < 1 - LEVEL
  return f"{100 * versus['mean']:+.2f} {'*' if star else ' '}"


def _seconds(value: float | None) -> str:
  if value is None:
    return "-"
  if value < 0.001:
    return "<0.001"
  return f"{value:.{3 if value < 10 else 1 if value < 100 else 0}f}"


def _shorten(name: str, width: int) -> str:
  if len(name) <= width:
    return name
  tail = (width - 1) // 2
  return name[: width - 1 - tail] + "…" + name[len(name) - tail :]


def _note(summary: Mapping[str, Mapping[str, Any]]) -> list[str]:
  counts = sorted({entry["seeds"] for entry in summary.values()}) or [0]
  seeds = (
    f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] != 1)}"
  )
  return [
    f"{seeds}, ± half their 95 % Student-t interval; new entropy in nats; median seconds to select.",
    "vs random: paired difference of AUBC in percentage points, * where its Holm-corrected p < 0.05.",
  ]
