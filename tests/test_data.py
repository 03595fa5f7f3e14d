"""Data sets: sizes, the split, relabelling, and what a user is told."""

import pathlib

import numpy as np
import pytest
import tiny
from sklearn.datasets import load_digits as sklearn_digits

from asal_jax import Data, InputError, Splits, job
from asal_jax.pools.data import (
  DATA_SETS,
  check_data,
  keep_classes,
  keep_fractions,
  load,
  load_cifar10,
  load_digits,
  load_mnist,
  read,
  split,
)

# Samples of each digit in the original files (LeCun, Cortes, Burges).
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def numbered(n, classes=3):
  """Data whose image i says i."""
  images = np.zeros((n, 2, 2, 1), np.uint8)
  images[:, 0, 0, 0], images[:, 0, 1, 0] = np.arange(n) % 256, np.arange(n) // 256
  return Data(images, (np.arange(n) % classes).astype(np.int32))


def numbers(data):
  return (data.images[:, 0, 0, 0] + 256 * data.images[:, 0, 1, 0].astype(int)).tolist()


@pytest.mark.parametrize(("n", "test"), [(1_000, 200), (11, 3), (1_797, 360)])
def test_split_is_disjoint_and_complete(n, test):
  splits = split(numbered(n))
  assert len(splits.test.images) == test
  assert sorted(numbers(splits.pool) + numbers(splits.test)) == list(range(n))
  for part in (splits.pool, splits.test):
    np.testing.assert_array_equal(part.labels, np.array(numbers(part)) % 3)
  assert splits.class_names == ("0", "1", "2")
  assert numbers(split(numbered(n)).test) == numbers(splits.test)
  # Shuffled: not the first or the last fifth.
  assert numbers(splits.test) not in (list(range(test)), list(range(n - test, n)))


def test_split_keeps_names():
  assert split(numbered(20), ("a", "b", "c")).class_names == ("a", "b", "c")


def test_digits():
  splits, original = load_digits(), sklearn_digits()
  assert (len(splits.pool.images), len(splits.test.images)) == (1_437, 360)
  assert splits.pool.images.shape[1:] == (8, 8, 1)
  images = np.concatenate([splits.pool.images, splits.test.images])[..., 0]
  labels = np.concatenate([splits.pool.labels, splits.test.labels])
  assert images.dtype == np.uint8
  assert labels.dtype == np.int32
  assert images.max() == 255
  found = sorted(
    (*np.round(x.ravel() * (16 / 255)).astype(int), y) for x, y in zip(images, labels, strict=True)
  )
  expected = sorted((*x.astype(int), y) for x, y in zip(original.data, original.target, strict=True))
  assert found == expected


def test_what_is_known_of_digits_beforehand():
  splits, known = load("digits", ()), DATA_SETS["digits"]
  assert splits.pool.images.shape == (known.pool, *known.image_shape)
  assert len(splits.class_names) == known.classes


def test_keep_classes():
  splits = split(numbered(30, classes=4), ("a", "b", "c", "d"))
  kept = keep_classes(splits, (3, 1))
  assert kept.class_names == ("d", "b")
  for before, after in ((splits.pool, kept.pool), (splits.test, kept.test)):
    assert numbers(after) == [i for i in numbers(before) if i % 4 in (1, 3)]
    np.testing.assert_array_equal(after.labels, [{3: 0, 1: 1}[i % 4] for i in numbers(after)])
    check_data("kept", after)
  # Nothing is copied where nothing changes.
  assert keep_classes(splits, ()) is splits
  assert keep_classes(splits, (0, 1, 2, 3)) is splits
  assert keep_classes(splits, (1, 0, 2, 3)).class_names == ("b", "a", "c", "d")


