"""Paired comparisons against SciPy, and who beats whom by hand."""

import numpy as np
import pytest
from scipy import stats

from asal_jax.reporting import pairs


def test_a_comparison_is_scipy_s_paired_test():
  a, b = np.random.default_rng(0).normal((0.5, 0.6), 0.1, (7, 2)).T
  found = pairs.versus(a.tolist(), b.tolist())
  truth = stats.ttest_rel(a, b)
  low, high = truth.confidence_interval()
  assert found.difference == pytest.approx(100 * (a - b).mean())
  assert found.p == pytest.approx(truth.pvalue)
  assert found.half == pytest.approx(50 * (high - low))


def test_seeds_that_all_differ_by_one_amount_leave_no_doubt():
  assert pairs.versus([0.5, 0.75], [0.25, 0.5]) == (25, 0, 0)
  assert pairs.versus([0.5, 0.75], [0.5, 0.75]) == (0, 0, 1)


def test_penalties_are_shares_of_the_cells_that_are_won():
  noise = 0.001 * np.random.default_rng(1).random((3, 6))
  even = {"a": (noise[0] + 0.5).tolist(), "b": (noise[1] + 0.5).tolist(), "only here": noise[2].tolist()}
  apart = {"a": (noise[0] + 0.7).tolist(), "b": (noise[1] + 0.5).tolist()}
  names, wins = pairs.penalties([even, apart])
  assert names == ["a", "b"]
  np.testing.assert_array_equal(wins, [[0, 0.5], [0, 0]])
  table = pairs.table(names, wins).splitlines()
  assert table[0] == "| beats | a | b |"
  assert table[2:] == ["| a |  | 50 |", "| b | 0 |  |", "| **is beaten by** | **0** | **50** |"]
