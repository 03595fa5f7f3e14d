"""Ctrl-C at a terminal, in a process that is anywhere."""

import contextlib
import os
import pathlib
import pty
import signal
import subprocess
import sys
import time

import pytest

from asal_jax import interrupts

ROOT = pathlib.Path(__file__).parent.parent
LINE = f"asal_jax: {interrupts.STOPPED}\n"
BEGIN = "import time\nfrom asal_jax import interrupts\n"
WATCHED = BEGIN + "interrupts.watch()\nprint('ready', flush=True)\n"


@contextlib.contextmanager
def running(code, stderr=subprocess.PIPE, stdin=None):
  """A process of a session of its own, as a terminal has, that has said 'ready'."""
  command = [sys.executable, "-c", code]
  with subprocess.Popen(
    command, cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
  ) as process:
    try:
      assert process.stdout.readline() == "ready\n"
      yield process
    finally:
      process.kill()


DROPS = """
while True:
  try:
    sum(range(1000))
  except BaseException:
    pass
"""
COMPUTES = "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
JOINS = (
  "import threading\nthread = threading.Thread(target=time.sleep, args=(99,))\nthread.start()\nthread.join()"
)


@pytest.mark.parametrize("code", [DROPS, COMPUTES, JOINS], ids=["drops it", "computes", "joins"])
def test_it_ends_with_one_line_wherever_the_main_thread_is(code):
  with running(WATCHED + code) as process:
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == LINE
  assert process.returncode == interrupts.CODE == 130


def test_processes_that_it_started_end_with_it_and_say_nothing():
  code = """
import multiprocessing, os
def work():
  interrupts.ignore()
  print(os.getpid(), flush=True)
  time.sleep(99)
multiprocessing.get_context("fork").Process(target=work).start()
time.sleep(99)
"""
  with running(WATCHED + code) as process:
    child = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=20)[1] == LINE
  deadline = time.monotonic() + 10
  while alive(child):
    assert time.monotonic() < deadline
    time.sleep(0.01)


def alive(pid):
  try:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
  except OSError:
    return False


def test_a_second_one_ends_what_hangs_while_it_stops():
  code = """
interrupts.watch(lambda *_: (print("stopping", flush=True), time.sleep(99)))
print("ready", flush=True)
time.sleep(99)
"""
  with running(BEGIN + code) as process:
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == interrupts.CODE


def test_in_the_background_where_it_is_ignored_it_stays_so():
  ignoring = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
  code = "import sys\nsys.stdin.readline()\nprint('went on')"
  with running(ignoring + WATCHED + code, stdin=subprocess.PIPE) as process:
    process.send_signal(signal.SIGINT)
    assert process.communicate("on\n", timeout=20) == ("went on\n", "")
  assert process.returncode == 0


def test_below_a_bar_at_a_terminal_the_line_stands_alone():
  ours, theirs = pty.openpty()
  code = "import os\nos.write(2, b'a bar')\nprint('drawn', flush=True)\ntime.sleep(99)"
  with running(WATCHED + code, stderr=theirs) as process:
    assert process.stdout.readline() == "drawn\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == interrupts.CODE
  shown = ""
  while shown.count("\n") < 2:
    shown += os.read(ours, 1000).decode()
  assert shown.splitlines() == ["a bar", LINE.strip()]
  os.close(ours)
  os.close(theirs)


TERMINATED = f"asal_jax: {interrupts.ENDED}\n"


@pytest.mark.parametrize("code", [DROPS, COMPUTES, JOINS], ids=["drops it", "computes", "joins"])
def test_sigterm_ends_it_with_the_code_that_schedulers_start_again(code):
  with running(WATCHED + code) as process:
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[1] == TERMINATED
  assert process.returncode == interrupts.REQUEUE == os.EX_TEMPFAIL


SAVES = """
with interrupts.saving():
  print("saving", flush=True)
  while not interrupts.asked():
    time.sleep(0.01)
  print("saved", flush=True)
  if {finishes}:
    interrupts.finish()
print("never", flush=True)
"""


@pytest.mark.parametrize("finishes", [True, False])
def test_sigterm_lets_who_saves_save(finishes):
  with running(WATCHED + SAVES.format(finishes=finishes)) as process:
    assert process.stdout.readline() == "saving\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("saved\n", TERMINATED)
  assert process.returncode == interrupts.REQUEUE


@pytest.mark.parametrize(
  ("second", "code"), [(signal.SIGTERM, interrupts.REQUEUE), (signal.SIGINT, interrupts.CODE)]
)
def test_a_second_signal_ends_at_once_what_saves_for_long(second, code):
  with running(
    f"{WATCHED}with interrupts.saving():\n  print('saving', flush=True)\n  time.sleep(99)"
  ) as process:
    assert process.stdout.readline() == "saving\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(second)
    assert process.wait(20) == code
