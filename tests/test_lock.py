import logging
import multiprocessing
import os
import signal
import socket
import time

import pytest

from asal_jax.errors import InputError
from asal_jax.store.lock import held


def hold(path, pipe):
  with held(path, "there", wait=True):
    pipe.send("held")
    pipe.poll(60)


@pytest.fixture
def other(tmp_path):
  """Another process that holds the lock, and a pipe on whose message it leaves.

  No event of multiprocessing: setting one waits for those that wait on it, the killed too.
  """
  spawn = multiprocessing.get_context("spawn")
  ours, theirs = spawn.Pipe()
  process = spawn.Process(target=hold, args=(tmp_path / "lock", theirs))
  process.start()
  assert ours.poll(60)
  yield process, ours
  process.kill()
  process.join()


def test_who_does_not_wait_is_told_the_holder(tmp_path, other):
  with (
    pytest.raises(
      InputError, match=rf"here: in use by process {other[0].pid} on {socket.gethostname()} since 2"
    ),
    held(tmp_path / "lock", "here", wait=False),
  ):
    pass


def test_who_waits_has_it_when_the_holder_leaves(tmp_path, other, caplog):
  caplog.set_level(logging.INFO, "asal_jax")
  started = time.monotonic()
  other[1].send("leave")
  with held(tmp_path / "lock", "here", wait=True):
    assert time.monotonic() - started < 30
    assert f'"process": {os.getpid()}' in (tmp_path / "lock.holder").read_text()
  assert not (tmp_path / "lock.holder").exists()


def test_a_killed_holder_is_told_and_its_lock_taken(tmp_path, other, caplog):
  caplog.set_level(logging.INFO, "asal_jax")
  os.kill(other[0].pid, signal.SIGKILL)
  other[0].join()
  with held(tmp_path / "lock", "here", wait=False):
    pass
  assert f"here: taken over from process {other[0].pid}" in caplog.text


def test_after_an_error_inside_it_is_free(tmp_path):
  with pytest.raises(ZeroDivisionError), held(tmp_path / "lock", "here", wait=False):
    raise ZeroDivisionError
  with held(tmp_path / "lock", "here", wait=False):
    pass
