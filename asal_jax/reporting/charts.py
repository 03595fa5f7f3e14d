"""The curves of the page at the end of a run: small, so that they are read on a telephone too."""

from collections.abc import Callable, Sequence

import numpy as np

from asal_jax.reporting import canvas, panels
from asal_jax.reporting.canvas import TEXT
from asal_jax.reporting.facts import Cycle, Share
from asal_jax.reporting.summary import Curve

WIDTH, HEIGHT = 3.9, 2.8
"""Inches."""


def chart(
  cycles: Sequence[Cycle], value: Callable[[Cycle], Share | float | None], along: str, whole: bool
) -> bytes | None:
  """A PNG of `value` against labelled samples, a curve a strategy, the intervals of shares as bars.

  Cycles without a value are left out; None where none has one. With `whole` the axis goes from 0 to 1, else it fits.
  """
  drawn = curves(cycles, value)
  if not drawn:
    return None
  figure = canvas.figure(WIDTH, HEIGHT)
  axes = figure.subplots()
  panels.frame(axes)
  for i, (strategy, one) in enumerate(drawn.items()):
    look = panels.style(strategy)
    axes.plot(one.labels, one.mean, marker="o", label=strategy, markersize=3, linewidth=1.4, **look)
    if one.low is not None and one.high is not None:
      axes.vlines(one.labels, one.low, one.high, color=look["color"], linewidth=0.9, alpha=0.6, zorder=i + 1)
  ends = np.concatenate([x for one in drawn.values() for x in (one.low, one.mean, one.high) if x is not None])
  margin = 0.06 * float(np.ptp(ends)) or 0.05
  axes.set_ylim(*((-0.02, 1.02) if whole else (max(0.0, ends.min() - margin), ends.max() + margin)))
  axes.set_xlabel("labelled samples", fontsize=9, color=TEXT)
  axes.set_ylabel(along, fontsize=9, color=TEXT)
  if len(drawn) > 1:
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8)
  return canvas.png(figure)


def curves(cycles: Sequence[Cycle], value: Callable[[Cycle], Share | float | None]) -> dict[str, Curve]:
  """`value` of the cycles that have one, by strategy."""
  found: dict[str, list[tuple[int, Share | float]]] = {}
  for cycle in cycles:
    y = value(cycle)
    if y is not None:
      found.setdefault(cycle.strategy, []).append((cycle.labels, y))
  return {strategy: _curve(points) for strategy, points in found.items()}


def _curve(points: Sequence[tuple[int, Share | float]]) -> Curve:
  labels = np.array([x for x, _ in points])
  shares = [y for _, y in points if isinstance(y, Share)]
  if len(shares) < len(points):
    return Curve(labels, np.array([y for _, y in points]), None, None, 1)
  mean, low, high = (
    np.array(ends) for ends in zip(*((y.hits / y.n, y.low, y.high) for y in shares), strict=True)
  )
  return Curve(labels, mean, low, high, 1)
