"""The rate that a log line and a bar tell."""

import logging
import sys
import time

import pytest

from asal_jax.store import progress
from asal_jax.store.progress import Progress


@pytest.fixture
def clock(monkeypatch):
  """A function that lets seconds pass; no other do."""
  now = [1_000.0]
  monkeypatch.setattr(time, "monotonic", lambda: now[0])
  return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_what_is_done_aside_is_not_in_the_rate(clock, caplog, monkeypatch):
  monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
  caplog.set_level(logging.INFO, "asal_jax")
  with Progress("gan", 50, initial=10) as shown:
    clock(2)
    with shown.aside():
      clock(600)
    shown.update(8)
    clock(4)
    shown.update(4)
  assert [record.getMessage() for record in caplog.records] == [
    "gan 18/50, 4 it/s, 8 s left",
    "gan 22/50, 2 it/s, 14 s left",
  ]


def test_a_bar_leaves_it_out_too(clock, monkeypatch):
  monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
  with Progress("gan", 50) as shown:
    start, last = shown.bar.start_t, shown.bar.last_print_t
    with shown.aside():
      clock(600)
    assert (shown.bar.start_t, shown.bar.last_print_t) == (start + 600, last + 600)
