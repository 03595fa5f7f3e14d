"""Several processes of one run, by jax.distributed: who writes, what all agree on, and how all stop together.

Every process runs the same program on the same files (a file system that all see). On one process everything here is
the plain thing: `agreed(x)` is x, `by_writer(f)` is f.
"""

import contextlib
import ctypes
import functools
import itertools
import json
import os
import pickle
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from asal_jax import interrupts
from asal_jax.errors import InputError

FOREVER = 7 * 24 * 3600 * 1000
"""Milliseconds that one process waits for another, which may build an index: who dies is noticed otherwise."""

HEARTBEAT = 60
"""Seconds of silence after which a process counts as dead, where no broken connection told it before."""

LOST = re.compile("Gloo|NCCL|coordination service|UNAVAILABLE|DEADLINE_EXCEEDED|Connection (closed|reset)")
"""What jax says in a process that waits for one that is gone."""

GONE = "lost another process; the same command goes on from the last checkpoint"

_calls = itertools.count()
_kept: list[Any] = []
_ending = threading.Lock()
_alone = threading.local()


def wanted(environ: Any = os.environ) -> bool:
  """Whether the environment says that this is one of several processes, in variables that jax.distributed reads."""
  several = lambda name: environ.get(name, "1").isdecimal() and int(environ.get(name, "1")) > 1  # noqa: E731
  slurm = several("SLURM_NTASKS") and "SLURM_STEP_NODELIST" in environ
  workers = environ.get("TPU_PROCESS_ADDRESSES", environ.get("TPU_WORKER_HOSTNAMES", ""))
  named = "JAX_COORDINATOR_ADDRESS" in environ or "MEGASCALE_COORDINATOR_ADDRESS" in environ
  return named or slurm or several("OMPI_COMM_WORLD_SIZE") or "," in workers


def start() -> None:
  """jax.distributed.initialize, before anything is computed; where the others are is detected by jax.

  Raises InputError where nothing tells it.
  """
  try:
    jax.distributed.initialize(
      num_processes=_number("JAX_NUM_PROCESSES"),
      process_id=_number("JAX_PROCESS_ID"),
      heartbeat_timeout_seconds=HEARTBEAT,
    )
  except (ValueError, KeyError) as error:
    raise InputError(
      f"--distributed: nothing tells where the processes are ({error}); start them by srun, mpirun or on a TPU pod, or "
      "set JAX_COORDINATOR_ADDRESS (host:port of process 0), JAX_NUM_PROCESSES and JAX_PROCESS_ID in each"
    ) from error
  except RuntimeError as error:
    reason = str(error).strip().split("\n")[0]
    raise InputError(f"--distributed: the processes did not find each other ({reason})") from error
  if not is_writer():
    _listen()


def _listen() -> None:
  """Keeps back what XLA writes by itself: where it aborts because the first process is gone, one line says so."""
  heard = tempfile.TemporaryFile()  # noqa: SIM115
  sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
  os.dup2(heard.fileno(), 2)

  @ctypes.CFUNCTYPE(None, ctypes.c_int)
  def aborted(_: int) -> None:
    heard.seek(0)
    text = heard.read().decode(errors="replace")
    _end(1, GONE if LOST.search(text) else text)

  # C calls it from a thread of its own: not one of Python's handlers.
  ctypes.CDLL(None).signal(signal.SIGABRT, aborted)
  _kept.append(aborted)


def _number(name: str) -> int | None:
  """A variable of the environment as a number, None where it is not set."""
  value = os.environ.get(name)
  if value is not None and not value.isdecimal():
    raise InputError(f"{name}: found {value!r}; needed is a number")
  return None if value is None else int(value)


def several() -> bool:
  """Whether there are several processes to agree with."""
  return jax.process_count() > 1 and not getattr(_alone, "is_so", False)


def is_writer() -> bool:
  """Whether this process writes files and messages: the first one does."""
  return jax.process_index() == 0


@contextlib.contextmanager
def alone() -> Iterator[None]:
  """Inside, this process agrees with nobody: what one process does while the others wait."""
  before, _alone.is_so = getattr(_alone, "is_so", False), True
  try:
    yield
  finally:
    _alone.is_so = before


