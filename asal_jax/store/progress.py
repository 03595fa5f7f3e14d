"""Progress for the person at the terminal: a bar with rate and remaining time, or log lines elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator

from asal_jax import processes

log = logging.getLogger("asal_jax")
LOG_SECONDS = 15.0


class Progress:
  """A bar of `total` steps on standard error; where that is no terminal, a log line every LOG_SECONDS."""

  def __init__(self, description: str, total: int, initial: int = 0, unit: str = "it"):
    self.description, self.total, self.unit = description, total, unit
    self.done = self.initial = initial
    self.started = self.logged = time.monotonic()
    self.bar = None
    if sys.stderr.isatty() and processes.is_writer():
      from tqdm import tqdm

      self.bar = tqdm(desc=description, total=total, initial=initial, unit=unit, dynamic_ncols=True)

  def update(self, steps: int = 1, **values: float) -> None:
    """`steps` more are done; `values` are shown beside the bar."""
    self.done += steps
    if self.bar is not None:
      self.bar.set_postfix({k: f"{v:.3g}" for k, v in values.items()}, refresh=False)
      self.bar.update(steps)
      return
    now = time.monotonic()
    if now - self.logged > LOG_SECONDS or self.done >= self.total:
      self.logged = now
      rate = (self.done - self.initial) / max(now - self.started, 1e-9)
      rest = (self.total - self.done) / max(rate, 1e-9)
      shown = ", ".join(f"{k} {v:.3g}" for k, v in values.items())
      log.info(
        "%s %d/%d, %.3g %s/s, %.0f s left%s",
        self.description,
        self.done,
        self.total,
        rate,
        self.unit,
        rest,
        f", {shown}" if shown else "",
      )

  @contextlib.contextmanager
  def aside(self) -> Iterator[None]:
    """What is done inside is no step, and its time is not in the rate."""
    began = time.monotonic()
    yield
    away = time.monotonic() - began
    self.started += away
    if self.bar is not None:
      self.bar.start_t += away
      self.bar.last_print_t += away

  def close(self) -> None:
    """Ends the bar."""
    if self.bar is not None:
      self.bar.close()

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()
