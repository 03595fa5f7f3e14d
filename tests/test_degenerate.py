"""Whole runs on pools that are hardly one: they work, or one line names the field and what to do."""

import numpy as np
import pytest
import tiny

import asal_jax
from asal_jax import InputError
from asal_jax.search.features import leading_eigenvectors
from asal_jax.types import Data, Splits

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
HALVES = np.arange(40, dtype=np.int32) % 2
SMALL = {
  "gan.loss": "dcgan", "gan.looks": 0, "gan.iterations": 2, "gan.batch_size": 4, "gan.generator_batch_size": 4,
  "gan.critic_steps": 1, "autoencoder.epochs": 1, "autoencoder.batch_size": 10, "classifier.epochs": 1,
  "loop.start": 4, "loop.per_cycle": 3, "loop.budget": 10, "features.dimensions": 5, "index.name": "exact",
  "data.classes": (), "subpool": 8, "synthesis.ascent_steps": 2, "walk.neighbours": 3,
}  # fmt: skip


def run(folder, strategies, images, labels, classes=2, **overrides):
  """The metrics of the last cycle, by strategy and seed; what every run must keep is checked."""
  config = tiny.config(strategies=strategies, **(SMALL | overrides))
  names = ("a", "b", "c")[:classes]
  splits = Splits(Data(images, labels), Data(IMAGES[:6], HALVES[:6]), names)
  result = asal_jax.run(config, splits, workdir=folder)
  last = {(r["strategy"], r["seed"]): r for r in result.records}
  assert set(last) == {(name, seed) for name in strategies for seed in (0, 1)}
  for record in last.values():
    assert record["labels"] == sum(record["label_counts"]) == 10
    assert np.isfinite(record["test_accuracy"])
    assert 0 <= record["new_entropy"] <= np.log(classes) + 1e-6
  return last


ALL = ("asal_pixels_rescore5", "asal_critic", "asal_autoencoder", "coreset")


@pytest.mark.parametrize(
  ("gray", "strategies"), [(128, ALL), pytest.param(0, ("entropy", "asal_pixels"), marks=pytest.mark.slow)]
)
def test_identical_images(tmp_path, gray, strategies):
  """Every covariance is zero, every distance the same, every score a tie."""
  images = np.full_like(IMAGES, gray)
  run(tmp_path, strategies, images, HALVES, **{"index.name": "kdtree" if gray else "exact_int8"})


def test_fewer_points_than_components_and_neighbours_and_no_more_than_the_budget(tmp_path):
  images = IMAGES[:10].copy()
  # A feature that never changes.
  images[:, 0] = 7
  strategies = ("entropy", "asal_pixels_walk5", "badge", "anchoral")
  settings = {"features.dimensions": 50, "index.n_neighbors": 30, "walk.neighbours": 20}
  last = run(tmp_path, strategies, images, HALVES[:10], **settings)
  # All is labelled at the end, whoever asked.
  assert all(record["label_counts"] == [5, 5] for record in last.values())


@pytest.mark.slow
def test_classes_that_the_start_set_misses(tmp_path):
  labels = np.zeros(40, np.int32)
  labels[39] = 2
  last = run(
    tmp_path,
    ("entropy", "asal_pixels"),
    IMAGES,
    labels,
    3,
    **{"loop.start_set": "random", "index.name": "kdtree"},
  )
  # Of class b there is none, of c one: whoever is right about it has labelled it.
  assert all(record["label_counts"][1] == 0 and record["label_counts"][2] <= 1 for record in last.values())


@pytest.mark.parametrize(
  ("images", "labels", "settings", "told"),
  [
    (IMAGES, 0 * HALVES, {}, r"^loop.start: .* pool has \[40, 0\]: .*loop.start_set=random"),
    (IMAGES[:9], HALVES[:9], {}, r"^loop.budget: found 10; the pool has 9 samples"),
    (IMAGES, HALVES, {"loop.start": 1, "loop.budget": 10}, r"^loop.start: found 1; needed is one label for each of 2"),
  ],
  ids=["one class", "beyond the pool", "fewer than classes"],
)  # fmt: skip
def test_what_cannot_work_is_told(tmp_path, images, labels, settings, told):
  with pytest.raises(InputError, match=told):
    run(tmp_path, ("random",), images, labels, **settings)


@pytest.mark.parametrize("null", ["all", "ones"])
def test_components_where_lanczos_cannot_begin(null):
  """Of a matrix that maps ones to zero; its others are known."""
  rng = np.random.default_rng(1)
  centred = np.eye(40) - 1 / 40
  basis = np.linalg.qr(centred @ rng.normal(size=(40, 3)))[0]
  values = np.array([5.0, 3.0, 1.0]) * (null == "ones")
  found = leading_eigenvectors((basis * values @ basis.T).astype(np.float32), 3)
  np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-5)
  if null == "ones":
    np.testing.assert_allclose(np.abs(found.T @ basis), np.eye(3), atol=1e-4)
