"""Synthetic samples are matched to distinct unlabelled samples, or it is said why not."""

import numpy as np
import pytest
from hypothesis import given
from pools import QUERIES, problems, quick

from asal_jax.errors import InputError
from asal_jax.search import matching
from asal_jax.search.exact import ExactIndex
from asal_jax.search.kdtree import KDTreeIndex
from asal_jax.search.matching import distinct, match


def ids_of(*masks):
  """The ids of masks of equally many, a row each."""
  return np.stack([np.flatnonzero(mask) for mask in masks]).astype(np.int32)


def greedy(features, queries, excluded):
  """The definition, by brute force."""
  free, ids = ~excluded, []
  for query in queries:
    distances = np.sum((features.astype(float) - query) ** 2, axis=1)
    ids.append(int(np.argmin(np.where(free, distances, np.inf))))
    free = free & (np.arange(len(features)) != ids[-1])
  return ids


@quick
@given(problem=problems())
def test_matching_finds_distinct_ids_or_says_why_not(problem):
  features, queries, k, excluded = problem
  index, left = KDTreeIndex.build(features), int(np.sum(~excluded))
  if left < QUERIES:
    with pytest.raises(InputError, match=f"only {left} unlabelled samples left, {QUERIES} asked"):
      match(index, queries[None], ids_of(excluded), k)
    return
  (ids,) = match(index, queries[None], ids_of(excluded), k)
  assert ids.dtype == np.int32
  assert len(set(ids.tolist())) == QUERIES
  assert not np.any(excluded[ids])
  # Samples may be equal: what counts is the distance.
  for query, found, best in zip(queries, ids, greedy(features, queries, excluded), strict=True):
    apart = np.linalg.norm(features[[found, best]] - query, axis=1)
    np.testing.assert_allclose(*apart, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("first", [1, 3, 64])
def test_few_neighbours_at_first_change_nothing(gaussian, monkeypatch, first):
  monkeypatch.setattr(matching, "FIRST", first)
  features, queries = gaussian
  excluded = np.arange(len(features)) % 3 == 0
  # Many queries near each other: the nearest are soon taken.
  crowd = np.concatenate([queries[:30], queries[0] + 0.01 * queries])
  both = np.stack([crowd, crowd[::-1]])
  found = match(ExactIndex.build(features), both, ids_of(excluded, np.roll(excluded, 1)))
  assert found[0].tolist() == greedy(features, both[0], excluded)
  assert found[1].tolist() == greedy(features, both[1], np.roll(excluded, 1))


def test_the_nearest_can_be_reordered():
  features = np.arange(6, dtype=np.float32)[:, None]
  index, excluded = ExactIndex.build(features), np.zeros((1, 0), np.int32)
  queries = np.zeros((1, 2, 1), np.float32)
  far_first = lambda near: np.concatenate([near[:, :, 2::-1], near[:, :, 3:]], axis=2)  # noqa: E731
  np.testing.assert_array_equal(match(index, queries, excluded, 3, far_first), [[2, 1]])


def test_matching_of_equal_queries_takes_the_nearest_in_turn():
  features = np.arange(6, dtype=np.float32)[:, None]
  excluded = np.zeros((1, 1), np.int32)
  np.testing.assert_array_equal(
    match(ExactIndex.build(features), np.zeros((1, 3, 1), np.float32), excluded), [[1, 2, 3]]
  )


def test_matching_uses_up_the_pool(gaussian, graph):
  features, queries = gaussian
  excluded = np.arange(len(features)) >= len(queries)
  (ids,) = match(graph, queries[None], ids_of(excluded), 5)
  assert sorted(ids.tolist()) == list(range(len(queries)))


def test_distinct_leaves_a_row_without():
  np.testing.assert_array_equal(distinct(np.array([[-1, 4], [4, 2]], np.int32)), [4, 2])
  np.testing.assert_array_equal(distinct(np.array([[4, 2], [4, -1], [4, 3]], np.int32)), [4, -1, 3])
