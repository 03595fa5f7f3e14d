"""Embeddings of one's own in place of pixels: an .npy, a row an image, as a pool of images of 1x1 with d channels."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.pools.arrays import open_npy
from asal_jax.store import sheets
from asal_jax.store.checkpoint import Cache, fingerprint
from asal_jax.store.rows import RowWriter

RANGE = (-4.0, 4.0)
"""Standard deviations that bytes 0 and 255 stand for: the pool's pixel range."""

FIELD = "features.file"

BLOCK = 8192
"""Rows read at a time."""


def open_embeddings(path: str) -> Float[np.ndarray, "n d"]:
  """The memory map of an .npy of floats [n, d]; nothing is unpickled.

  Raises:
    InputError: it can not be read, or is something else.
  """
  values = open_npy(path, FIELD, "needed is an .npy of floats [n, d]")
  if values.dtype.kind != "f" or values.dtype.itemsize > 8 or values.ndim != 2 or 0 in values.shape:
    raise InputError(
      f"{FIELD}: {path} holds {values.dtype} {list(values.shape)}; needed is an .npy of floats [n, d], a row an image, "
      "of up to 64 bits"
    )
  return values


def load_embeddings(path: str, files: Sequence[str], cache: pathlib.Path) -> UInt8[np.ndarray, "n 1 1 d"]:
  """Each dimension standardised over all images, cut off at 4 standard deviations, as bytes; mapped, in the cache.

  Args:
    path: of the .npy; a CSV of the same name with a column `file` says whose its rows are, else they are those of
      `files`.
    files: of the images, sorted.
    cache: where the bytes are kept.

  Raises:
    InputError: as `open_embeddings`; there is no row for an image, or a value is not finite.
  """
  values = open_embeddings(path)
  rows, about = _rows(pathlib.Path(path), len(values), files), os.stat(path)
  of = [str(pathlib.Path(path).absolute()), about.st_size, about.st_mtime_ns, fingerprint(rows)]
  write = processes.by_writer(lambda folder: _write(path, values, rows, folder))
  folder = Cache(cache).once("embeddings", {"of": of}, write)
  return np.load(folder / "images.npy", mmap_mode="r")


def _rows(path: pathlib.Path, n: int, files: Sequence[str]) -> Int[np.ndarray, " n"]:
  """Which row of the .npy is each file's."""
  sheet = path.with_suffix(".csv")
  if not sheet.exists():
    if n != len(files):
      raise InputError(
        f"{FIELD}: {path} has {n:,} rows, there are {len(files):,} images; needed is one for each, in the order of the "
        f"sorted paths, or beside it {sheet.name} with a column file that says whose each row is"
      )
    return np.arange(n)
  lines = sheets.rows(sheet, FIELD)
  _, header = next(lines, (1, []))
  header = [cell.lower() for cell in header]
  if "file" not in header:
    raise InputError(f"{FIELD}: {sheet} has the columns {', '.join(header) or '(none)'}; needed is file")
  column = header.index("file")
  named = [cells[column] if len(cells) > column else "" for _, cells in lines]
  if len(named) != n or len({*named}) < len(named):
    raise InputError(
      f"{FIELD}: {sheet} names {len({*named}):,} files in {len(named):,} lines, {path.name} has {n:,} rows; needed is "
      "a line for each row, and no file twice"
    )
  places = {file: i for i, file in enumerate(named)}
  missing = [f"no line has {file}" for file in files if file not in places]
  if missing:
    raise InputError(f"{FIELD}: {sheet}: {sheets.several(missing)}; needed is a row for each image")
  return np.array([places[file] for file in files])


def _write(
  path: str, values: Float[np.ndarray, "m d"], rows: Int[np.ndarray, " n"], folder: pathlib.Path
) -> None:
  parts = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
  largest = np.max([np.abs(values[part]).max(axis=0) for part in parts], axis=0).astype(np.float64)
  if not np.isfinite(largest).all():
    raise InputError(
      f"{FIELD}: {path}: dimension {np.flatnonzero(~np.isfinite(largest))[0]} holds NaN or infinity; needed are numbers"
    )
  # A power of two rounds nothing, and in units of it no square is infinite, or 0 for being small.
  unit = np.ldexp(1.0, np.frexp(largest)[1] - 1)
  read = lambda part: np.asarray(values[part], np.float64) / unit  # noqa: E731
  mean = sum(read(part).sum(axis=0) for part in parts) / len(rows)
  variance = sum(((read(part) - mean) ** 2).sum(axis=0) for part in parts) / len(rows)
  deviation = np.where(variance > 0, np.sqrt(variance), 1.0)
  low, high = RANGE
  with RowWriter(folder / "images.npy", (len(rows), 1, 1, values.shape[1]), np.uint8) as file:
    file.keep(0)
    for part in parts:
      scaled = ((read(part) - mean) / deviation - low) * (255 / (high - low))
      file.append(np.clip(np.rint(scaled), 0, 255).astype(np.uint8)[:, None, None])
