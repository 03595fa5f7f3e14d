"""What a user is told of TFDS data sets that are not there or broken."""

import importlib.util

import pytest

from asal_jax import InputError
from asal_jax.pools.sources import read_tfds


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
