"""The neighbour graph of a pool against brute force, by every index, whole and gone on with."""

import numpy as np
import pytest

from asal_jax.search import graph as graphs
from asal_jax.search import neighbours
from asal_jax.search.exact import ExactIndex
from asal_jax.search.graph import PyNNDescentIndex
from asal_jax.search.index import INDICES
from asal_jax.search.neighbours import write_graph

N, K = 700, 6
FEATURES = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)


def brute_force(features, k):
  distances = np.linalg.norm(features[:, None].astype(float) - features[None], axis=2)
  np.fill_diagonal(distances, np.inf)
  return np.argsort(distances, axis=1)[:, :k]


@pytest.mark.parametrize("name", INDICES)
def test_each_index_makes_the_graph(name, tmp_path, monkeypatch):
  monkeypatch.setattr(neighbours, "BLOCK", 128)
  index = INDICES[name].build(FEATURES)
  write_graph(index, FEATURES, K, tmp_path / "graph.npy")
  found = np.load(tmp_path / "graph.npy")
  assert (found.dtype, found.shape) == (np.int32, (N, K))
  assert not np.any(found == np.arange(N)[:, None])
  same = np.mean([len(set(a) & set(b)) / K for a, b in zip(found, brute_force(FEATURES, K), strict=True)])
  assert same == 1 if name in ("exact", "kdtree") else same > 0.95


def test_equal_samples_are_neighbours_and_none_of_itself(tmp_path):
  features = np.repeat(FEATURES[:20], 4, axis=0)
  write_graph(ExactIndex.build(features), features, 3, tmp_path / "graph.npy")
  found = np.load(tmp_path / "graph.npy")
  for i, row in enumerate(found.tolist()):
    assert i not in row
    assert {j // 4 for j in row} == {i // 4}


def test_a_pool_of_fewer_samples_than_neighbours(tmp_path):
  write_graph(ExactIndex.build(FEATURES[:3]), FEATURES[:3], 5, tmp_path / "graph.npy")
  found = np.load(tmp_path / "graph.npy")
  np.testing.assert_array_equal(found[:, :2], brute_force(FEATURES[:3], 2))
  assert np.all(found[:, 2:] == -1)


def test_shards_have_neighbours_within_and_ids_of_the_whole(tmp_path, monkeypatch):
  monkeypatch.setattr(graphs, "SHARD", 300)
  monkeypatch.setattr(neighbours, "BLOCK", 128)
  built = PyNNDescentIndex.build(FEATURES, tmp_path)
  for index in (built, PyNNDescentIndex.load(tmp_path)):
    write_graph(index, FEATURES, K, tmp_path / "graph.npy")
    found = np.load(tmp_path / "graph.npy")
    for start, stop in ((0, 300), (300, 600), (600, 700)):
      own = brute_force(FEATURES[start:stop], K) + start
      same = np.mean([len(set(a) & set(b)) / K for a, b in zip(found[start:stop], own, strict=True)])
      assert same > 0.95


def test_a_graph_that_was_killed_is_gone_on_with(tmp_path, monkeypatch):
  monkeypatch.setattr(neighbours, "BLOCK", 100)
  whole, find, asked = ExactIndex.build(FEATURES), neighbours.by_search, []

  def broken(index, features, rows, k):
    asked.append(rows.start)
    if asked.count(rows.start) == 1 and rows.start == 400:
      raise KeyboardInterrupt
    return find(index, features, rows, k)

  monkeypatch.setattr(neighbours, "by_search", broken)
  with pytest.raises(KeyboardInterrupt):
    write_graph(whole, FEATURES, K, tmp_path / "graph.npy")
  assert not (tmp_path / "graph.npy").exists()
  write_graph(whole, FEATURES, K, tmp_path / "graph.npy")
  assert asked == [0, 100, 200, 300, 400, 400, 500, 600]
  np.testing.assert_array_equal(np.load(tmp_path / "graph.npy"), brute_force(FEATURES, K))
