"""Small pools, queries and masks for the tests of indices and matching."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

quick = settings(max_examples=15, deadline=None, derandomize=True)

# Few shapes, so that the exact search compiles a handful of times over all examples.
SIZES = (1, 2, 7, 60)
WIDTH, QUERIES = 3, 4


@st.composite
def problems(draw):
  """A small pool with duplicates, queries on and off it, and a mask from empty to full."""
  rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
  n = draw(st.sampled_from(SIZES))
  features = rng.normal(size=(n, WIDTH)).astype(np.float32)
  if draw(st.booleans()):
    features = features[rng.integers(0, max(1, n // 4), n)]
  queries = rng.normal(size=(QUERIES, WIDTH)).astype(np.float32)
  queries[0] = features[-1]
  excluded = rng.permutation(n) < draw(st.sampled_from((0, 1, n // 2, n - 1, n)))
  return features, queries, draw(st.sampled_from((1, 5, 70))), excluded
