"""One process at a time in a folder: a lock that the system takes back when its holder dies, and who holds it."""

import contextlib
import json
import os
import pathlib
import socket
import time
from collections.abc import Iterator

import filelock

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.store.files import log, write_whole

LOOK_SECONDS = 1.0
"""Between two looks at a lock that is waited for."""

TELL_SECONDS = 60.0
"""Between two lines about it."""


def holder(path: pathlib.Path) -> str:
  """Who took the lock at `path` last, for a message."""
  try:
    about = json.loads(_note(path).read_text())
    return f"process {about['process']} on {about['host']} since {about['since']}"
  except (OSError, ValueError, KeyError, TypeError):
    return "another process"


def _note(path: pathlib.Path) -> pathlib.Path:
  return path.with_name(path.name + ".holder")


@contextlib.contextmanager
def held(path: pathlib.Path, what: str, wait: bool) -> Iterator[None]:
  """Holds the lock file `path` inside; of several processes of a run the first holds it for all.

  Where another run holds it: waits, with a line of log, or raises InputError at once, which names the holder; so it
  does where `path` can not be written. A lock whose holder was killed is free; that is said in the log.
  """
  lock, failed = filelock.FileLock(path), ""
  if processes.is_writer():
    try:
      _take(lock, path, what, wait)
    except InputError as error:
      failed = str(error)
    except OSError as error:
      failed = f"{what}: can not write to it ({error.strerror}: {error.filename}); choose another folder"
    except NotImplementedError:
      log.warning("%s: its file system has no locks: make sure that nobody else writes to it", what)
  if failed := processes.agreed(failed):
    raise InputError(failed)
  try:
    yield
  finally:
    if processes.is_writer():
      _note(path).unlink(missing_ok=True)
      lock.release()


def _take(lock: filelock.BaseFileLock, path: pathlib.Path, what: str, wait: bool) -> None:
  """Takes the lock and leaves a note of who holds it."""
  told = -TELL_SECONDS
  while True:
    try:
      lock.acquire(timeout=0)
      break
    except filelock.Timeout as error:
      if not wait:
        raise InputError(
          f"{what}: in use by {holder(path)}; wait for it, end it, or choose another folder"
        ) from error
    if time.monotonic() - told >= TELL_SECONDS:
      told = time.monotonic()
      log.info("%s: %s makes it; waiting", what, holder(path))
    time.sleep(LOOK_SECONDS)
  if _note(path).exists():
    log.info("%s: taken over from %s, which is gone", what, holder(path))
  since = time.strftime("%Y-%m-%d %H:%M:%S")
  write_whole(_note(path), json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": since}))