def test_keep_fractions():
  splits = split(numbered(300))
  pool = np.array(numbers(splits.pool))
  rare = keep_fractions(splits, (0.1, 1.0, 0.5))
  kept = np.array(numbers(rare.pool))
  # Image i is of class i % 3.
  np.testing.assert_array_equal(rare.pool.labels, kept % 3)
  for label, fraction in enumerate((0.1, 1.0, 0.5)):
    assert np.sum(kept % 3 == label) == round(fraction * np.sum(pool % 3 == label))
  assert [i for i in pool if i in set(kept)] == kept.tolist()
  assert rare.test is splits.test
  assert rare.class_names == splits.class_names
  assert numbers(keep_fractions(splits, (0.1, 1.0, 0.5)).pool) == kept.tolist()
  # Not just the first of them.
  assert kept[kept % 3 == 0].max() > np.median(pool)


def test_shares_are_nested_and_classes_do_not_depend_on_each_other():
  splits = split(numbered(300))
  kept = [
    set(numbers(keep_fractions(splits, fractions).pool)) for fractions in ((0.1, 0.2, 1.0), (0.3, 0.2, 0.4))
  ]
  parts = [[{i for i in ids if i % 3 == label} for label in range(3)] for ids in kept]
  assert parts[0][0] < parts[1][0]
  assert parts[0][1] == parts[1][1]
  assert parts[0][2] > parts[1][2]


def test_no_share_empties_a_class_and_no_shares_keep_all():
  splits = split(numbered(30))
  assert np.bincount(keep_fractions(splits, (1e-9, 1.0, 1e-9)).pool.labels).tolist()[::2] == [1, 1]
  assert keep_fractions(splits, ()) is splits


def test_a_run_takes_shares_of_the_kept_classes_of_own_arrays(tmp_path):
  data = numbered(400, classes=4)
  splits = Splits(data, data, ("a", "b", "c", "d"))
  config = tiny.config(**{"data.classes": (2, 0), "data.pool_class_fractions": (0.25, 1.0)})
  loaded = job.load(config, splits, tmp_path)
  assert np.bincount(loaded.pool.labels).tolist() == [25, 100]
  kept = zip(numbers(read(loaded.pool)), loaded.pool.labels, strict=True)
  assert {i % 4 for i, label in kept if label == 0} == {2}
  assert np.bincount(loaded.test.labels).tolist() == [100, 100]


def test_a_large_map_stays_on_disk_and_holds_the_same(tmp_path):
  data = numbered(400, classes=4)
  np.save(tmp_path / "images.npy", data.images)
  mapped = data._replace(images=np.load(tmp_path / "images.npy", mmap_mode="r"))
  names = ("a", "b", "c", "d")
  settings = {"data.classes": (2, 0), "data.pool_class_fractions": (0.25, 1.0)}
  resident = job.load(tiny.config(**settings), Splits(mapped, data, names), tmp_path).pool
  on_disk = job.load(
    tiny.config(**settings, **{"data.resident_gib": 1e-7}), Splits(mapped, data, names), tmp_path
  ).pool
  assert resident.images.resident is not None
  assert on_disk.images.resident is None
  np.testing.assert_array_equal(read(on_disk).images, read(resident).images)
  np.testing.assert_array_equal(on_disk.labels, resident.labels)


def test_one_s_own_large_map_is_split_as_an_array_is(tmp_path):
  data = numbered(400, classes=3)
  np.save(tmp_path / "images.npy", data.images)
  mapped = data._replace(images=np.load(tmp_path / "images.npy", mmap_mode="r"))
  whole = job.load(tiny.config(**{"data.classes": ()}), data, tmp_path)
  parts = job.load(tiny.config(**{"data.resident_gib": 1e-7, "data.classes": ()}), mapped, tmp_path)
  assert parts.pool.images.resident is None
  np.testing.assert_array_equal(read(parts.pool).images, read(whole.pool).images)
  np.testing.assert_array_equal(parts.test.images, whole.test.images)
  np.testing.assert_array_equal(parts.pool.labels, whole.pool.labels)


