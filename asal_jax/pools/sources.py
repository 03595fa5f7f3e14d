"""Reading of tensorflow-datasets: prepared folders are read without TensorFlow, preparing one needs it."""

import contextlib
import importlib.util
import os
import pathlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.pools import png
from asal_jax.store.checkpoint import Cache
from asal_jax.store.files import save_array
from asal_jax.types import Data

PART = 500
"""Records decoded at a time by `read_tfds`."""


def _folder() -> str:
  return os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")


@contextlib.contextmanager
def told(name: str) -> Iterator[None]:
  """Turns whatever goes wrong inside tensorflow-datasets into one line that says what to do."""
  try:
    yield
  except InputError:
    raise
  except Exception as error:
    reason = str(error).strip().split("\n")[0]
    raise InputError(
      f"data.name: tensorflow-datasets can not read or prepare '{name}' as array_record in {_folder()} ({reason}); "
      "set TFDS_DATA_DIR to a folder that holds it, or remove what is broken there"
    ) from error


def open_tfds(name: str, parts: tuple[str, ...], images: bool = True) -> list[Any]:
  """Opens splits of a TFDS data set as TFDS's random-access data sources, of which nothing is in memory.

  The set is looked for in `TFDS_DATA_DIR` (~/tensorflow_datasets by default) and prepared there once. Without
  `images` those of the records stay encoded.

  Raises:
    InputError: the set is not there and TensorFlow, which preparing needs, is missing; or it can not be read.
  """
  import tensorflow_datasets as tfds

  with told(name):
    builder: Any = tfds.builder(name, data_dir=_folder(), file_format="array_record")
    if not builder.is_prepared():
      if importlib.util.find_spec("tensorflow") is None:
        raise InputError(
          f"data.name: '{name}' is not prepared in {_folder()}, and preparing it needs TensorFlow: set "
          "TFDS_DATA_DIR to a folder that holds it as array_record, or pip install tensorflow-cpu and start again"
        )
      builder.download_and_prepare()
    decoders = None if images else {"image": tfds.decode.SkipDecoding()}
    return [builder.as_data_source(part, decoders=decoders) for part in parts]


def records(name: str, source: Any) -> Iterator[dict[str, Any]]:
  """The decoded records of a data source of `open_tfds`, one at a time; InputError as there."""
  for i in range(len(source)):
    with told(name):
      record = source[i]
    yield record


def read_tfds(name: str, parts: tuple[str, ...], cache: pathlib.Path | None = None) -> list[Data]:
  """Splits of a TFDS classification data set: images uint8 [n, h, w, c]; InputError as `open_tfds`.

  With a cache they are decoded once and read from there later, as memory maps, without TFDS.
  """
  if cache is None:
    return _decode(name, parts)

  @processes.by_writer
  def keep(folder: pathlib.Path) -> None:
    for part, data in zip(parts, _decode(name, parts), strict=True):
      save_array(folder / f"{part}_images.npy", data.images)
      save_array(folder / f"{part}_labels.npy", data.labels)

  folder = Cache(cache).once(name, {"tfds": name, "parts": list(parts)}, keep)
  return [
    Data(np.load(folder / f"{part}_images.npy", mmap_mode="r"), np.load(folder / f"{part}_labels.npy"))
    for part in parts
  ]


def _decode(name: str, parts: tuple[str, ...]) -> list[Data]:
  sources = open_tfds(name, parts)
  with told(name):
    return [_in_memory(source) for source in sources]


def _in_memory(source: Any) -> Data:
  """All records of a TFDS data source."""
  features, starts = source.dataset_info.features, range(0, len(source), PART)
  read = (source.data_source.__getitems__(range(len(source))[start : start + PART]) for start in starts)
  # Python's lock leaves no room for more than two.
  with ThreadPoolExecutor(2) as threads:
    images, labels = zip(*threads.map(lambda records: _read(features, records), read), strict=True)
  return Data(np.concatenate(images), np.concatenate(labels))


def _read(
  features: Any, records: Sequence[bytes]
) -> tuple[UInt8[np.ndarray, "n h w c"], Int32[np.ndarray, " n"]]:
  """Images and labels of serialised records, as TFDS reads them: record by record it takes four times as long."""
  from tensorflow_datasets.proto import tf_example_pb2

  proto: Any = tf_example_pb2  # Generated, without types.
  fields = [proto.Example.FromString(record).features.feature for record in records]
  files = [field["image"].bytes_list.value[0] for field in fields]
  images = png.decode(files)
  if images is None:
    images = np.stack([features["image"].decode_example_np(file) for file in files])
  return images, np.array([field["label"].int64_list.value[0] for field in fields], np.int32)
