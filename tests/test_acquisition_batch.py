"""Ways to make a batch diverse, by hand."""

import numpy as np

from asal_jax.acquisition.batch import by_class, k_centre

NONE = np.arange(0)
FEATURES = np.random.default_rng(0).normal(size=(310, 3)).astype(np.float32)


def test_classes_take_turns():
  classes = {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 2}
  assert by_class([1, 2, 3, 4, 5, 6], classes, 5) == [1, 4, 6, 2, 5]
  assert by_class([6, 5, 1, 2, 3, 4], classes, 5) == [6, 5, 1, 2, 4]
  assert by_class([3, 2, 1], classes, 3) == [3, 2, 1]


def test_farthest_is_k_centre_greedy():
  """By hand on a line: from 0 and 10 the middle, then the middles of what is left."""
  line = np.arange(11, dtype=np.float32)[:, None]
  assert k_centre(line, line[[0, 10]], NONE, 3)[0] == 5
  assert set(k_centre(line, line[[0, 10]], NONE, 3)[1:]) <= {2, 3, 7, 8}
  rows = k_centre(FEATURES[:50], FEATURES[300:], NONE, 8)
  known = [*FEATURES[300:]]
  for row in rows:
    distances = [min(np.linalg.norm(x - c) for c in known) for x in FEATURES[:50]]
    assert row == int(np.argmax(distances))
    known.append(FEATURES[row])
