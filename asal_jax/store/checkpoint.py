"""What is kept on disk: train states (orbax) and the cache of everything made once, under a hash of its makers."""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from asal_jax import devices, processes
from asal_jax.errors import InputError
from asal_jax.store import sums
from asal_jax.store.files import Damaged, log, read_sealed, set_aside, write_sealed
from asal_jax.store.lock import held

FORMAT = 1
"""Of made_from.json, and of a checkpoint's checksums."""

MADE_FROM = "made_from.json"


def fingerprint(images: np.ndarray) -> str:
  """A hash of the images (never of labels): what is made from a pool depends on it alone."""
  digest = hashlib.blake2b(np.ascontiguousarray(images).data, digest_size=8)
  digest.update(str(images.shape).encode())
  return digest.hexdigest()


def fault_of(path: pathlib.Path, folder: pathlib.Path) -> str | None:
  """What is wrong with the files of `folder` by the sealed list at `path`; None where there is no list."""
  try:
    about = read_sealed(path)
  except (FileNotFoundError, NotADirectoryError):
    return None
  except Damaged:
    return f"{path.name} is damaged, or of an older version"
  if about["format"] != FORMAT:
    return f"{path.name} is of format {about['format']}, this version reads {FORMAT}"
  return sums.fault(folder, about["files"])


class Cache:
  """Folders named by kind and by a hash of what made them, which several runs share.

  A folder with `made_from.json` is complete: that lists all its files with bytes and checksums. A run reads every file
  of a folder once, before it uses it; where one is missing or not what was written the folder is set aside, not
  deleted, and made again. Folders without such a list are unfinished: who makes them goes on with what is there. What
  is complete is only read: it may lie where nobody can write.
  """

  def __init__(self, root: pathlib.Path):
    self.root = pathlib.Path(root)

  def folder(self, kind: str, made_from: dict[str, Any]) -> pathlib.Path:
    """The folder for what `made_from` (JSON values) makes; it may not be there yet."""
    digest = hashlib.blake2b(json.dumps(made_from, sort_keys=True).encode(), digest_size=6).hexdigest()
    return self.root / f"{kind}-{digest}"

  @staticmethod
  def fault(folder: pathlib.Path) -> str | None:
    """What is wrong with a folder that was complete, '' where nothing is; None for one that never was.

    Several processes ask together; the first reads.
    """
    return processes.by_writer(fault_of)(folder / MADE_FROM, folder)

  @contextlib.contextmanager
  def locked(self, folder: pathlib.Path) -> Iterator[None]:
    """Nobody else writes to `folder` meanwhile; waits for who does."""
    lock = self.root / "locks" / folder.name
    processes.by_writer(lambda: lock.parent.mkdir(parents=True, exist_ok=True))()
    with held(lock, str(folder), wait=True):
      yield

  def once(
    self, kind: str, made_from: dict[str, Any], make: Callable[[pathlib.Path], Any], stage: str = ""
  ) -> pathlib.Path:
    """The complete folder for what `made_from` makes; `make(folder)` fills it where it is not, or goes on with it.

    One run makes it, others wait. All processes of that run call `make`.

    Raises:
      InputError: it is not complete, and may not be made here but in `stage`.
    """
    folder = self.folder(kind, made_from)
    fault = self.fault(folder)
    if fault == "":
      return folder
    if stage:
      wrong = f"no finished {kind} for this config in {self.root}" if fault is None else f"{folder}: {fault}"
      raise InputError(f"--stage: {wrong}; run --stage={stage} first")
    with self.locked(folder):
      # By now another run may have made it.
      fault = self.fault(folder)
      if fault != "":
        processes.by_writer(_cleared)(folder, fault)
        make(folder)
        processes.barrier()
        processes.by_writer(_finish)(folder, made_from)
    return folder


def _cleared(folder: pathlib.Path, fault: str | None) -> None:
  """Has the folder there to be filled, without what is damaged."""
  if fault is not None:
    set_aside(folder, fault)
  folder.mkdir(parents=True, exist_ok=True)


