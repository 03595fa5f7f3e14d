"""AnchorAL against brute force."""

import numpy as np

from asal_jax.acquisition import anchors
from asal_jax.acquisition.anchors import ANCHORS, anchoral, draw_anchors, nearest_on_average
from asal_jax.pools.kinds import MappedPool
from asal_jax.rng import seed_keys
from asal_jax.search.exact import ExactIndex
from asal_jax.types import LabelledSet

N, SEEDS, BATCH = 300, 2, 4
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(N, 3)).astype(np.float32)
POOL = MappedPool(np.arange(N, dtype=np.uint16).view(np.uint8).reshape(N, 1, 2, 1))
SCORES = RNG.normal(size=N).astype(np.float32)
LABELLED = np.stack([RNG.permutation(N)[:9] for _ in range(SEEDS)]).astype(np.int32)
LABELS = np.array([[0, 0, 0, 0, 0, 1, 1, 2, -1]] * SEEDS, np.int32)


def predict(params, images):
  ids = np.ascontiguousarray(images).reshape(*images.shape[:2], 2).view(np.uint16)[..., 0].astype(int)
  return SCORES[ids], np.zeros(ids.shape, np.int32)


def test_it_asks_for_the_most_uncertain_near_labelled_samples(monkeypatch):
  monkeypatch.setattr(anchors, "NEAREST", 7)
  query = anchoral(POOL, predict, FEATURES, ExactIndex.build(FEATURES), 20, BATCH)
  found = query(seed_keys((0, 1)), 1, (), LabelledSet(LABELLED, LABELS))
  for row, calls, labelled in zip(*found, LABELLED, strict=True):
    rest = np.setdiff1d(np.arange(N), labelled)
    retrieved: dict[int, list[float]] = {}
    # Fewer labelled samples than anchors: all are, but for the one that was rejected.
    for anchor in labelled[:-1]:
      distances = np.linalg.norm(FEATURES[rest] - FEATURES[anchor], axis=1)
      for at in np.argsort(distances)[:7]:
        retrieved.setdefault(int(rest[at]), []).append(float(distances[at]))
    near = sorted(retrieved, key=lambda i: np.mean(retrieved[i]))[:20]
    assert calls == 20
    assert row.tolist() == sorted(near, key=lambda i: -SCORES[i])[:BATCH]


def test_anchors_are_of_every_class_and_few():
  labels = np.array([0] * 40 + [1] * 3 + [-1] * 5, np.int32)
  found = draw_anchors(np.random.default_rng(0), FEATURES[:48], labels)
  assert found.shape == (ANCHORS + 3, 3)
  rows = [int(np.argmin(np.linalg.norm(FEATURES - row, axis=1))) for row in found]
  assert len(set(rows)) == len(rows)
  assert {0, 1} == set(labels[rows])


def test_mean_distances_are_over_the_anchors_that_found_a_sample():
  distances = np.array([[1.0, 2.0, np.inf], [4.0, 1.5, 9.0]], np.float32)
  ids = np.array([[5, 3, -1], [5, 3, 8]], np.int32)
  assert nearest_on_average(distances, ids, 2) == [3, 5]
  assert nearest_on_average(distances, ids, 9) == [3, 5, 8]


def test_without_a_label_samples_are_random():
  query = anchoral(POOL, predict, FEATURES, ExactIndex.build(FEATURES), 20, BATCH)
  found = query(seed_keys((0, 1)), 1, (), LabelledSet(LABELLED, np.full_like(LABELS, -1)))
  assert found.calls.tolist() == [BATCH] * SEEDS
