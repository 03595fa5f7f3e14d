"""Kinds of pools: whatever holds the images, the same ids give the same images."""

import jax
import numpy as np
import pytest
from tfds_sets import cifar_records, write_tfds

from asal_jax import InputError
from asal_jax.pools.jitter import JitteredPool
from asal_jax.pools.kinds import ArrayPool, MappedPool, SubsetPool
from asal_jax.pools.records import RecordPool
from asal_jax.pools.sources import open_tfds
from asal_jax.store.checkpoint import fingerprint
from asal_jax.types import Pool

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 4, 5, 3), np.uint8)
ROWS = np.array([7, 3, 40, 3, 49])


def mapped(tmp_path, made_from=""):
  np.save(tmp_path / "images.npy", IMAGES)
  return MappedPool(np.load(tmp_path / "images.npy", mmap_mode="r"), made_from)


@pytest.fixture(params=["array", "mapped", "subset of array", "subset of mapped", "jittered", "records"])
def kind(request, tmp_path, monkeypatch):
  """(a pool, its images)."""
  if request.param == "records":
    records = cifar_records(IMAGES, np.zeros(50, int))
    monkeypatch.setenv("TFDS_DATA_DIR", str(write_tfds(tmp_path, "cifar10", {"train": records})))
    return RecordPool("cifar10", open_tfds("cifar10", ("train",))[0]), IMAGES
  base = mapped(tmp_path) if "mapped" in request.param else ArrayPool(IMAGES)
  if "subset" in request.param:
    return SubsetPool(base, ROWS), IMAGES[ROWS]
  return (JitteredPool(base, 50, seed=1), IMAGES) if request.param == "jittered" else (base, IMAGES)


def test_ids_and_blocks_give_the_images(kind):
  pool, images = kind
  n = len(images)
  assert isinstance(pool, Pool)
  assert len(pool) == n
  assert pool.image_shape == (4, 5, 3)
  np.testing.assert_array_equal(pool.block(0, n), images)
  np.testing.assert_array_equal(pool.block(1, 4), images[1:4])
  ids = np.random.default_rng(1).integers(0, n, (2, 3))
  read = pool.read(ids)
  assert read.dtype == np.uint8
  np.testing.assert_array_equal(read, images[ids])
  assert pool.read(np.zeros((0,), np.int32)).shape == (0, 4, 5, 3)
  if pool.resident is not None:
    np.testing.assert_array_equal(pool.resident, images)


@pytest.mark.parametrize("wrong", [-1, 50])
def test_ids_out_of_range_are_told(kind, wrong):
  pool, images = kind
  with pytest.raises(InputError, match=rf"pool: found id {wrong}; allowed are 0 to {len(images) - 1}"):
    pool.read(np.array([0, wrong]))


def test_only_an_array_is_on_the_device(kind):
  pool, _ = kind
  if pool.resident is not None:
    assert isinstance(pool.read(ROWS % 5), jax.Array)
    assert isinstance(pool.block(0, 2), jax.Array)


def test_fingerprints_tell_images_apart(tmp_path):
  array, other = ArrayPool(IMAGES), ArrayPool(255 - IMAGES)
  assert array.fingerprint() == mapped(tmp_path).fingerprint() == fingerprint(IMAGES)
  named = [mapped(tmp_path, "mnist train"), mapped(tmp_path, "mnist test")]
  subsets = [SubsetPool(array, ROWS), SubsetPool(array, ROWS[::-1]), SubsetPool(other, ROWS)]
  jittered = [JitteredPool(array, 60, 0), JitteredPool(array, 61, 0), JitteredPool(array, 60, 1),
              JitteredPool(array, 60, 0, flips=True), JitteredPool(other, 60, 0)]  # fmt: skip
  found = [pool.fingerprint() for pool in [array, other, *named, *subsets, *jittered]]
  assert len(set(found)) == len(found)
  assert mapped(tmp_path, "mnist train").fingerprint() == named[0].fingerprint()


def test_a_map_that_says_what_it_is_is_not_read():
  class Unreadable(np.ndarray):
    def __array__(self, *_):
      raise AssertionError("it was read")

  images = IMAGES.view(Unreadable)
  assert MappedPool(images, "mnist train").fingerprint()
