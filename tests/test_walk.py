"""Walks against a plain simulation, and the neighbour graphs they go on against brute force."""

import numpy as np
import pytest

from asal_jax.acquisition import walk
from asal_jax.acquisition.balanced import SPREAD, balanced_walk, shortage
from asal_jax.acquisition.batch import k_centre
from asal_jax.pools.kinds import MappedPool
from asal_jax.rng import seed_keys
from asal_jax.types import LabelledSet

N, K, SEEDS, BATCH = 400, 5, 3, 4
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(N, 3))
GRAPH = np.argsort(np.linalg.norm(POINTS[:, None] - POINTS[None], axis=2), axis=1)[:, 1 : K + 1].astype(
  np.int32
)
FEATURES = POINTS.astype(np.float32)
POOL = MappedPool(np.arange(N, dtype=np.uint16).view(np.uint8).reshape(N, 1, 2, 1))
"""Images that say which they are."""
SCORES = RNG.normal(size=(SEEDS, N)).astype(np.float32)
CLASSES = (POINTS[:, 0] > 1.6).astype(np.int32)[None].repeat(SEEDS, 0)
"""About one in twenty is of class 1, and these lie together."""
LABELLED = np.stack([np.r_[RNG.permutation(N)[:8]] for _ in range(SEEDS)]).astype(np.int32)
KNOWN = LabelledSet(LABELLED, np.take_along_axis(CLASSES, LABELLED, axis=1))
KEYS = seed_keys((0, 1, 2))


class Scorer:
  """Scores and classes by the image, and which images were asked for."""

  def __init__(self):
    self.widths = []

  def __call__(self, params, images):
    ids = np.ascontiguousarray(images).reshape(*images.shape[:2], 2).view(np.uint16)[..., 0]
    self.widths.append(ids.shape[1])
    return np.take_along_axis(SCORES, ids.astype(int), 1), np.take_along_axis(CLASSES, ids.astype(int), 1)


def starts_at(ids):
  return lambda keys, cycle, params, labelled: np.asarray(ids, np.int32)


def simulated(begin, labelled, scores, calls):
  """The walk as the issue of it reads, with sets and a linear search for the best: what was scored, in order."""
  hidden, scored, expanded = set(labelled.tolist()), [], set()
  for i in begin.tolist():
    if i >= 0 and i not in hidden and i not in scored and len(scored) < calls:
      scored.append(i)
  while len(scored) < calls:
    waiting = [i for i in scored if i not in expanded]
    if not waiting:
      break
    best = max(waiting, key=lambda i: (scores[i], -i))
    expanded.add(best)
    for j in GRAPH[best].tolist():
      if j not in hidden and j not in scored and len(scored) < calls:
        scored.append(j)
  return scored


@pytest.mark.parametrize("calls", [4, 7, 30, 120])
def test_a_walk_equals_its_simulation(calls):
  begin = np.stack([RNG.permutation(N)[:6] for _ in range(SEEDS)])
  # What is labelled, missing or there twice is no start.
  begin[:, 2], begin[:, 3], begin[:, 4] = LABELLED[:, 0], -1, begin[:, 0]
  found = walk.walk(POOL, Scorer(), GRAPH, starts_at(begin), calls, BATCH)(KEYS, 1, (), KNOWN)
  for row, *each in zip(found.ids, begin, LABELLED, SCORES, strict=True):
    scored = simulated(*each, calls)
    assert len(scored) == calls
    assert row.tolist() == sorted(scored, key=lambda i: -each[2][i])[:BATCH]
  assert found.calls.tolist() == [calls] * SEEDS


def test_seeds_do_not_depend_on_those_beside_them():
  make = lambda: walk.walk(POOL, Scorer(), GRAPH, walk.near_labelled(GRAPH, 5), 40, BATCH)  # noqa: E731
  together = make()(KEYS, 3, (), KNOWN)
  again = walk.walk(POOL, Scorer(), GRAPH, walk.near_labelled(GRAPH, 5), 40, BATCH)(KEYS, 3, (), KNOWN)
  np.testing.assert_array_equal(together.ids, again.ids)
  assert not np.array_equal(together.ids, make()(KEYS, 4, (), KNOWN).ids)


def test_where_the_graph_ends_random_samples_are_scored():
  islands = np.full((N, K), -1, np.int32)
  found = walk.walk(POOL, Scorer(), islands, starts_at(np.full((SEEDS, 1), -1)), 25, BATCH)(
    KEYS, 1, (), KNOWN
  )
  assert found.calls.tolist() == [25] * SEEDS
  for row, labelled in zip(found.ids, LABELLED, strict=True):
    assert len({*row.tolist()} - {*labelled.tolist()}) == BATCH


