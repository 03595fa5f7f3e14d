"""What is kept on disk: train states (orbax) and the cache of everything made once, under a hash of its makers."""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from asal_jax import devices, processes


def fingerprint(images: np.ndarray) -> str:
  """A hash of the images (never of labels): what is made from a pool depends on it alone."""
  digest = hashlib.blake2b(np.ascontiguousarray(images).data, digest_size=8)
  digest.update(str(images.shape).encode())
  return digest.hexdigest()


def write_json(path: pathlib.Path, value: Any) -> None:
  """Writes `value` so that a reader sees the old file or the whole new one; of several processes the first does."""
  if not processes.is_writer():
    return
  temporary = path.with_name(path.name + ".part")
  temporary.write_text(json.dumps(value, indent=2) + "\n")
  os.replace(temporary, path)


class Cache:
  """Folders named by kind and by a hash of what made them; a folder with `made_from.json` is complete."""

  def __init__(self, root: pathlib.Path):
    self.root = pathlib.Path(root)

  def folder(self, kind: str, made_from: dict[str, Any]) -> pathlib.Path:
    """The (existing) folder for what `made_from` (JSON values) makes."""
    digest = hashlib.blake2b(json.dumps(made_from, sort_keys=True).encode(), digest_size=6).hexdigest()
    path = self.root / f"{kind}-{digest}"
    path.mkdir(parents=True, exist_ok=True)
    return path

  @staticmethod
  def complete(folder: pathlib.Path) -> bool:
    """Whether `finish` was called on this folder; several processes ask together."""
    return processes.agreed((folder / "made_from.json").exists())

  @staticmethod
  def finish(folder: pathlib.Path, made_from: dict[str, Any]) -> None:
    """Marks the folder as complete."""
    write_json(folder / "made_from.json", made_from)

  def once(self, kind: str, made_from: dict[str, Any], make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """The complete folder for what `made_from` makes; `make(folder)` fills it where it is not, by the first process."""
    folder = self.folder(kind, made_from)

    def fill() -> None:
      make(folder)
      self.finish(folder, made_from)

    if not self.complete(folder):
      processes.by_writer(fill)()
    return folder


class Checkpoints:
  """The latest states of one training run in one folder (an orbax CheckpointManager)."""

  def __init__(self, folder: pathlib.Path):
    from orbax import checkpoint as ocp
    from orbax.checkpoint.checkpoint_managers import preservation_policy

    options = ocp.CheckpointManagerOptions(
      preservation_policy=preservation_policy.LatestN(2), enable_async_checkpointing=False
    )
    self.manager = ocp.CheckpointManager(pathlib.Path(folder).absolute(), options=options)

  def latest(self) -> int:
    """The step of the newest complete checkpoint, 0 where there is none."""
    return self.manager.latest_step() or 0

  def restore(self, shapes: Any) -> Any:
    """The newest state, on all devices whichever saved it; `shapes` as of `jax.eval_shape`."""
    from orbax import checkpoint as ocp

    place = devices.everywhere()
    template = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), shapes)
    return self.manager.restore(self.manager.latest_step(), args=ocp.args.StandardRestore(template))

  def save(self, step: int, state: Any) -> None:
    """Saves and waits until it is safe on disk: the state may be donated afterwards."""
    from orbax import checkpoint as ocp

    self.manager.save(step, args=ocp.args.StandardSave(state))

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.manager.close()


def committed(state: Any) -> Any:
  """`state` placed as a restored one is, so that a resumed run compiles no second executable."""
  return jax.device_put(state, devices.everywhere())