def _finish(folder: pathlib.Path, made_from: dict[str, Any]) -> None:
  """Marks the folder as complete, with all its files on disk."""
  files = sums.of_files(folder, (path for path in folder.rglob("*") if path.is_file()))
  write_sealed(folder / MADE_FROM, {"format": FORMAT, "made_from": made_from, "files": files})


class Checkpoints:
  """The latest states of one training run in one folder (an orbax CheckpointManager), with checksums beside each.

  It begins with the newest that is what was written; newer ones are set aside. orbax keeps arrays by tensorstore and
  all else as JSON: nothing is unpickled.
  """

  def __init__(self, folder: pathlib.Path):
    from orbax import checkpoint as ocp
    from orbax.checkpoint.checkpoint_managers import preservation_policy

    self.folder = pathlib.Path(folder).absolute()
    processes.by_writer(_set_aside_damaged)(self.folder)
    options = ocp.CheckpointManagerOptions(
      preservation_policy=preservation_policy.LatestN(2), enable_async_checkpointing=False
    )
    self.manager = ocp.CheckpointManager(self.folder, options=options)

  def latest(self) -> int:
    """The step of the newest complete checkpoint, 0 where there is none."""
    return self.manager.latest_step() or 0

  def restore(self, shapes: Any) -> Any:
    """The newest state, on all devices whichever saved it; `shapes` as of `jax.eval_shape`."""
    from orbax import checkpoint as ocp

    return self.manager.restore(self.manager.latest_step(), args=ocp.args.StandardRestore(_template(shapes)))

  def save(self, step: int, state: Any) -> None:
    """Saves and waits until it is safe on disk: the state may be donated afterwards."""
    from orbax import checkpoint as ocp

    self.manager.save(step, args=ocp.args.StandardSave(state))
    processes.barrier()
    processes.by_writer(_sum_up)(self.folder, step)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.manager.close()


def restored(folder: pathlib.Path, shapes: Any) -> Any:
  """The newest state in `folder`, part of a complete folder of the cache, which is only read; see `Checkpoints`."""
  from orbax import checkpoint as ocp

  with ocp.StandardCheckpointer() as checkpointer:
    return checkpointer.restore(folder.absolute() / str(_steps(folder)[0]) / "default", _template(shapes))


def _template(shapes: Any) -> Any:
  """What orbax is told of a state that is to be on all devices."""
  place = devices.everywhere()
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), shapes)


def _steps(folder: pathlib.Path) -> list[int]:
  """The steps that have a checkpoint in `folder`, newest first."""
  return sorted((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), reverse=True)


def sums_path(folder: pathlib.Path, step: int) -> pathlib.Path:
  """Where the checksums of a step's files are."""
  return folder / f"{step}.sums.json"


def _set_aside_damaged(folder: pathlib.Path) -> None:
  """Sets aside the newest checkpoints, down to one that is what was written."""
  steps = _steps(folder)
  for i, step in enumerate(steps):
    fault = fault_of(sums_path(folder, step), folder / str(step))
    if fault == "":
      return
    set_aside(
      folder / str(step), fault or "has no checksums (it was just being written, or is of an older version)"
    )
    left = f"the checkpoint of {steps[i + 1]} is tried" if steps[i + 1 :] else "none is left, it begins anew"
    log.warning("%s: %s", folder, left)


def _sum_up(folder: pathlib.Path, step: int) -> None:
  """Writes the checksums of a step, and drops those of steps that are gone."""
  where, kept = folder / str(step), {sums_path(folder, step) for step in _steps(folder)}
  files = sums.of_files(where, (path for path in where.rglob("*") if path.is_file()))
  write_sealed(sums_path(folder, step), {"format": FORMAT, "files": files})
  for path in {*folder.glob("*.sums.json")} - kept:
    path.unlink()


def committed(state: Any) -> Any:
  """`state` placed as a restored one is, so that a resumed run compiles no second executable."""
  return jax.device_put(state, devices.everywhere())