def _client() -> Any:
  from jax._src import distributed

  return distributed.global_state.client


T = TypeVar("T")


def agreed(value: T) -> T:
  """The first process' value, in all of them; all must ask, in the same order. Small things: it is pickled."""
  if not several():
    return value
  key = f"asal_jax/agreed/{next(_calls)}"
  if is_writer():
    _client().key_value_set_bytes(key, pickle.dumps(value))
    return value
  return pickle.loads(_client().blocking_key_value_get_bytes(key, FOREVER))


def asked_to_end() -> bool:
  """Whether SIGTERM came to any of the processes; all must ask, in the same order, and hear the same."""
  if not several():
    return interrupts.asked()
  if interrupts.asked():
    _client().key_value_set(f"asal_jax/asked/{jax.process_index()}", "", allow_overwrite=True)
  return agreed(is_writer() and bool(_client().key_value_dir_get("asal_jax/asked/")))


def barrier() -> None:
  """Waits until all processes are here."""
  if several():
    _client().wait_at_barrier(f"asal_jax/barrier/{next(_calls)}", FOREVER)


def by_writer(function: Callable[..., T]) -> Callable[..., T]:
  """`function`, called by the first process alone; the others wait and get what it returns."""

  @functools.wraps(function)
  def call(*args: Any, **options: Any) -> T:
    if not several():
      return function(*args, **options)
    value: Any = None
    if is_writer():
      with alone():
        value = function(*args, **options)
    return agreed(value)

  return call


def gathered(values: Any) -> list[Any]:
  """A tuple of host arrays, of one shape in all processes, of each process."""
  if not several():
    return [values]
  stacked = multihost_utils.process_allgather(values)
  return [jax.tree.map(lambda x, i=i: np.asarray(x[i]), stacked) for i in range(jax.process_count())]


@contextlib.contextmanager
def together() -> Iterator[None]:
  """Inside, a failure of one process ends all of them, with one message of the first; on one process nothing."""
  if not several():
    yield
    return
  over = threading.Event()
  watch = threading.Thread(target=_watch, args=(over,), daemon=True)
  watch.start()
  interrupts.watch(_fail)
  try:
    yield
  except BaseException as error:
    code, message = _told(error)
    _fail(code, message)
    watch.join(60)
    # The first process could not be told.
    _end(code, message)
  over.set()
  watch.join()


def _fail(code: int, message: str) -> None:
  """Tells all processes to end, this one too, where none has told before: who lost one that ended knows no better."""
  with contextlib.suppress(Exception):  # One has, or the first process is gone and jax ends this one.
    _client().key_value_set("asal_jax/failed/first", json.dumps([code, message]))


def _told(error: BaseException) -> tuple[int, str]:
  """Exit code and message of a failure: a line for what a user can mend, else the trace, once."""
  if isinstance(error, InputError):
    return 2, str(error)
  if LOST.search(str(error)):
    return 1, GONE
  who = f"process {jax.process_index()} of {jax.process_count()} failed"
  return 1, f"{who}\n{''.join(traceback.format_exception(error)).strip()}"


def _watch(over: threading.Event) -> None:
  """Ends this process when one has failed; the first one, which the others are connected to, last."""
  client, others = _client(), jax.process_count() - 1
  while not over.wait(0.3):
    try:
      failed = client.key_value_dir_get("asal_jax/failed/")
    except Exception:
      return  # the first process is gone: jax ends this one
    if failed:
      code, message = json.loads(failed[0][1])
      if not is_writer():
        client.key_value_set(f"asal_jax/told/{jax.process_index()}", "")
        _end(code)
      deadline = time.monotonic() + 3
      while len(client.key_value_dir_get("asal_jax/told/")) < others and time.monotonic() < deadline:
        time.sleep(0.05)
      _end(code, message)


def _end(code: int, message: str = "") -> None:
  """Ends the process at once, wherever its threads are; the first that asks says why."""
  if not _ending.acquire(blocking=False):
    time.sleep(FOREVER)
  # A terminal that is closed must not keep it from ending.
  with contextlib.suppress(Exception):
    if message:
      print(f"asal_jax: {message}", file=sys.stderr)
    sys.stderr.flush()
    sys.stdout.flush()
  os._exit(code)
