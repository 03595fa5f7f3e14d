"""Every index against NumPy brute force."""

import sys

import numpy as np
import pytest
from hypothesis import given
from pools import problems, quick

from asal_jax.errors import InputError
from asal_jax.search import checks, exact
from asal_jax.search import graph as graphs
from asal_jax.search import index as index_module
from asal_jax.search.exact import ExactIndex
from asal_jax.search.graph import PyNNDescentIndex
from asal_jax.search.index import INDICES, choose
from asal_jax.search.kdtree import KDTreeIndex
from asal_jax.search.quantised import Int8Index

names = pytest.mark.parametrize("name", list(INDICES))

APPROXIMATE = ("pynndescent", "faiss_ivf", "faiss_hnsw")


@pytest.fixture(autouse=True)
def installed(request):
  name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name", "")
  if name and name.startswith("faiss"):
    pytest.importorskip("faiss", reason="faiss is an optional extra: pip install 'asal-jax[faiss]'")


NONE = np.zeros(0, np.int32)


def ids_of(mask):
  """The ids of a mask, in any order."""
  return np.random.default_rng(0).permutation(np.flatnonzero(mask)).astype(np.int32)


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


@names
@quick
@given(problem=problems())
def test_small_pools_equal_brute_force(name, problem):
  features, queries, k, excluded = problem
  # 60 rows and the default of 30 neighbours: pynndescent's own path for small pools; faiss has one list, and few links.
  found = INDICES[name].build(features).search(queries, k, ids_of(excluded))
  check_exact(features, queries, k, excluded, found)


@pytest.mark.parametrize("kind", [ExactIndex, Int8Index, KDTreeIndex])
@pytest.mark.parametrize("offset", [0, 1000])
def test_large_pools_equal_brute_force(kind, offset):
  rng = np.random.default_rng(1)
  # Two blocks, the last one overlapping; far from the origin squares of 1e6 x 8 would cancel.
  features = (rng.normal(size=(66_000, 8)) + offset).astype(np.float32)
  queries = (rng.normal(size=(3, 8)) + offset).astype(np.float32)
  queries[0] = features[65_999]
  index = kind.build(features)
  excluded = np.zeros(66_000, bool)
  distances, ids = index.search(queries, 10, ids_of(excluded))
  assert distances[0, 0] == 0
  assert ids[0, 0] == 65_999
  check_exact(features, queries, 10, excluded, (distances, ids))
  excluded[ids] = True
  check_exact(features, queries, 10, excluded, index.search(queries, 10, ids_of(excluded)))


def test_exact_search_compiles_once():
  rng = np.random.default_rng(2)
  index = ExactIndex.build(rng.normal(size=(501, 6)).astype(np.float32))
  queries = rng.normal(size=(5, 6)).astype(np.float32)
  before = exact._nearest._cache_size()
  for share in (0, 0.1, 0.5, 0.99, 1):
    index.search(queries + np.float32(share), 4, ids_of(rng.random(501) < share))
  other = ExactIndex.build(rng.normal(size=(501, 6)).astype(np.float32))
  other.search(queries, 4, NONE)
  assert exact._nearest._cache_size() == before + 1


@names
def test_recall(name, gaussian, graph):
  features, queries = gaussian
  index = graph if name == "pynndescent" else INDICES[name].build(features)
  excluded = np.zeros(len(features), bool)
  distances, ids = index.search(queries, 10, ids_of(excluded))
  check_contract(features, queries, 10, excluded, distances, ids)
  expected = brute(features, queries, 10, excluded)[1]
  hits = [len(set(row) & set(true)) for row, true in zip(ids.tolist(), expected.tolist(), strict=True)]
  assert np.mean(hits) / 10 >= (0.9 if name in APPROXIMATE else 0.999)


@pytest.mark.parametrize("left", [2000, 1900, 1200, 300, 12, 3, 0])
@names
def test_the_contract_is_kept_as_the_pool_shrinks(name, gaussian, graph, left):
  features, queries = gaussian
  index = graph if name == "pynndescent" else INDICES[name].build(features)
  # The nearest are gone first, as in a run.
  order = np.argsort(((features - queries[0]) ** 2).sum(1))
  excluded = np.ones(len(features), bool)
  excluded[order[len(order) - left :]] = False
  distances, ids = index.search(queries, 10, ids_of(excluded))
  check_contract(features, queries, 10, excluded, distances, ids)


