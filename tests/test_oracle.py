"""The oracle and the start set."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import quick

from asal_jax import InputError
from asal_jax.labelling.oracle import class_sizes, make_oracle, start_sets
from asal_jax.rng import seed_keys, stream


def start_set(seed, labels, size, classes, kind="balanced"):
  """That of one seed."""
  return start_sets(seed_keys((seed,)), labels, size, classes, kind)[0]


LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 20, 9])).astype(np.int32)


def test_oracle_tells_the_labels_asked_for():
  ids = np.array([[3, 3, 0], [68, 1, 2]], np.int32)
  np.testing.assert_array_equal(make_oracle(LABELS)(ids), [[LABELS[i] for i in row] for row in ids])


@pytest.mark.parametrize(("size", "counts"), [(9, [3, 3, 3]), (11, [4, 4, 3]), (27, [9, 9, 9])])
def test_start_set_is_balanced(size, counts):
  ids = start_set(0, LABELS, size, 3)
  assert ids.dtype == np.int32
  assert len(set(ids.tolist())) == size
  np.testing.assert_array_equal(np.bincount(LABELS[ids]), counts)


def test_start_set_depends_on_the_seed_alone():
  draws = [start_set(seed, LABELS, 9, 3).tolist() for seed in (0, 0, 1)]
  assert draws[0] == draws[1] != draws[2]


def test_each_seed_draws_from_its_own_stream():
  # The definition, a seed and a class at a time.
  expected = [
    np.flatnonzero(k == LABELS)[jax.random.permutation(stream(key, "start_set", k), n)[:3]]
    for key in seed_keys((0, 5))
    for k, n in enumerate(np.bincount(LABELS))
  ]
  np.testing.assert_array_equal(start_sets(seed_keys((0, 5)), LABELS, 9, 3).reshape(6, 3), expected)


def test_a_random_start_set_is_a_choice_from_all():
  ids = start_sets(seed_keys((0, 5)), LABELS, 9, 3, "random")
  draw = lambda key: jax.random.choice(stream(key, "start_set"), 69, (9,), replace=False)  # noqa: E731
  np.testing.assert_array_equal(ids, [draw(key) for key in seed_keys((0, 5))])


def test_start_set_reaches_every_sample():
  seen = np.concatenate([start_set(seed, LABELS, 27, 3) for seed in range(30)])
  assert set(seen.tolist()) == set(range(69))


def test_start_set_of_a_rare_class():
  with pytest.raises(InputError, match=r"loop.start: 30 needs 10 samples of class 2, the pool has 9"):
    start_set(0, LABELS, 30, 3)


@pytest.mark.parametrize(
  ("counts", "size", "sizes"),
  [
    # Shares 40, 20, 9 of 69: 11.59, 5.80, 2.61 of 20, the largest remainders rounded up.
    ((40, 20, 9), 20, [11, 6, 3]),
    # 5.80, 2.90, 1.30 of 10.
    ((40, 20, 9), 10, [6, 3, 1]),
    # Wearing_Hat: 4.9 %.
    ((951, 49), 100, [95, 5]),
    # Rare classes get one each, of the most frequent one's.
    ((990, 5, 5), 20, [18, 1, 1]),
    ((999, 1), 2, [1, 1]),
    ((7, 7), 14, [7, 7]),
  ],
)
def test_stratified_sizes(counts, size, sizes):
  labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
  assert class_sizes(labels, size, len(counts), stratified=True) == sizes
  ids = start_set(0, labels, size, len(counts), "stratified")
  assert len(set(ids.tolist())) == size
  np.testing.assert_array_equal(np.bincount(labels[ids]), sizes)


@quick
@given(st.lists(st.integers(1, 2_000), min_size=2, max_size=8), st.data())
def test_sizes_fit_the_pool(counts, data):
  labels, classes = np.repeat(np.arange(len(counts)), counts).astype(np.int32), len(counts)
  size = data.draw(st.integers(classes, len(labels)))
  sizes = np.array(class_sizes(labels, size, classes, stratified=True))
  assert sizes.sum() == size
  assert np.all(sizes >= 1)
  assert np.all(sizes <= counts)
  # Proportional to less than one sample, but for those that rare classes take.
  exact = size * np.array(counts) / len(labels)
  assert np.all(sizes - np.maximum(exact, 1) < 1)
  rare = np.sum(exact < 1)
  assert np.all(exact - sizes < 1 + rare)
  even = class_sizes(labels, size, classes, stratified=False)
  assert sum(even) == size
  assert max(even) - min(even) <= 1
