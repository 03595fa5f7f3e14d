"""Ctrl-C and SIGTERM end the command with one line; a run goes on from what is on disk. Light: it is there first."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

CODE = 130
"""The exit code of a program that Ctrl-C ended."""

STOPPED = "stopped; the same command goes on where it was"

REQUEUE = 75
"""The exit code after SIGTERM, EX_TEMPFAIL: schedulers start such a job again."""

ENDED = "ended by SIGTERM; the same command goes on where it was"

End = Callable[[int, str], None]
"""Ends the program with an exit code and a line; it may return before that happens."""


def end_here(code: int, line: str) -> None:
  """Says the line and ends the process at once, wherever its threads are, and the processes that it started."""
  if multiprocessing := sys.modules.get("multiprocessing"):
    for child in multiprocessing.active_children():
      child.kill()
  # Written past Python's stream, in which a thread may be; a terminal's ^C, or its progress bar, stays as it is.
  os.write(2, f"{chr(10) * os.isatty(2)}asal_jax: {line}\n".encode())
  os._exit(code)


class _State:
  """What SIGTERM meets: how the program ends, who saves before that, and whether it was asked to."""

  end: End = staticmethod(end_here)
  savers = 0
  asked = False


def watch(end: End = end_here) -> None:
  """From now on Ctrl-C and SIGTERM call `end` in a thread of its own, and a second one ends the process at once.

  SIGTERM waits for who is inside `saving`. Nothing is raised where the program is, which may be inside a library that
  drops it or shows a trace, and the main thread, which may compute for a minute, need not come back to Python first.
  To be called in the main thread.
  """
  _State.end = staticmethod(end)
  heard, told = os.pipe()
  os.set_blocking(told, False)
  meanings = {signal.SIGINT: (CODE, lambda: end(CODE, STOPPED)), signal.SIGTERM: (REQUEUE, _terminate)}

  def listen() -> None:
    before = set()
    while True:
      number = signal.Signals(os.read(heard, 1)[0])
      if number not in meanings:
        continue
      code, act = meanings[number]
      if number in before:
        os._exit(code)
      before.add(number)
      threading.Thread(target=act, daemon=True).start()

  threading.Thread(target=listen, daemon=True).start()
  for number in meanings:
    # A shell started it in the background, where Ctrl-C is meant for others.
    if signal.getsignal(number) != signal.SIG_IGN:
      signal.signal(number, lambda *_: None)
  signal.set_wakeup_fd(told, warn_on_full_buffer=False)


def _terminate() -> None:
  """Ends the program, or has it ended by who saves first."""
  _State.asked = True
  if not _State.savers:
    _State.end(REQUEUE, ENDED)


@contextlib.contextmanager
def saving() -> Iterator[None]:
  """Inside, SIGTERM ends nothing: who is inside asks `asked` where it can save, does so, and calls `finish`."""
  _State.savers += 1
  try:
    yield
  finally:
    _State.savers -= 1
  if _State.asked and not _State.savers:
    finish()


def asked() -> bool:
  """Whether SIGTERM came."""
  return _State.asked


def finish() -> None:
  """Ends the program, all having been saved."""
  _State.end(REQUEUE, ENDED)
  while True:  # Until it has ended.
    time.sleep(1)


def ignore(*_: object) -> None:
  """In a process that the command started: Ctrl-C at a terminal reaches it too, and the command ends it."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)
