"""Every index against NumPy brute force."""

import numpy as np
import pytest
from hypothesis import given
from pools import problems, quick

from asal_jax.errors import InputError
from asal_jax.search import index as index_module
from asal_jax.search.index import INDICES, ExactIndex, KDTreeIndex, PyNNDescentIndex

names = pytest.mark.parametrize("name", list(INDICES))


def brute(features, queries, k, excluded):
  """(distances f64[m, k], ids [m, k]), ties by id; inf and -1 where fewer are left."""
  squares = (queries[:, None].astype(float) - features[None]) ** 2
  distances = np.where(excluded, np.inf, np.sqrt(squares.sum(2)))
  ids = np.argsort(distances, axis=1, kind="stable")
  distances = np.take_along_axis(distances, ids, axis=1)
  ids = np.where(np.isfinite(distances), ids, -1)
  room = max(0, k - len(features))
  return (
    np.pad(distances, ((0, 0), (0, room)), constant_values=np.inf)[:, :k],
    np.pad(ids, ((0, 0), (0, room)), constant_values=-1)[:, :k],
  )


def check_contract(features, queries, k, excluded, distances, ids):
  """What holds for every index, approximate or not."""
  assert distances.dtype == np.float32
  assert ids.dtype == np.int32
  assert distances.shape == ids.shape == (len(queries), k)
  found = min(k, int(np.sum(~excluded)))
  assert np.all(ids[:, :found] >= 0)
  assert np.all(ids[:, found:] == -1)
  assert np.all(np.isinf(distances[:, found:]))
  assert not np.any(excluded[ids[:, :found]])
  assert all(len(set(row.tolist())) == found for row in ids[:, :found])
  assert np.all(np.diff(distances[:, :found], axis=1) >= 0)
  true = np.sqrt(((features[ids[:, :found]].astype(float) - queries[:, None]) ** 2).sum(2))
  np.testing.assert_allclose(distances[:, :found], true, rtol=1e-5, atol=1e-6)


def check_exact(features, queries, k, excluded, found):
  distances, ids = found
  check_contract(features, queries, k, excluded, distances, ids)
  expected, expected_ids = brute(features, queries, k + 1, excluded)
  np.testing.assert_allclose(distances, expected[:, :k], rtol=1e-5, atol=1e-6)
  # Ids where the distance is not tied with the one before or after (inf: the padding, -1).
  with np.errstate(invalid="ignore"):
    gaps = np.nan_to_num(np.diff(expected, axis=1, prepend=-np.inf), nan=np.inf) > 1e-4
  clear = gaps[:, :k] & gaps[:, 1 : k + 1]
  np.testing.assert_array_equal(ids[clear], expected_ids[:, :k][clear])


@pytest.mark.parametrize("kind", [ExactIndex, KDTreeIndex, PyNNDescentIndex])
@quick
@given(problem=problems())
def test_small_pools_equal_brute_force(kind, problem):
  features, queries, k, excluded = problem
  # 60 rows and the default of 30 neighbours: pynndescent's own path for small pools.
  check_exact(features, queries, k, excluded, kind.build(features).search(queries, k, excluded))


@pytest.mark.parametrize("kind", [ExactIndex, KDTreeIndex])
@pytest.mark.parametrize("offset", [0, 1000])
def test_large_pools_equal_brute_force(kind, offset):
  rng = np.random.default_rng(1)
  # Two blocks, the last one overlapping; far from the origin squares of 1e6 x 8 would cancel.
  features = (rng.normal(size=(66_000, 8)) + offset).astype(np.float32)
  queries = (rng.normal(size=(3, 8)) + offset).astype(np.float32)
  queries[0] = features[65_999]
  index = kind.build(features)
  excluded = np.zeros(66_000, bool)
  distances, ids = index.search(queries, 10, excluded)
  assert distances[0, 0] == 0
  assert ids[0, 0] == 65_999
  check_exact(features, queries, 10, excluded, (distances, ids))
  excluded[ids] = True
  check_exact(features, queries, 10, excluded, index.search(queries, 10, excluded))


def test_exact_search_compiles_once():
  rng = np.random.default_rng(2)
  index = ExactIndex.build(rng.normal(size=(501, 6)).astype(np.float32))
  queries = rng.normal(size=(5, 6)).astype(np.float32)
  before = index_module._nearest._cache_size()
  for share in (0, 0.1, 0.5, 0.99, 1):
    index.search(queries + np.float32(share), 4, rng.random(501) < share)
  other = ExactIndex.build(rng.normal(size=(501, 6)).astype(np.float32))
  other.search(queries, 4, np.zeros(501, bool))
  assert index_module._nearest._cache_size() == before + 1


def test_graph_recall(gaussian, graph):
  features, queries = gaussian
  excluded = np.zeros(len(features), bool)
  distances, ids = graph.search(queries, 10, excluded)
  check_contract(features, queries, 10, excluded, distances, ids)
  expected = brute(features, queries, 10, excluded)[1]
  hits = [len(set(row) & set(true)) for row, true in zip(ids.tolist(), expected.tolist(), strict=True)]
  assert np.mean(hits) / 10 >= 0.9


