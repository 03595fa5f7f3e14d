"""A run's folder: one run at a time in it, of one config and the same images, and what each start of it was."""

import contextlib
import datetime
import pathlib
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import jax

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.store import machine
from asal_jax.store.files import Damaged, Record, read_record, write_sealed
from asal_jax.store.lock import held
from asal_jax.store.progress import log
from asal_jax.store.space import check_disk

FORMAT = 1
"""Of config.json."""

RESULTS = 2**25
"""Bytes that journals, figures and reports of most runs stay below."""

FREE = frozenset({"strategies", "tensorboard"})
"""What may change between the starts of a run."""


class Claim:
  """A workdir that this run alone is in; `earlier` is the config.json of its last start, None at the first."""

  def __init__(self, workdir: pathlib.Path, settings: Record, earlier: Record | None):
    self.workdir, self.settings, self.earlier = workdir, settings, earlier

  def begin(self, identity: str) -> None:
    """Writes config.json: settings, the images' identity, and this start behind the earlier ones.

    Raises InputError where the workdir's ids are of other images, or of the same in another order.
    """
    check_disk("--workdir", self.workdir, RESULTS)
    earlier = self.earlier
    if earlier is not None and earlier.get("images", "") != identity:
      raise InputError(
        f"--workdir: {self.workdir} belongs to other images: files of data.folder, which of them are the test set, or "
        "the embeddings are not what they were; put that right, or choose another workdir, where labels given so far "
        f"carry over by --config.data.labels={self.workdir / 'labels.csv'}"
      )
    now = surroundings()
    starts = [] if earlier is None else earlier.get("starts") or [{k: earlier.get(k) for k in now}]
    if starts and starts[-1]["commit"] != now["commit"]:
      log.warning("code: commit %s goes on with what %s began", now["commit"], starts[-1]["commit"])
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    images = {"images": identity} if identity else {}
    about = {
      "format": FORMAT,
      "config": self.settings,
      **images,
      **now,
      "starts": [*starts, {"time": time, **now}],
    }
    write_sealed(self.workdir / "config.json", about)


@contextlib.contextmanager
def claimed(workdir: pathlib.Path, settings: Record) -> Iterator[Claim]:
  """Makes the workdir, or takes it up again, for this run alone.

  Raises InputError where it can not be made or written to, where another run is in it, where it belongs to other
  settings, and where its config.json is damaged.
  """
  try:
    processes.by_writer(workdir.mkdir)(parents=True, exist_ok=True)
  except OSError as error:
    raise InputError(
      f"--workdir: can not make {workdir} ({error.strerror}); choose another folder"
    ) from error
  with held(workdir / ".lock", f"--workdir: {workdir}", wait=False):
    earlier = read_about(workdir)
    if earlier is not None:
      refuse_other(workdir, earlier["config"], settings)
    yield Claim(workdir, settings, earlier)


def read_about(workdir: pathlib.Path) -> Record | None:
  """config.json of a workdir; None where there is none. InputError where it is damaged, or of a later format."""
  path = workdir / "config.json"
  if not path.exists():
    return None
  try:
    about = read_record(path)
    # That of before there were checksums had neither.
    if not about.keys() >= {"config", "commit"} or ("format" in about) != ("starts" in about):
      raise Damaged(f"{path}: damaged")
  except Damaged as error:
    raise InputError(
      f"--workdir: {error}, so nothing tells whether the results beside it are of this config; if they are, remove "
      "it and start again, else choose another workdir"
    ) from error
  if about.get("format", 0) > FORMAT:
    raise InputError(
      f"--workdir: {path} has format {about['format']}, this code reads up to {FORMAT}; update asal_jax, or choose "
      "another workdir"
    )
  return about


def refuse_other(workdir: pathlib.Path, earlier: Record, settings: Record) -> None:
  """Raises InputError where the workdir belongs to other settings.

  Strategies may be added to it, and where people label a budget may be raised.
  """
  raised = settings["labeller"] == "people" and settings["loop"]["budget"] > earlier["loop"]["budget"]
  free = FREE | ({"loop.budget"} if raised else set())
  changed = [field for field in differences(earlier, settings) if field not in free]
  if changed:
    raise InputError(
      f"--workdir: {workdir} belongs to another config (it differs in {', '.join(changed)}); choose another "
      "workdir or remove this one"
    )


def refuse_inside(workdir: pathlib.Path, folder: pathlib.Path) -> None:
  """Raises InputError for a workdir below the folder of the images, which would take its pictures for its own."""
  if workdir.resolve().is_relative_to(folder.resolve()):
    raise InputError(f"--workdir: {workdir} lies in data.folder {folder}; choose one outside of it")


def differences(a: Any, b: Any, prefix: str = "") -> list[str]:
  """Dotted names of the entries in which two nested dicts differ."""
  if not (isinstance(a, dict) and isinstance(b, dict)):
    return [] if a == b else [prefix]
  return [
    name
    for key in sorted({*a, *b})
    for name in differences(a.get(key), b.get(key), f"{prefix}.{key}" if prefix else key)
  ]


def surroundings() -> dict[str, Any]:
  """What a result depends on beside its config: versions, commit, device."""
  packages = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "pynndescent", "tensorflow-datasets")
  device = jax.devices()[0]
  commit = None
  with contextlib.suppress(OSError):  # There is no git.
    commit = subprocess.run(
      ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
      cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=False,
    ).stdout.strip() or None  # fmt: skip
  return {
    "arguments": sys.argv[1:],
    "commit": commit,
    "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
    "device": {
      "platform": device.platform, "kind": device.device_kind, "count": jax.device_count(),
      "processes": jax.process_count(), **machine.describe(),
    },
  }  # fmt: skip
