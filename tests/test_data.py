"""Data sets: sizes, the split, relabelling, and what a user is told."""

import importlib.util

import numpy as np
import pytest
from sklearn.datasets import load_digits as sklearn_digits

from asal_jax import Data, InputError
from asal_jax.data import DATA_SETS, check_data, keep_classes, load, load_digits, load_mnist, read_tfds, split

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
  assert keep_classes(splits, ()) is splits


@pytest.mark.parametrize(
  ("images", "labels", "message"),
  [
    (np.zeros((3, 2, 2, 1)), np.zeros(3, int), r"x.images: found float64 \[3, 2, 2, 1\]; needed is uint8"),
    (np.zeros((3, 2, 2), np.uint8), np.zeros(3, int), r"x.images: found uint8 \[3, 2, 2\]"),
    (np.zeros((0, 2, 2, 1), np.uint8), np.zeros(0, int), r"x.images: found uint8 \[0, 2, 2, 1\]"),
    (np.zeros((3, 2, 2, 1), np.uint8), np.zeros(4, int), r"x.labels: found int64 \[4\]; needed are 3 int"),
    (np.zeros((3, 2, 2, 1), np.uint8), np.zeros(3), r"x.labels: found float64 \[3\]"),
    (np.zeros((3, 2, 2, 1), np.uint8), np.array([0, -1, 1]), r"x.labels: .* integers from 0"),
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


def test_a_data_set_that_is_not_there(tmp_path, monkeypatch):
  # Told at once, before anything is downloaded.
  from tensorflow_datasets.core.download import download_manager

  def no_network(*_, **__):
    raise AssertionError("the network was asked")

  find_spec = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find_spec(name)
  )
  monkeypatch.setattr(download_manager.DownloadManager, "download", no_network)
  monkeypatch.setattr(download_manager.DownloadManager, "download_and_extract", no_network)
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  with pytest.raises(InputError) as error:
    read_tfds("mnist", ("train",))
  message = str(error.value)
  assert message.startswith(f"data.name: 'mnist' is not prepared in {tmp_path}")
  assert "set TFDS_DATA_DIR to a folder that holds it" in message
  assert "pip install tensorflow-cpu" in message
  assert "\n" not in message


def test_a_broken_data_set(tmp_path, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  with pytest.raises(
    InputError, match=r"^data.name: tensorflow-datasets can not read .*'no_such_set'.*\)"
  ) as error:
    read_tfds("no_such_set", ("train",))
  assert "\n" not in str(error.value)