@pytest.mark.parametrize("left", [2000, 1900, 1200, 300, 12, 3, 0])
def test_graph_keeps_the_contract_as_the_pool_shrinks(gaussian, graph, left):
  features, queries = gaussian
  # The nearest are gone first, as in a run.
  order = np.argsort(((features - queries[0]) ** 2).sum(1))
  excluded = np.ones(len(features), bool)
  excluded[order[len(order) - left :]] = False
  distances, ids = graph.search(queries, 10, excluded)
  check_contract(features, queries, 10, excluded, distances, ids)


def test_graph_searches_exactly_where_it_returns_too_few(gaussian, graph, monkeypatch):
  features, queries = gaussian

  def poor(queries, k, epsilon):
    ids, distances = np.zeros((len(queries), k), np.int32), np.full((len(queries), k), np.inf, np.float32)
    distances[:, 0] = 0
    ids[:, -1] = -1
    return ids, distances

  monkeypatch.setattr(graph.graph, "query", poor)
  excluded = np.arange(len(features)) % 7 == 0
  check_exact(features, queries, 10, excluded, graph.search(queries, 10, excluded))


def test_graph_of_duplicates(graph, gaussian):
  # `graph` first: the compiled code is there. Groups of equal points larger than a row of the graph.
  features = gaussian[0][np.arange(2000) % 5]
  index = PyNNDescentIndex.build(features)
  excluded = np.arange(2000) % 3 == 0
  found = index.search(gaussian[1], 40, excluded)
  check_contract(features, gaussian[1], 40, excluded, *found)


def test_graph_is_a_function_of_its_seed(gaussian, graph):
  features, queries = gaussian
  excluded = np.zeros(len(features), bool)
  first, again = (i.search(queries, 10, excluded) for i in (graph, PyNNDescentIndex.build(features, seed=3)))
  np.testing.assert_array_equal(first, again)
  np.testing.assert_array_equal(first, graph.search(queries, 10, excluded))


@names
def test_saved_and_loaded_index_answers_the_same(name, gaussian, graph, tmp_path):
  features, queries = gaussian
  index = graph if name == "pynndescent" else INDICES[name].build(features, n_neighbors=30)
  index.save(tmp_path)
  loaded = INDICES[name].load(tmp_path)
  for share in (0, 0.3, 0.999):
    excluded = np.random.default_rng(4).random(len(features)) < share
    for before, after in zip(
      index.search(queries, 10, excluded), loaded.search(queries, 10, excluded), strict=True
    ):
      np.testing.assert_array_equal(before, after)


@names
def test_small_index_can_be_saved(name, tmp_path):
  features = np.eye(3, dtype=np.float32)
  INDICES[name].build(features).save(tmp_path)
  distances, ids = INDICES[name].load(tmp_path).search(features, 1, np.zeros(3, bool))
  np.testing.assert_array_equal(ids[:, 0], [0, 1, 2])
  np.testing.assert_array_equal(distances, 0)


@names
@pytest.mark.parametrize(
  ("features", "message"),
  [
    (np.zeros((3, 2)), r"features: found float64\[3, 2\], allowed is a float32 matrix"),
    (np.zeros(3, np.float32), r"features: found float32\[3\]"),
    (np.zeros((3, 0), np.float32), r"features: found float32\[3, 0\]"),
    (np.zeros((0, 2), np.float32), "features: found none"),
    (np.full((3, 2), np.nan, np.float32), "features: found entries that are not finite"),
    (np.full((3, 2), -np.inf, np.float32), "features: found entries that are not finite"),
    (np.full((3, 2), 1e30, np.float32), "or beyond 1e\\+15"),
  ],
)
def test_bad_features(name, features, message):
  with pytest.raises(InputError, match=message):
    INDICES[name].build(features)


@names
def test_bad_searches(name):
  index = INDICES[name].build(np.zeros((3, 2), np.float32))
  queries, excluded = np.zeros((4, 2), np.float32), np.zeros(3, bool)
  with pytest.raises(InputError, match="queries: found width 5, the index has 2"):
    index.search(np.zeros((4, 5), np.float32), 1, excluded)
  with pytest.raises(InputError, match="queries: found entries that are not finite"):
    index.search(queries * np.float32(np.nan), 1, excluded)
  with pytest.raises(InputError, match=r"excluded: found bool\[4\], allowed is bool\[3\]"):
    index.search(queries, 1, np.zeros(4, bool))
  with pytest.raises(InputError, match=r"excluded: found int64\[3\]"):
    index.search(queries, 1, np.zeros(3, np.int64))
  with pytest.raises(InputError, match="k: found 0"):
    index.search(queries, 0, excluded)


@names
def test_no_queries(name):
  index = INDICES[name].build(np.zeros((3, 2), np.float32))
  distances, ids = index.search(np.zeros((0, 2), np.float32), 2, np.zeros(3, bool))
  assert distances.shape == ids.shape == (0, 2)


def test_bad_options():
  with pytest.raises(InputError, match="n_neighbors is 0"):
    PyNNDescentIndex.build(np.zeros((3, 2), np.float32), n_neighbors=0)
  with pytest.raises(InputError, match="epsilon -1"):
    PyNNDescentIndex.build(np.zeros((3, 2), np.float32), epsilon=-1)
