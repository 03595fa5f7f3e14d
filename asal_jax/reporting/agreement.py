"""Agreement of annotations of synthetic samples with the labels of their matches (appendix C.1, figure 13)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32, UInt8

from asal_jax.search.features import FeatureSet, make_features
from asal_jax.types import PixelRange


class Agreement(NamedTuple):
  """How often matches have the label that their synthetic samples were annotated with; plain values, for JSON.

  `agreement` is the mean of `per_class` over the classes annotated at all, None where there is none, as are the ends
  `low` and `high` of its 95 % interval. Of each of k
  classes, `per_class` has the share of its samples whose match is of that class (None where it has no samples)
  and `counts` the samples; `rejected` counts the samples that no class was given to.
  """

  agreement: float | None
  low: float | None
  high: float | None
  per_class: tuple[float | None, ...]
  counts: tuple[int, ...]
  rejected: int


def balanced_agreement(
  annotations: Int32[np.ndarray, " n"], match_labels: Int32[np.ndarray, " n"], classes: int
) -> Agreement:
  """The accuracy of the matches' labels in each annotated class, and their mean: each class weighs the same.

  `annotations` are labels 0..classes-1, or -1 for a rejected sample, which counts nowhere else.
  """
  agree = [match_labels[annotations == k] == k for k in range(classes)]
  per_class = tuple(float(rows.mean()) if len(rows) else None for rows in agree)
  shares = [share for share in per_class if share is not None]
  low, high = _interval([(int(rows.sum()), len(rows)) for rows in agree if len(rows)])
  return Agreement(
    agreement=float(np.mean(shares)) if shares else None,
    low=low,
    high=high,
    per_class=per_class,
    counts=tuple(len(rows) for rows in agree),
    rejected=int(np.sum(annotations < 0)),
  )


def _interval(counts: Sequence[tuple[int, int]]) -> tuple[float | None, float | None]:
  """Ends of the mean share of several classes, each given by (agreeing, all).

  It is of the shares with two agreeing and two other samples more (Agresti and Coull 1998), so that 0 and 1 have a
  width too.
  """
  if not counts:
    return None, None
  shares = [((k + 2) / (n + 4), n + 4) for k, n in counts]
  mean = sum(p for p, _ in shares) / len(shares)
  half = 1.96 * math.sqrt(sum(p * (1 - p) / n for p, n in shares)) / len(shares)
  return max(0.0, mean - half), min(1.0, mean + half)


def measure_agreement(
  images: UInt8[np.ndarray, "n h w c"], annotations: Int32[np.ndarray, " n"],
  feature_sets: dict[str, FeatureSet], pool_labels: Int32[np.ndarray, " p"], classes: int, pixel_range: PixelRange,
) -> dict[str, Agreement]:  # fmt: skip
  """The agreement in each feature set, of synthetic `images` as they were annotated with their nearest pool samples.

  Every sample is matched for itself, to any sample of the pool: two may share a match. It reads pool labels, to
  evaluate and never to select.
  """
  results = {}
  for name, features in feature_sets.items():
    embed = make_features(features.project, pixel_range)
    queries = np.asarray(embed(features.params, jnp.asarray(images)))
    _, ids = features.index.search(queries, 1, np.zeros(0, np.int32))
    results[name] = balanced_agreement(annotations, pool_labels[ids[:, 0]], classes)
  return results
