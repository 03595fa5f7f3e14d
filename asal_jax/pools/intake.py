"""A folder of image files taken in once: decoded in parallel to a memory-mapped array in the cache.

An image is known by its path below the folder. What was taken in is remembered with each file's bytes and time of
change, so that a folder that has changed since is told and ids never shift unseen.
"""

import csv
import io
import itertools
import json
import os
import pathlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.pools.listing import SHOWN, Listing, changes, digest, left_out, list_images
from asal_jax.pools.photos import SUFFIXES, read_photo
from asal_jax.store.checkpoint import Cache, fingerprint
from asal_jax.store.files import (
  Damaged,
  append,
  read_records,
  read_sealed,
  sealed,
  set_aside,
  write_json,
  write_sealed,
  write_whole,
)
from asal_jax.store.progress import Progress, log
from asal_jax.store.rows import RowWriter
from asal_jax.store.space import check_disk

VERSION = 2
"""Raised when code changes what the same files make."""

BLOCK = 256
"""Images decoded at a time; a kill loses no more."""

MOST_THREADS = 16

MOST_BROKEN = 0.1
"""Share of a folder's files beyond which broken ones stop the run."""


class Photos(NamedTuple):
  """A folder's images u8[n s s 3], mapped, by their `files`, sorted; `skipped` are the others and why.

  `fingerprint` is of the images; `skipped_csv` names the skipped.
  """

  folder: pathlib.Path
  images: UInt8[np.ndarray, "n s s 3"]
  files: tuple[str, ...]
  skipped: dict[str, str]
  fingerprint: str
  skipped_csv: pathlib.Path


def take_in(
  folder: str, size: int, fit: str, cache: pathlib.Path, refresh: bool = False, field: str = "data.folder"
) -> Photos:
  """The images below `folder` as squares of `size`, from the cache, or decoded there first.

  An interrupted pass goes on behind its last block. Broken and absurd files are left out and named in skipped.csv.

  Args:
    folder: looked through recursively; hidden files and those of other kinds are left out.
    size: as of `read_photo`.
    fit: as of `read_photo`.
    cache: where all is kept.
    refresh: take the folder as it is, though it has changed since it was taken in; only what is new is decoded.
    field: of the config, that names the folder.

  Raises:
    InputError: there are no images, more than a tenth of them are broken, or files were added, removed or altered
      since the folder was taken in.
  """
  entry = pathlib.Path(processes.by_writer(_take_in)(folder, size, fit, pathlib.Path(cache), refresh, field))
  about = json.loads((entry / "about.json").read_text())
  images = np.load(entry / "images.npy", mmap_mode="r")
  where = pathlib.Path(folder).absolute()
  return Photos(
    where, images, tuple(about["files"]), about["skipped"], about["fingerprint"], entry / "skipped.csv"
  )


def skipped_csv(folder: str, cache: pathlib.Path) -> pathlib.Path:
  """Where the files are named that were left out of a folder when it was taken in last."""
  memory = _memory(pathlib.Path(folder).absolute(), Cache(cache))
  return pathlib.Path(cache) / read_sealed(memory)["entry"] / "skipped.csv"


def _memory(folder: pathlib.Path, store: Cache) -> pathlib.Path:
  """The file that says what a folder was when it was taken in last, and where its images are in the cache."""
  return store.folder("folder", {"folder": str(folder)}) / "latest.json"


def _remembered(memory: pathlib.Path) -> dict[str, Any] | None:
  """What `memory` says, or None; where it is damaged the folder is taken as it is."""
  try:
    return read_sealed(memory)
  except FileNotFoundError:
    return None
  except Damaged:
    set_aside(memory, "is damaged, or of an older version; the folder is taken as it is")
    return None


def _take_in(folder: str, size: int, fit: str, cache: pathlib.Path, refresh: bool, field: str) -> str:
  """The complete cache folder."""
  where, store = pathlib.Path(folder).absolute(), Cache(cache)
  _check_folder(folder, where, cache, field)
  listing, others = list_images(where, field)
  if not listing:
    raise InputError(
      f"{field}: found no image in {where}{left_out(others)}; allowed are files called {', '.join(SUFFIXES)}"
    )
  memory = _memory(where, store)
  latest = _remembered(memory) or {"entry": None, "listing": listing}
  if not refresh and (told := changes(latest["listing"], listing)):
    raise InputError(
      f"{field}: {where} has changed since its images were taken in: {told}; put that right, or take it as it is now "
      "with --config.data.refresh=True and a new --workdir: labels given so far carry over by "
      "--config.data.labels=OLD_WORKDIR/labels.csv"
    )
  made_from = {"folder": str(where), "size": size, "fit": fit, "version": VERSION}

  def make(entry: pathlib.Path) -> None:
    earlier = Earlier(store, latest, listing, made_from)
    check_disk(field, store.root, 2 * len(listing) * size * size * 3)
    _decode(where, list(listing), size, fit, entry, earlier, field)
    _finish(where, list(listing), entry, field, made_from)

  entry = store.once("photos", {**made_from, "listing": digest(listing)}, make)
  if latest != (now := {"entry": entry.name, "listing": listing}):
    with store.locked(memory.parent):
      memory.parent.mkdir(parents=True, exist_ok=True)
      write_sealed(memory, now)
  about = json.loads((entry / "about.json").read_text())
  skipped = f"; {len(about['skipped']):,} broken or absurd, named in {entry / 'skipped.csv'}"
  log.info(
    "%s: %d images of %s at %dx%d (%s)%s%s",
    field, len(about["files"]), where, size, size, fit, skipped if about["skipped"] else "", left_out(others),
  )  # fmt: skip
  return str(entry)