def test_graph_searches_exactly_where_it_returns_too_few(gaussian, graph, monkeypatch):
  features, queries = gaussian

  def poor(queries, k, epsilon):
    ids, distances = np.zeros((len(queries), k), np.int32), np.full((len(queries), k), np.inf, np.float32)
    distances[:, 0] = 0
    ids[:, -1] = -1
    return ids, distances

  monkeypatch.setattr(graph.shards[0].built.graph, "query", poor)
  excluded = np.arange(len(features)) % 7 == 0
  check_exact(features, queries, 10, excluded, graph.search(queries, 10, ids_of(excluded)))


def test_graph_of_duplicates(graph, gaussian):
  # `graph` first: the compiled code is there. Groups of equal points larger than a row of the graph.
  features = gaussian[0][np.arange(2000) % 5]
  index = PyNNDescentIndex.build(features)
  excluded = np.arange(2000) % 3 == 0
  found = index.search(gaussian[1], 40, ids_of(excluded))
  check_contract(features, gaussian[1], 40, excluded, *found)


def test_graph_is_a_function_of_its_seed(gaussian, graph):
  features, queries = gaussian
  excluded = np.zeros(len(features), bool)
  first, again = (
    i.search(queries, 10, ids_of(excluded)) for i in (graph, PyNNDescentIndex.build(features, seed=3))
  )
  np.testing.assert_array_equal(first, again)
  np.testing.assert_array_equal(first, graph.search(queries, 10, ids_of(excluded)))


@names
def test_saved_and_loaded_index_answers_the_same(name, gaussian, graph, tmp_path):
  features, queries = gaussian
  index = INDICES[name].build(features, tmp_path, n_neighbors=30)
  loaded = INDICES[name].load(tmp_path)
  for share in (0, 0.3, 0.999):
    excluded = np.random.default_rng(4).random(len(features)) < share
    for before, after in zip(
      index.search(queries, 10, ids_of(excluded)), loaded.search(queries, 10, ids_of(excluded)), strict=True
    ):
      np.testing.assert_array_equal(before, after)


@names
def test_small_index_can_be_saved(name, tmp_path):
  features = np.eye(3, dtype=np.float32)
  INDICES[name].build(features, tmp_path)
  distances, ids = INDICES[name].load(tmp_path).search(features, 1, NONE)
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
  queries = np.zeros((4, 2), np.float32)
  with pytest.raises(InputError, match="queries: found width 5, the index has 2"):
    index.search(np.zeros((4, 5), np.float32), 1, NONE)
  with pytest.raises(InputError, match="queries: found entries that are not finite"):
    index.search(queries * np.float32(np.nan), 1, NONE)
  with pytest.raises(InputError, match=r"excluded: found bool\[3\], allowed are ids int32\[e\]"):
    index.search(queries, 1, np.zeros(3, bool))
  for wrong in (-1, 3):
    with pytest.raises(InputError, match=rf"excluded: found id {wrong}, the index has ids 0 to 2"):
      index.search(queries, 1, np.array([1, wrong], np.int32))
  with pytest.raises(InputError, match="k: found 0"):
    index.search(queries, 0, NONE)


@names
def test_no_queries(name):
  index = INDICES[name].build(np.zeros((3, 2), np.float32))
  distances, ids = index.search(np.zeros((0, 2), np.float32), 2, NONE)
  assert distances.shape == ids.shape == (0, 2)


def test_bad_options():
  with pytest.raises(InputError, match="n_neighbors is 0"):
    PyNNDescentIndex.build(np.zeros((3, 2), np.float32), n_neighbors=0)
  with pytest.raises(InputError, match="epsilon -1"):
    PyNNDescentIndex.build(np.zeros((3, 2), np.float32), epsilon=-1)


@pytest.fixture
def small_parts(monkeypatch):
  """Parts and shards of few rows, so that a small pool has many, the last one shorter."""
  monkeypatch.setattr(exact, "PART", 448)
  monkeypatch.setattr(exact, "BLOCK", 64)
  monkeypatch.setattr(graphs, "SHARD", 700)
  monkeypatch.setattr(checks, "ROWS", 300)


@pytest.mark.parametrize("where", ["memory", "mapped", "disk"])
def test_exact_search_in_parts_equals_brute_force(where, gaussian, small_parts, tmp_path, monkeypatch):
  features, queries = gaussian
  index = ExactIndex.build(features)
  if where != "memory":
    np.save(tmp_path / "features.npy", features)
    monkeypatch.setattr(exact, "fits_memory", lambda _: where == "mapped")
    (tmp_path / "index").mkdir()
    index = ExactIndex.build(np.load(tmp_path / "features.npy", mmap_mode="r"), tmp_path / "index")
    assert index.resident is None if where == "disk" else len(index.resident) == 5
  for share in (0, 0.3, 0.999, 1):
    excluded = np.random.default_rng(4).random(len(features)) < share
    check_exact(features, queries, 10, excluded, index.search(queries, 10, ids_of(excluded)))