def test_a_pool_that_is_nearly_labelled():
  rest = np.array([3, 77, 200, 399])
  labelled = np.setdiff1d(np.arange(N), rest).astype(np.int32)[None].repeat(SEEDS, 0)
  known = LabelledSet(labelled, np.arange(labelled.shape[1], dtype=np.int32)[None].repeat(SEEDS, 0) % 2)
  for query in (
    walk.walk(POOL, Scorer(), GRAPH, walk.near_labelled(GRAPH, 5), 40, BATCH),
    balanced_walk(POOL, Scorer(), GRAPH, FEATURES, 2, 40, BATCH),
    walk.seals(POOL, Scorer(), GRAPH, BATCH),
  ):
    found = query(KEYS, 1, (), known)
    np.testing.assert_array_equal(np.sort(found.ids, axis=1), rest[None].repeat(SEEDS, 0))
    assert found.calls.tolist() == [4] * SEEDS


def test_seals_scores_all_neighbours_of_the_labelled():
  found = walk.seals(POOL, Scorer(), GRAPH, BATCH)(KEYS, 1, (), KNOWN)
  for row, calls, labelled, scores in zip(*found, LABELLED, SCORES, strict=True):
    near = np.setdiff1d(GRAPH[labelled], labelled)
    assert calls == len(near)
    assert row.tolist() == near[np.argsort(-scores[near])][:BATCH].tolist()


def test_near_labelled_are_unlabelled_neighbours_of_the_labelled():
  found = walk.near_labelled(GRAPH, 12)(KEYS, 1, (), KNOWN)
  for row, labelled in zip(found, LABELLED, strict=True):
    assert len(set(row.tolist())) == 12
    assert set(row.tolist()) <= set(GRAPH[labelled].ravel().tolist()) - set(labelled.tolist())


def test_many_samples_are_scored_in_few_widths(monkeypatch):
  monkeypatch.setattr(walk, "WIDEST", 32)
  scorer = Scorer()
  found = walk.walk(POOL, scorer, GRAPH, walk.drawn(N, 150), 200, BATCH)(KEYS, 1, (), KNOWN)
  assert found.calls.tolist() == [200] * SEEDS
  assert set(scorer.widths) <= {16, 32}


@pytest.mark.parametrize(
  ("counts", "expected"),
  [
    # An equal share of 100 is 50: 1 - (0 + 2) / 50, and 1 - (4 + 2 sqrt(5)) / 50.
    ((0, 100), (0.96, 0)),
    ((4, 96), (1 - (4 + 2 * 5**0.5) / 50, 0)),
    ((40, 60), (0, 0)),
    ((10,) * 10, (0,) * 10),
    ((0, 30, 30), (0.9, 0, 0)),
  ],
)
def test_shortage(counts, expected):
  np.testing.assert_allclose(shortage(np.array(counts)), expected)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_balanced_counts_are_hardly_a_shortage(classes):
  counts = np.random.default_rng(0).multinomial(100, [1 / classes] * classes, size=2_000)
  assert np.mean([shortage(row).sum() for row in counts]) < 0.1


def test_a_balanced_walk_finds_the_rare_class_near_its_labelled_samples():
  rare = np.flatnonzero(CLASSES[0])
  assert 10 < len(rare) < 40
  labelled = np.r_[rare[:1], np.flatnonzero(CLASSES[0] == 0)[:7]].astype(np.int32)[None].repeat(SEEDS, 0)
  known = LabelledSet(labelled, np.take_along_axis(CLASSES, labelled, axis=1))
  found = balanced_walk(POOL, Scorer(), GRAPH, FEATURES, 2, 60, 10)(KEYS, 1, (), known)
  plain = walk.walk(POOL, Scorer(), GRAPH, walk.drawn(N, 60), 60, 10)(KEYS, 1, (), known)
  assert found.calls.tolist() == [60] * SEEDS
  share = [np.isin(ids, rare).mean() for ids in (found.ids, plain.ids)]
  assert share[0] == 0.5
  assert share[1] < 0.3


@pytest.mark.parametrize("labels", [0, -1])
def test_while_a_class_has_no_label_half_of_the_batch_is_spread(labels):
  assert SPREAD > N  # So that all of the pool is compared.
  known = LabelledSet(LABELLED, np.full_like(LABELLED, labels))
  found = balanced_walk(POOL, Scorer(), GRAPH, FEATURES, 2, 60, BATCH)(KEYS, 1, (), known)
  assert found.calls.tolist() == [60] * SEEDS
  for row, labelled in zip(found.ids, LABELLED, strict=True):
    rest = np.setdiff1d(np.arange(N), labelled)
    far = {*rest[k_centre(FEATURES[rest], FEATURES[labelled], np.arange(0), BATCH // 2)].tolist()}
    assert {*row[: BATCH // 2].tolist()} == far
    assert len({*row.tolist()} - {*labelled.tolist()}) == BATCH


def test_matches_take_the_place_of_what_is_far_and_are_starts():
  matched = np.stack([np.setdiff1d(np.arange(N), row)[-BATCH:] for row in LABELLED])
  query = balanced_walk(POOL, Scorer(), GRAPH, FEATURES, 2, 60, BATCH, starts_at(matched))
  found = query(KEYS, 1, (), LabelledSet(LABELLED, np.zeros_like(LABELLED)))
  np.testing.assert_array_equal(found.ids[:, : BATCH // 2], matched[:, : BATCH // 2])
  assert found.calls.tolist() == [60] * SEEDS
