"""TFDS data sets of any size as pools: images are decoded when they are read, and copied neither to memory nor disk."""

import hashlib
import json
import os
import pathlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int, Int32, UInt8

from asal_jax import interrupts, processes
from asal_jax.errors import InputError
from asal_jax.pools.kinds import check_ids
from asal_jax.pools.sources import open_tfds, told
from asal_jax.store.checkpoint import Cache
from asal_jax.store.files import save_array
from asal_jax.types import Data, Splits

PART = 256
"""Records decoded at a time: what lies in memory, or is passed on by a worker process, is small."""

LONG = 131_072
"""Images a pass must have ahead for worker processes: starting them takes the time of tens of thousands."""

MOST_WORKERS = 8

Decode = Callable[[dict[str, Any]], UInt8[np.ndarray, "h w c"]]
"""A record as TFDS gives it to its image; a function of a module, so that worker processes find it."""


def image_of(record: dict[str, Any]) -> UInt8[np.ndarray, "h w c"]:
  """The image of a record, as it is."""
  return record["image"]


def label_of(record: dict[str, Any]) -> int:
  """The label of a record of a classification data set."""
  return int(record["label"])


class Reader:
  """Decodes records of a TFDS data source to images of one shape, that of the first."""

  def __init__(self, name: str, source: Any, decode: Decode):
    self.name, self.source, self.decode = name, source, decode
    with told(name):
      self.shape = tuple(decode(source[0]).shape)

  def read(self, ids: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n h w c"]:
    """The images of `ids`; InputError where a record can not be read or its image has another shape."""
    images = np.empty((len(ids), *self.shape), np.uint8)
    for start in range(0, len(ids), PART):
      part = ids[start : start + PART].tolist()
      with told(self.name):
        records = self.source.__getitems__(part)
        for row, (i, record) in enumerate(zip(part, records, strict=True), start):
          image = self.decode(record)
          if image.shape != self.shape or image.dtype != np.uint8:
            raise InputError(
              f"data.name: record {i} of '{self.name}' is {image.dtype} {list(image.shape)}; needed is uint8 "
              f"{list(self.shape)}, as record 0"
            )
          images[row] = image
    return images


class Parts:
  """The images of `ids`, so many at a time, by index: what grain reads from."""

  def __init__(self, reader: Reader, ids: Int[np.ndarray, " n"] | range, size: int):
    self.reader, self.ids, self.size = reader, ids, size

  def __len__(self) -> int:
    return -(-len(self.ids) // self.size)

  def __getitem__(self, index: int) -> UInt8[np.ndarray, "m h w c"]:
    return self.reader.read(np.asarray(self.ids[index * self.size : (index + 1) * self.size]))


def parts_ahead(parts: Parts, workers: int, threads: int = 0) -> Any:
  """An iterator over `parts` in order, by grain's worker processes and threads; to be closed."""
  # Takes a second, and only long passes need it.
  import grain
  from absl import flags

  # grain reads its settings from absl's flags, which nobody parses where this is used as a library.
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()
  reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
  ordered = grain.MapDataset.source(parts).to_iter_dataset(reading)
  # Parts come through pipes: shared memory is 64 MiB in a container, and what a left pass has there stays.
  piped = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
  ordered = grain.experimental.WithOptionsIterDataset(ordered, piped)
  processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
  return iter(ordered.mp_prefetch(processes, worker_init_fn=interrupts.ignore))


class _Pass:
  """Images in order from id `start` on, decoded ahead by worker processes."""

  def __init__(self, reader: Reader, start: int, stop: int, workers: int):
    self.start, self.images = start, np.empty((0, *reader.shape), np.uint8)
    self.parts = parts_ahead(Parts(reader, range(start, stop), PART), workers)

  def has(self, start: int) -> bool:
    """Whether `take` may go on at id `start`: inside what it took last, or right behind it."""
    return self.start <= start <= self.start + len(self.images)

  def take(self, start: int, stop: int) -> UInt8[np.ndarray, "m h w c"]:
    """The images of ids start..stop-1; those from `start` on are kept until the next."""
    pieces = [self.images[start - self.start :]]
    while sum(map(len, pieces)) < stop - start:
      pieces.append(next(self.parts))
    self.start, self.images = start, np.concatenate(pieces)
    return self.images[: stop - start]


class RecordPool:
  """The images of a TFDS data source (`open_tfds`), decoded when they are read.

  Random ids are decoded in this process. Long passes over blocks in order are decoded ahead by `workers` processes,
  which grain feeds; they start with the second block, so a pass may begin anywhere. `decode` makes an image of a
  record; all must have the shape of the first.

  Raises:
    InputError: a record can not be read, or its image has another shape.
  """

  resident = None

  def __init__(self, name: str, source: Any, decode: Decode = image_of, workers: int | None = None):
    self.source, self.reader = source, Reader(name, source, decode)
    self.image_shape, self.made_from = self.reader.shape, f"{describe(source)} {decode.__name__}"
    self.workers = default_workers() if workers is None else workers
    self._lock, self._ended = threading.Lock(), -1
    self._pass: _Pass | None = None

  def __len__(self) -> int:
    return len(self.source)

  def fingerprint(self) -> str:
    """A hash of what the set says it is; no image is read."""
    return hashlib.blake2b(self.made_from.encode(), digest_size=8).hexdigest()

  def read(self, ids: Int[np.ndarray, "*batch"]) -> UInt8[np.ndarray, "*batch h w c"]:
    """The images of `ids`, each decoded once, in the order in which they lie."""
    ids = np.asarray(ids, np.int32)
    check_ids(ids, len(self))
    distinct, places = np.unique(ids, return_inverse=True)
    return self.reader.read(distinct)[places.reshape(ids.shape)]

  def block(self, start: int, stop: int) -> UInt8[np.ndarray, "m h w c"]:
    """The images of ids start..stop-1, decoded ahead where blocks follow each other in a long pass."""
    with self._lock:
      if self._pass is not None and not self._pass.has(start):
        self._stop()
      goes_on, self._ended = start == self._ended, stop
      if self._pass is None and goes_on and self.workers and len(self) - start >= LONG:
        self._pass = _Pass(self.reader, start, len(self), self.workers)
      if self._pass is None:
        return self.reader.read(np.arange(start, stop))
      try:
        images = self._pass.take(start, stop)
      except BaseException:
        self._stop()
        raise
      if stop == len(self):
        self._stop()
      return images

  def _stop(self) -> None:
    """Ends the worker processes."""
    assert self._pass is not None
    self._pass.parts.close()
    self._pass = None


def describe(source: Any) -> str:
  """What a TFDS data source says it is, as JSON: set, version, split, and the sizes of the set's files."""
  info = source.dataset_info
  files = {name: [split.num_bytes, list(split.shard_lengths)] for name, split in info.splits.items()}
  about = [info.name, info.config_name, str(info.version), str(source.split), len(source), files]
  return json.dumps(about, sort_keys=True)


def default_workers() -> int:
  """Worker processes of a pass: two cores stay with the rest of the job.

  None where the main module is a script: each would run it once more, which only a command (`python -m`) and an
  interactive session are known to bear.
  """
  main = sys.modules["__main__"]
  if getattr(main, "__spec__", None) is None and hasattr(main, "__file__"):
    return 0
  return max(0, min(MOST_WORKERS, (os.cpu_count() or 1) - 2))


def open_splits(
  name: str, parts: tuple[str, ...], class_names: tuple[str, ...], cache: pathlib.Path | None,
  decode: Decode = image_of, label: Callable[[dict[str, Any]], int] = label_of, asked: str = "label",
) -> Splits:  # fmt: skip
  """A TFDS data set whose pool and validation set are `RecordPool`s; labels and test images are kept in the cache.

  Args:
    name: of the data set.
    parts: pool, test and (where there is one) validation set as TFDS's splits, 'train[:50000]' for instance.
    class_names: of the labels.
    cache: where what is read once is kept; None: it is read each time.
    decode: a record's image.
    label: a record's label, asked of records whose images are not decoded.
    asked: what `label` asks for, which tells labels apart in the cache.

  Raises:
    InputError: as `open_tfds` and `RecordPool`.
  """
  plain, sources = open_tfds(name, parts, images=False), open_tfds(name, parts)
  pools = [RecordPool(name, source, decode) for source in sources]
  pool, test, *rest = (
    Data(pool, _read_labels(pool, records, label, asked, cache))
    for pool, records in zip(pools, plain, strict=True)
  )
  made_from = {"of": test.images.made_from}
  images = _kept(cache, f"{name}_images", made_from, lambda: test.images.block(0, len(test.images)))
  return Splits(pool, test._replace(images=images), class_names, rest[0] if rest else None)


def _read_labels(
  pool: RecordPool,
  source: Any,
  label: Callable[[dict[str, Any]], int],
  asked: str,
  cache: pathlib.Path | None,
) -> Int32[np.ndarray, " n"]:
  """The labels of a pool, from its records with images undecoded; kept in the cache."""

  def make() -> Int32[np.ndarray, " n"]:
    with told(pool.reader.name):
      parts = (range(n, min(n + PART, len(source))) for n in range(0, len(source), PART))
      return np.array([label(record) for part in parts for record in source.__getitems__(part)], np.int32)

  made_from = {"of": pool.made_from, "asked": asked}
  return np.array(_kept(cache, f"{pool.reader.name}_labels", made_from, make))


def _kept(
  cache: pathlib.Path | None, kind: str, made_from: dict[str, Any], make: Callable[[], np.ndarray]
) -> np.ndarray:
  """The memory map of an array in the cache, made there first."""
  if cache is None:
    return make()
  keep = processes.by_writer(lambda folder: save_array(folder / "array.npy", make()))
  folder = Cache(cache).once(kind, made_from, keep)
  return np.load(folder / "array.npy", mmap_mode="r")
