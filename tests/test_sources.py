"""What a user is told of TFDS data sets that are not there or broken."""

import importlib.util

import numpy as np
import pytest
from tfds_sets import cifar_records, encoded, write_tfds

from asal_jax import InputError
from asal_jax.pools import sources
from asal_jax.pools.sources import open_tfds, read_tfds


def assert_as_tfds(name, part):
  """`read_tfds` gives what TFDS itself does, record by record."""
  (data,), (source,) = read_tfds(name, (part,)), open_tfds(name, (part,))
  records = [source[i] for i in range(len(source))]
  assert data.images.dtype == np.uint8
  assert data.labels.dtype == np.int32
  np.testing.assert_array_equal(data.images, [record["image"] for record in records])
  np.testing.assert_array_equal(data.labels, [record["label"] for record in records])


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_records_in_batches_are_those_of_tfds(tmp_path, monkeypatch, form):
  rng = np.random.default_rng(0)
  records = cifar_records(rng.integers(0, 256, (23, 32, 32, 3), np.uint8), rng.integers(0, 10, 23))
  # Of one record alone: a batch that is no longer all PNG.
  records[20]["image"] = encoded(rng.integers(0, 256, (32, 32, 3), np.uint8), form)
  monkeypatch.setenv("TFDS_DATA_DIR", str(write_tfds(tmp_path, "cifar10", {"train": records}, shards=3)))
  monkeypatch.setattr(sources, "PART", 5)
  assert_as_tfds("cifar10", "train")
  assert_as_tfds("cifar10", "train[4:17]")


def test_a_broken_record(tmp_path, monkeypatch):
  records = cifar_records(np.zeros((3, 32, 32, 3), np.uint8), np.arange(3))
  records[1]["image"] = records[1]["image"][:60]
  monkeypatch.setenv("TFDS_DATA_DIR", str(write_tfds(tmp_path, "cifar10", {"train": records})))
  with pytest.raises(InputError, match=r"^data.name: tensorflow-datasets can not read .*'cifar10'") as error:
    read_tfds("cifar10", ("train",))
  assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_real_records(tfds_data_dir, name):
  assert_as_tfds(name, "test[:1500]")


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
