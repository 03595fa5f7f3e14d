"""The oracle and the start set."""

import jax
import numpy as np
import pytest

from asal_jax import InputError
from asal_jax.oracle import make_oracle, start_set

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 20, 9])).astype(np.int32)


def test_oracle_tells_the_labels_asked_for():
  ids = np.array([[3, 3, 0], [68, 1, 2]], np.int32)
  np.testing.assert_array_equal(make_oracle(LABELS)(ids), [[LABELS[i] for i in row] for row in ids])


@pytest.mark.parametrize(("size", "counts"), [(9, [3, 3, 3]), (11, [4, 4, 3]), (27, [9, 9, 9])])
def test_start_set_is_balanced(size, counts):
  ids = start_set(jax.random.key(0), LABELS, size, 3)
  assert ids.dtype == np.int32
  assert len(set(ids.tolist())) == size
  np.testing.assert_array_equal(np.bincount(LABELS[ids]), counts)


def test_start_set_depends_on_the_seed_alone():
  draws = [start_set(jax.random.key(seed), LABELS, 9, 3).tolist() for seed in (0, 0, 1)]
  assert draws[0] == draws[1] != draws[2]


def test_start_set_reaches_every_sample():
  seen = np.concatenate([start_set(jax.random.key(seed), LABELS, 27, 3) for seed in range(30)])
  assert set(seen.tolist()) == set(range(69))


def test_start_set_of_a_rare_class():
  with pytest.raises(InputError, match=r"loop.start: 30 needs 10 samples of class 2, the pool has 9"):
    start_set(jax.random.key(0), LABELS, 30, 3)