def test_parts_and_shards_of_one_size_compile_once(gaussian, small_parts):
  features, queries = gaussian
  index = ExactIndex.build(features[:1792])
  index.search(queries, 7, NONE)
  before = exact._nearest._cache_size()
  index.search(queries, 7, np.arange(1000, dtype=np.int32))
  assert exact._nearest._cache_size() == before


def test_features_are_kept_once(gaussian, tmp_path):
  path, folder = tmp_path / "pool.npy", tmp_path / "index"
  np.save(path, gaussian[0])
  folder.mkdir()
  ExactIndex.build(np.load(path, mmap_mode="r"), folder)
  assert (folder / "features.npy").samefile(path)
  # A part of a file is written anew.
  half = tmp_path / "half"
  half.mkdir()
  ExactIndex.build(np.load(path, mmap_mode="r")[:100], half)
  np.testing.assert_array_equal(np.load(half / "features.npy"), gaussian[0][:100])


def test_shards_keep_the_contract_and_find_nearly_all(gaussian, small_parts, tmp_path):
  features, queries = gaussian
  PyNNDescentIndex.build(features, tmp_path)
  index = PyNNDescentIndex.load(tmp_path)
  assert [len(shard.features) for shard in index.shards] == [700, 700, 600]
  for share in (0, 0.3, 0.99, 1):
    excluded = np.random.default_rng(5).random(len(features)) < share
    distances, ids = index.search(queries, 10, ids_of(excluded))
    check_contract(features, queries, 10, excluded, distances, ids)
    expected = brute(features, queries, 10, excluded)[1]
    hits = [
      len(set(row) & set(true) - {-1}) for row, true in zip(ids.tolist(), expected.tolist(), strict=True)
    ]
    assert np.sum(hits) >= 0.9 * np.sum(expected >= 0)


def test_a_build_that_is_interrupted_goes_on_with_the_next_shard(
  gaussian, small_parts, tmp_path, monkeypatch
):
  features, make, made = gaussian[0], graphs.make_graph, []

  class Killed(Exception):
    pass

  def killed(rows, *arguments):
    if len(made) == 2:
      raise Killed
    made.append(rows)
    return make(rows, *arguments)

  with monkeypatch.context() as patch:
    patch.setattr(graphs, "make_graph", killed)
    with pytest.raises(Killed):
      PyNNDescentIndex.build(features, tmp_path)
  kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("shard_*.json")}
  assert len(kept) == 2
  resumed = PyNNDescentIndex.build(features, tmp_path)
  assert {path: path.stat().st_mtime_ns for path in kept} == kept
  whole = PyNNDescentIndex.build(features)
  for a, b in zip(resumed.search(gaussian[1], 5, NONE), whole.search(gaussian[1], 5, NONE), strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_loaded_graph_is_mapped_and_its_file_never_written(gaussian, small_parts, tmp_path):
  features, queries = gaussian
  PyNNDescentIndex.build(features, tmp_path)
  before = {path: path.read_bytes() for path in tmp_path.iterdir()}
  index = PyNNDescentIndex.load(tmp_path)
  data = index.shards[0].built.graph._raw_data
  while not isinstance(data, np.memmap):
    assert data is not None, "the graph's data are not mapped"
    data = data.base if isinstance(data, np.ndarray) else getattr(data, "obj", None)
  first = index.search(queries, 5, NONE)
  np.testing.assert_array_equal(first, index.search(queries, 5, NONE))
  assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
  ("n", "memory", "name"),
  [(1_437, 2**34, "exact"), (16_000_000, 2**33, "exact"), (16_000_000, 2**32, "exact_int8"),
   (16_000_000, 2**30, "pynndescent"), (10**9, 2**34, "pynndescent"), (10**9, None, "exact")],
)  # fmt: skip
def test_auto_takes_the_most_exact_that_fits(n, memory, name, monkeypatch):
  monkeypatch.setattr(index_module, "device_memory", lambda: None)
  chosen, why = choose(n, 50, memory)
  assert chosen == name
  assert f"{n:,} x 50 features" in why


def test_auto_asks_this_machine():
  assert choose(100, 5)[0] == "exact"


def test_faiss_that_is_not_installed_is_told(monkeypatch):
  monkeypatch.setitem(sys.modules, "faiss", None)
  with pytest.raises(InputError, match=r"index.name: .*pip install 'asal-jax\[faiss\]'"):
    INDICES["faiss_ivf"].build(np.zeros((3, 2), np.float32))
