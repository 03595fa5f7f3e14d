"""Synthetic samples are matched to distinct unlabelled samples, or it is said why not."""

import numpy as np
import pytest
from hypothesis import given
from pools import QUERIES, problems, quick

from asal_jax.errors import InputError
from asal_jax.index import ExactIndex, KDTreeIndex
from asal_jax.matching import candidates, distinct


@quick
@given(problem=problems())
def test_matching_finds_distinct_ids_or_says_why_not(problem):
  features, queries, k, excluded = problem
  index, left = KDTreeIndex.build(features), int(np.sum(~excluded))
  if left < QUERIES:
    with pytest.raises(InputError, match=f"only {left} unlabelled samples left, {QUERIES} asked"):
      candidates(index, queries, k, excluded)
    return
  near = candidates(index, queries, k, excluded)
  assert near.shape == (QUERIES, max(k, QUERIES))
  ids = distinct(near)
  assert ids.dtype == np.int32
  assert len(set(ids.tolist())) == QUERIES
  assert not np.any(excluded[ids])
  assert ids[0] == near[0, 0]


def test_matching_of_equal_queries_takes_the_nearest_in_turn():
  features = np.arange(6, dtype=np.float32)[:, None]
  excluded = np.array([True, False, False, False, False, False])
  near = candidates(ExactIndex.build(features), np.zeros((3, 1), np.float32), 1, excluded)
  np.testing.assert_array_equal(distinct(near), [1, 2, 3])


def test_matching_uses_up_the_pool(gaussian, graph):
  features, queries = gaussian
  excluded = np.arange(len(features)) >= len(queries)
  ids = distinct(candidates(graph, queries, 5, excluded))
  assert sorted(ids.tolist()) == list(range(len(queries)))


def test_distinct_says_which_row_is_left_without():
  np.testing.assert_array_equal(distinct(np.array([[-1, 4], [4, 2]], np.int32)), [4, 2])
  with pytest.raises(InputError, match="row 1 has no id"):
    distinct(np.array([[4, 2], [4, -1]], np.int32))