def test_jittered_images_have_the_labels_of_their_originals(tmp_path):
  data = numbered(400, classes=3)
  loaded = job.load(tiny.config(**{"data.jitter": 1_000, "data.classes": ()}), data, tmp_path).pool
  originals = job.load(tiny.config(**{"data.classes": ()}), data, tmp_path).pool
  assert len(loaded.images) == len(loaded.labels) == 1_000
  np.testing.assert_array_equal(read(loaded).images[:320], read(originals).images)
  np.testing.assert_array_equal(loaded.labels[640:960], originals.labels)


def test_a_pool_too_small_after_its_shares_is_told_with_its_counts(tmp_path):
  # The digits have 1,437 samples, enough for the budget, until shares are taken.
  config = tiny.config(**{"data.pool_class_fractions": (0.01, 0.5)})
  job.check(config, "all", known=True)
  half = round(np.sum(load("digits").pool.labels == 8) / 2)
  with pytest.raises(InputError, match=rf"^loop.start: .* needs 5 of each class, the pool has \[1, {half}\]"):
    job.load(config, None, tmp_path)


@pytest.mark.parametrize(
  ("images", "labels", "message"),
  [
    (np.zeros((3, 2, 2, 1)), np.zeros(3, int), r"x.images: found float64 \[3, 2, 2, 1\]; needed is uint8"),
    (np.zeros((3, 2, 2), np.uint8), np.zeros(3, int), r"x.images: found uint8 \[3, 2, 2\]"),
    (np.zeros((0, 2, 2, 1), np.uint8), np.zeros(0, int), r"x.images: found uint8 \[0, 2, 2, 1\]"),
    (np.zeros((3, 2, 2, 1), np.uint8), np.zeros(4, int), r"x.labels: found int64 \[4\]; needed are 3 int"),
    (np.zeros((3, 2, 2, 1), np.uint8), np.zeros(3), r"x.labels: found float64 \[3\]"),
    (np.zeros((3, 2, 2, 1), np.uint8), np.array([0, -2, 1]), r"x.labels: .* integers from 0, or -1"),
  ],
)
def test_bad_data(images, labels, message):
  with pytest.raises(InputError, match=message):
    check_data("x", Data(images, labels))


def test_mnist(tfds_data_dir):
  splits = load_mnist()
  assert [len(d.labels) for d in (splits.pool, splits.validation, splits.test)] == [50_000, 10_000, 10_000]
  for data in (splits.pool, splits.validation, splits.test):
    assert data.images.shape == (len(data.labels), 28, 28, 1)
    check_data("mnist", data)
  counts = [np.bincount(d.labels) for d in (splits.pool, splits.validation, splits.test)]
  np.testing.assert_array_equal(counts[0] + counts[1], MNIST_TRAIN)
  np.testing.assert_array_equal(counts[2], MNIST_TEST)
  # Real digits: ink on black.
  assert 0.1 < np.mean(splits.test.images) / 255 < 0.2
  two = keep_classes(splits, (5, 7))
  assert len(two.pool.labels) + len(two.validation.labels) == 5_421 + 6_265
  np.testing.assert_array_equal(np.bincount(two.test.labels), [892, 1_028])


def test_cifar10(tfds_data_dir):
  splits = load_cifar10()
  assert splits.validation is None
  for data, each in ((splits.pool, 5_000), (splits.test, 1_000)):
    assert data.images.shape == (10 * each, 32, 32, 3)
    check_data("cifar10", data)
    assert np.bincount(data.labels).tolist() == [each] * 10
  (names,) = pathlib.Path(tfds_data_dir).glob("cifar10/*/label.labels.txt")
  assert list(splits.class_names) == names.read_text().split()
  known = DATA_SETS["cifar10"]
  assert (*splits.pool.images.shape, len(splits.class_names)) == (
    known.pool,
    *known.image_shape,
    known.classes,
  )
  # The mean colour of the training images, as is widely quoted.
  np.testing.assert_allclose(splits.pool.images.mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-4)
  two = keep_classes(splits, (1, 7))
  assert two.class_names == ("automobile", "horse")
  assert (len(two.pool.labels), len(two.test.labels)) == (10_000, 2_000)