def _check_folder(folder: str, where: pathlib.Path, cache: pathlib.Path, field: str) -> None:
  if not folder or not where.is_dir():
    raise InputError(f"{field}: found {folder!r}; needed is a folder with images")
  if cache.resolve().is_relative_to(where.resolve()):
    raise InputError(
      f"{field}: {where} holds the cache {cache}, whose pictures would be taken for its own; choose another --workdir"
    )


class Earlier:
  """Images of files that have not changed since a folder was taken in by the same settings."""

  def __init__(self, store: Cache, latest: dict[str, Any], now: Listing, made_from: dict[str, Any]):
    self.rows: dict[str, int] = {}
    entry = store.root / (latest["entry"] or "none")
    whole = store.fault(entry) == ""
    about = json.loads((entry / "about.json").read_text()) if whole else {}
    if about.get("made_from") == made_from:
      before = latest["listing"]
      self.rows = {file: i for i, file in enumerate(about["files"]) if before[file] == now.get(file)}
      self.images = np.load(entry / "images.npy", mmap_mode="r")

  def get(self, file: str) -> UInt8[np.ndarray, "s s 3"] | None:
    """The image of a file, if it is known."""
    return self.images[self.rows[file]] if file in self.rows else None


def _decode(
  folder: pathlib.Path,
  files: list[str],
  size: int,
  fit: str,
  entry: pathlib.Path,
  earlier: Earlier,
  field: str,
) -> None:
  """Writes decoded.npy, black where a file is broken, and broken.jsonl, which says so; goes on with both."""
  if (entry / "decoded.npy").exists() or (entry / "images.npy").exists():
    return
  from PIL import Image

  Image.init()  # Not by all threads at once.

  def read(file: str) -> UInt8[np.ndarray, "s s 3"] | str:
    if (known := earlier.get(file)) is not None:
      return known
    try:
      with (folder / file).open("rb"):
        return read_photo(folder / file, size, fit)
    except OSError as error:  # It is not the image that is broken, and what is skipped stays so.
      raise InputError(
        f"{field}: can not open {folder / file} ({error.strerror}); make it readable, move or remove it, and start "
        "again"
      ) from error

  shape, black = (len(files), size, size, 3), np.zeros((size, size, 3), np.uint8)
  with (
    RowWriter(entry / "decoded.npy", shape, np.uint8) as decoded,
    Progress("reading images", len(files), unit="image") as progress,
    ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as threads,
    warnings.catch_warnings(),
  ):
    # Pillow has much to say of odd files; what matters is what comes of them.
    warnings.simplefilter("ignore")
    broken = entry / "broken.jsonl"
    if (known := _broken(broken)) is None:
      decoded.keep(0)
    write_whole(broken, "".join(_line(i, why) + "\n" for i, why in (known or {}).items() if i < decoded.rows))
    progress.update(decoded.rows)
    for start in range(decoded.rows, len(files), BLOCK):
      images = list(threads.map(read, files[start : start + BLOCK]))
      reasons = {i: reason for i, reason in enumerate(images, start) if isinstance(reason, str)}
      # First: a row that is there has its reason.
      append(broken, [_line(i, reason) for i, reason in reasons.items()])
      decoded.append(np.stack([black if isinstance(image, str) else image for image in images]))
      progress.update(len(images), broken=len(reasons))


def _line(row: int, reason: str) -> str:
  return sealed({"row": row, "reason": reason})


def _broken(path: pathlib.Path) -> dict[int, str] | None:
  """The reasons of broken.jsonl by their rows; None, and it is set aside, where one of them is damaged.

  A torn last line is of a writer who was killed before its row was written.
  """
  lines, damaged = read_records(path)
  if damaged:
    set_aside(path, f"line {damaged[0]} is damaged; all images are read again")
    return None
  return {line["row"]: line["reason"] for line in lines}


def _finish(
  folder: pathlib.Path, files: list[str], entry: pathlib.Path, field: str, made_from: dict[str, Any]
) -> None:
  """Of what `_decode` wrote: skipped.csv, then images.npy without the broken and about.json."""
  reasons = _broken(entry / "broken.jsonl") or {}
  skipped = {files[row]: reason for row, reason in sorted(reasons.items())}
  sheet = io.StringIO(newline="")
  csv.writer(sheet).writerows([("file", "reason"), *skipped.items()])
  write_whole(entry / "skipped.csv", sheet.getvalue())
  if len(skipped) > MOST_BROKEN * len(files):
    first = "; ".join(f"{file}: {reason}" for file, reason in itertools.islice(skipped.items(), SHOWN))
    raise InputError(
      f"{field}: {len(skipped):,} of {len(files):,} images in {folder} are broken or absurd, more than a tenth "
      f"({first}); all are named in {entry / 'skipped.csv'}: mend, move or remove them"
    )
  kept = np.array([row for row in range(len(files)) if row not in reasons])
  if not (entry / "images.npy").exists() and not skipped:
    os.replace(entry / "decoded.npy", entry / "images.npy")
  elif not (entry / "images.npy").exists():
    _copy(entry / "decoded.npy", kept, entry / "images.npy")
  images = np.load(entry / "images.npy", mmap_mode="r")
  about = {"made_from": made_from, "fingerprint": fingerprint(images), "skipped": skipped}
  write_json(entry / "about.json", {**about, "files": [files[row] for row in kept]})
  (entry / "decoded.npy").unlink(missing_ok=True)


def _copy(source: pathlib.Path, rows: np.ndarray, target: pathlib.Path) -> None:
  """The rows of one .npy file in a new one, a block at a time."""
  images = np.load(source, mmap_mode="r")
  with RowWriter(target, (len(rows), *images.shape[1:]), images.dtype) as file:
    for start in range(file.rows, len(rows), BLOCK):
      file.append(images[rows[start : start + BLOCK]])
