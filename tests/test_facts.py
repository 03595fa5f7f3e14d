"""Wilson's interval against SciPy's."""

import pytest
import scipy.special
import scipy.stats

from asal_jax.reporting import facts


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (360, 360), (1, 1)])
def test_wilson(hits, n):
  low, high = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
  assert facts.wilson(hits, n) == pytest.approx((hits, n, low, high))
