"""Rules by which a claim of the paper is held against results: each gives our number in words and whether it holds.

Differences are paired over seeds, p after Holm's correction over the strategies that a claim names; "above" and
"below" are significant at 0.05. A rule gives None where the results lack what it needs.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from asal_jax.reporting.pairs import Versus, versus
from asal_jax.reporting.summary import LEVEL, aubc, holm, interval
from experiments.paper import results
from experiments.paper.results import Result
from experiments.paper.table import FEATURES


class Found(NamedTuple):
  """Our number, with its 95 % interval, and whether the claim holds by it."""

  ours: str
  holds: bool


Rule = Callable[[Sequence[Result]], Found | None]
Value = Callable[[list[dict]], float | None]

UNITS = {results.new_entropy: ("new entropy", 0.01, "nats"), results.early_entropy: ("early entropy", 0.01, "nats"),
         results.final: ("final", 1, "points"), aubc: ("AUBC", 1, "points")}  # fmt: skip
"""How a value is called and shown; shares of classes are in points."""


def compare(pairs: Sequence[tuple[dict[int, float], dict[int, float]]]) -> list[Versus] | None:
  """Values by seed in pairs, p corrected for their number; None where a pair has fewer than two seeds in common."""
  shared = [sorted(set(a) & set(b)) for a, b in pairs]
  if any(len(seeds) < 2 for seeds in shared):
    return None
  found = [
    versus([a[seed] for seed in seeds], [b[seed] for seed in seeds])
    for (a, b), seeds in zip(pairs, shared, strict=True)
  ]
  return [v._replace(p=p) for v, p in zip(found, holm([v.p for v in found]), strict=True)]


def _is_above(v: Versus) -> bool:
  return v.difference > 0 and v.p < 1 - LEVEL


def _is_below(v: Versus) -> bool:
  return v.difference < 0 and v.p < 1 - LEVEL


def _tell(names: Sequence[str], found: Sequence[Versus], value: Value) -> str:
  what, factor, unit = UNITS.get(value, ("share", 1, "points"))
  digits = 2 if factor == 1 else 3
  each = [
    f"{name} {factor * v.difference:+.{digits}f} ±{factor * v.half:.{digits}f}"
    f"{'*' if v.p < 1 - LEVEL else ''}"
    for name, v in zip(names, found, strict=True)
  ]
  return f"{what}, {unit}: {', '.join(each)}"


def _against(names: Sequence[str], reference: str, value: Value, holds: Callable[[Versus], bool]) -> Rule:
  def rule(found: Sequence[Result]) -> Found | None:
    pairs = [(r.per_seed(n, value), r.per_seed(reference, value)) for r in found for n in names]
    compared = compare(pairs)
    if compared is None:
      return None
    return Found(_tell(list(names) * len(found), compared, value), all(map(holds, compared)))

  return rule


def above(names: Sequence[str], reference: str, value: Value = aubc) -> Rule:
  """Each strategy is significantly above the reference."""
  return _against(names, reference, value, _is_above)


def below(names: Sequence[str], reference: str, value: Value = aubc) -> Rule:
  """Each strategy is significantly below the reference."""
  return _against(names, reference, value, _is_below)


def not_above(names: Sequence[str], reference: str, value: Value = aubc) -> Rule:
  """No strategy is significantly above the reference."""
  return _against(names, reference, value, lambda v: not _is_above(v))


def not_below(names: Sequence[str], reference: str, value: Value = aubc) -> Rule:
  """No strategy is significantly below the reference."""
  return _against(names, reference, value, lambda v: not _is_below(v))


def same(names: Sequence[str], reference: str, value: Value = aubc) -> Rule:
  """No strategy differs significantly from the reference."""
  return _against(names, reference, value, lambda v: v.p >= 1 - LEVEL)


def only_reaches(winner: str, others: Sequence[str], ceiling: str) -> Rule:
  """At the last cycle the winner is not significantly below the ceiling, all others are."""

  def rule(found: Sequence[Result]) -> Found | None:
    names = (winner, *others)
    value = results.final
    compared = compare([(found[0].per_seed(n, value), found[0].per_seed(ceiling, value)) for n in names])
    if compared is None:
      return None
    first, *rest = compared
    return Found(_tell(names, compared, value), not _is_below(first) and all(map(_is_below, rest)))

  return rule


def above_other_run(names: Sequence[str], value: Value = aubc) -> Rule:
  """Each strategy of the first run is significantly above the same of the second."""

  def rule(found: Sequence[Result]) -> Found | None:
    compared = compare([(found[0].per_seed(n, value), found[1].per_seed(n, value)) for n in names])
    return compared and Found(_tell(names, compared, value), all(map(_is_above, compared)))

  return rule


def best(winner: str, others: Sequence[str], value: Value = aubc) -> Rule:
  """The winner is significantly above each of the others."""
  return _one_against(winner, others, value, _is_above)


def worst(loser: str, others: Sequence[str], value: Value = aubc) -> Rule:
  """The loser is significantly below each of the others."""
  return _one_against(loser, others, value, _is_below)


def _one_against(name: str, others: Sequence[str], value: Value, holds: Callable[[Versus], bool]) -> Rule:
  def rule(found: Sequence[Result]) -> Found | None:
    compared = compare([(found[0].per_seed(name, value), found[0].per_seed(n, value)) for n in others])
    return compared and Found(
      _tell([f"against {n}" for n in others], compared, value), all(map(holds, compared))
    )

  return rule


def mean_and_half(values: Sequence[float]) -> tuple[float, float | None]:
  """Mean and half its 95 % interval, None for one value."""
  found = interval(values)
  mean, high = found["mean"], found["high"]
  assert mean is not None
  return mean, None if high is None else high - mean


def percent(values: Sequence[float]) -> str:
  """Mean in per cent and half its 95 % interval."""
  mean, half = mean_and_half(values)
  return f"{100 * mean:.1f}" + (f" ±{100 * half:.1f}" if half is not None else "")


def _within(values: Sequence[float], paper: float, slack: float) -> bool:
  mean, half = mean_and_half(values)
  return abs(mean - paper) <= max(slack, half or 0.0)


def near(strategy: str, paper: float, slack: float, value: Value = results.final) -> Rule:
  """The mean is within `slack`, or its own interval, of the paper's."""

  def rule(found: Sequence[Result]) -> Found | None:
    values = [*found[0].per_seed(strategy, value).values()]
    if not values:
      return None
    return Found(f"{percent(values)} %", _within(values, paper, slack))

  return rule


