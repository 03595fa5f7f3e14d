"""The best threshold of USPS two against all thresholds tried, and its table."""

import numpy as np
import pytest

from experiments.usps_two import threshold


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_is_better_than_the_best(seed):
  rng = np.random.default_rng(seed)
  # Ties too.
  logits = rng.normal(size=30).round(1 if seed % 2 else 6).astype(np.float32)
  labels = (logits + rng.normal(size=30) > 1).astype(np.int32)
  at, share = threshold.best_threshold(logits, labels)
  right = lambda t: np.mean((logits > t) == labels)  # noqa: E731
  assert right(at) == pytest.approx(share)
  every = [*(logits + 1e-4), *(logits - 1e-4), -99.0, 99.0]
  assert share == pytest.approx(max(map(right, every)))


@pytest.mark.parametrize("label", [0, 1])
def test_of_one_class_all_are_right(label):
  logits = np.array([-1.0, 0.5, 2.0])
  at, share = threshold.best_threshold(logits, np.full(3, label))
  assert share == 1
  assert np.isfinite(at)
  assert np.all((logits > at) == label)


def test_the_table_has_means_in_per_cent():
  record = {"pixel_range": [0.0, 1.0], "own": [0.6, 0.7], "best": [0.9, 0.9], "threshold": [-7.0, -8.0]}
  assert (
    threshold.table([record])
    .splitlines()[2]
    .startswith("| [0.0, 1.0] | 65.00 ±63.53 | 90.00 ±0.00 | -7.50 ±")
  )
