"""Seconds of work that may be killed: what each goes on with adds up, whatever stopped it."""

import contextlib
import json
import pathlib
import threading
import time
from collections.abc import Iterator

from asal_jax.store.files import write_json

CLEAR = pathlib.Path("/proc/self/clear_refs")

EVERY = 5.0
"""Seconds between two notes, which is what a kill loses."""


class Meter:
  """`with meter("features, 1000000"): ...` adds the seconds of what is inside to that entry of a JSON file.

  They are noted every few seconds, so that work which is killed and goes on later has the sum of all its goes.
  """

  def __init__(self, path: pathlib.Path):
    self.path = path
    self.seconds: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

  @contextlib.contextmanager
  def __call__(self, name: str) -> Iterator[None]:
    """Meters what is inside."""
    started, earlier, over = time.perf_counter(), self.seconds.get(name, 0.0), threading.Event()

    def note() -> None:
      self.seconds[name] = earlier + time.perf_counter() - started
      write_json(self.path, self.seconds)

    def note_now_and_then() -> None:
      while not over.wait(EVERY):
        note()

    thread = threading.Thread(target=note_now_and_then, daemon=True)
    thread.start()
    try:
      yield
    finally:
      over.set()
      thread.join()
      note()


def forget_peak() -> None:
  """Lets `host_peak_bytes` be of what follows, where the system can."""
  if CLEAR.exists():
    CLEAR.write_text("5")