def entropy_gain(names: Sequence[str], paper: float, slack: float) -> Rule:
  """How much more entropy new samples have than random's, over strategies, is within slack or interval of `paper`."""

  def rule(found: Sequence[Result]) -> Found | None:
    random = found[0].per_seed("random", results.new_entropy)
    each = [found[0].per_seed(name, results.new_entropy) for name in names]
    if not random or any(set(one) != set(random) for one in each):
      return None
    gains = [sum(one[seed] / random[seed] for one in each) / len(each) - 1 for seed in random]
    return Found(f"{percent(gains)} % more", _within(gains, paper, slack))

  return rule


def shares(names: Sequence[str], classes: Sequence[int], what: str, holds: Callable[[float], bool]) -> Rule:
  """The share of some classes in each strategy's training set, mean and interval, is as `holds` asks."""

  def rule(found: Sequence[Result]) -> Found | None:
    values = {n: [*found[0].per_seed(n, results.share(*classes)).values()] for n in names}
    if not all(values.values()):
      return None
    told = ", ".join(f"{name} {percent(v)} %" for name, v in values.items())
    ends = [end for v in values.values() for end in interval(v).values() if end is not None]
    return Found(f"{what}: {told}", all(map(holds, ends)))

  return rule


def largest_classes(strategy: str, classes: Sequence[int]) -> Rule:
  """The classes are those with the largest mean shares in the strategy's training set."""

  def rule(found: Sequence[Result]) -> Found | None:
    names = found[0].class_names()
    means = {}
    for k in range(len(names)):
      values = [*found[0].per_seed(strategy, results.share(k)).values()]
      if not values:
        return None
      means[k] = sum(values) / len(values)
    order = sorted(means, key=lambda k: -means[k])[: len(classes)]
    told = ", ".join(f"{names[k]} {100 * means[k]:.1f} %" for k in order)
    return Found(told, set(order) == set(classes))

  return rule


def agreement_above_other_run(found: Sequence[Result]) -> Found | None:
  """The agreement of the first run's GAN is above the second's in each feature set: the intervals do not meet."""
  first, second = (result.agreement() for result in found)
  if first is None or second is None:
    return None
  pairs = [(first[name], second[name]) for name in FEATURES]
  if any(one["agreement"] is None for pair in pairs for one in pair):
    return None
  told = [
    f"{n}: {told_agreement(a)} and {told_agreement(b)}" for n, (a, b) in zip(FEATURES, pairs, strict=True)
  ]
  return Found("; ".join(told), all(a["low"] > b["high"] for a, b in pairs))


def pixels_agree_most(found: Sequence[Result]) -> Found | None:
  """The agreement by pixels is the largest of the feature sets, for the GAN of each run."""
  measured = [result.agreement() for result in found]
  if any(one is None or one[name]["agreement"] is None for one in measured for name in FEATURES):
    return None
  told = [", ".join(f"{name} {told_agreement(one[name])}" for name in FEATURES) for one in measured if one]
  return Found("; ".join(told), all(
    max(FEATURES, key=lambda name: one[name]["agreement"]) == "pixels" for one in measured if one
  ))  # fmt: skip


def told_agreement(one: dict) -> str:
  """Agreement in per cent with its interval."""
  return f"{100 * one['agreement']:.1f} ({100 * one['low']:.1f} to {100 * one['high']:.1f}) %"


def most_annotated(k: int) -> Rule:
  """More of the GAN's samples are annotated with class k than with any other."""

  def rule(found: Sequence[Result]) -> Found | None:
    measured = found[0].agreement()
    if measured is None:
      return None
    counts = measured["pixels"]["counts"]
    told = (
      f"{counts[k]} of {sum(counts)} annotated samples are {measured['classes'][k]}, the most of another "
    )
    most = max(n for other, n in enumerate(counts) if other != k)
    return Found(told + str(most), counts[k] > most)

  return rule


def better_samples(found: Sequence[Result]) -> Found | None:
  """The first run's GAN has the larger classifier score."""
  scores = [result.classifier_score() for result in found]
  if None in scores:
    return None
  first, second = scores
  return Found(f"classifier scores {first:.2f} and {second:.2f}", first > second)  # type: ignore[operator]
