"""The paper's numbers, powers fitted to ours, and the transition point of figure 8."""

import math

from experiments.speed.growth import power

PAPER_ENTROPY = {160_000: 32.0, 4_000_000: 13 * 60.0, 8_000_000: 26 * 60.0, 16_000_000: 53 * 60.0}
"""Seconds of a selection of 10 by maximum entropy on a GTX TITAN X: section 5.7's text and figure 7's axis."""

PAPER_ASAL = {160_000: 1.15, 16_000_000: 44.0}
"""The same by ASAL: figure 7's axis and the text."""

PAPER_GAN_SECONDS = 25 * 3600.0
PAPER_FEATURE_SECONDS = 32.0 / 160_000
PAPER_INDEX_SECONDS = 5 * 60.0 / 16_000_000


def paper_preparation(n: int) -> float:
  """The paper's seconds before ASAL's first selection from a pool of n, on critic features (no auto-encoder)."""
  return PAPER_GAN_SECONDS + (PAPER_FEATURE_SECONDS + PAPER_INDEX_SECONDS) * n


def between(points: dict[int, float], n: int) -> float:
  """The power of n through the first and the last of these points."""
  (low, first), (high, last) = sorted(points.items())[0], sorted(points.items())[-1]
  return first * (n / low) ** (math.log(last / first) / math.log(high / low))


def transition(preparation: float, dearer: float, cheaper: float) -> float:
  """Cycles after which what needs `preparation` seconds is ahead; infinite where a cycle of it is no cheaper."""
  return preparation / (dearer - cheaper) if dearer > cheaper else math.inf


def paper_transition(n: int) -> float:
  """Figure 8 by the paper's formula from the paper's numbers."""
  return transition(paper_preparation(n), between(PAPER_ENTROPY, n), between(PAPER_ASAL, n))


def extrapolated(xs: list[int], ys: list[float], x: float) -> tuple[float, float, float]:
  """(y, low, high) at x by the power fitted to points, with its 95 % interval from the last point on."""
  fit = power(xs, ys)
  far, b, half = x / xs[-1], fit["exponent"], fit["half_interval"]
  return tuple(ys[-1] * far**e for e in (b, b - half, b + half))
