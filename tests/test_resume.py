"""kill -9 at any point, start again: the results equal an uninterrupted run's, bit for bit."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tiny

import asal_jax
from asal_jax.store.journal import read_lines

ROOT = pathlib.Path(__file__).parent.parent
JOB = """
import sys
sys.path.insert(0, sys.argv[1])
import tiny, asal_jax
asal_jax.run(tiny.config(**{"gan.iterations": 200}), workdir=sys.argv[2])
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
  return asal_jax.run(
    tiny.config(**{"gan.iterations": 200}), workdir=tmp_path_factory.mktemp("whole") / "run"
  )


def start(workdir):
  command = [sys.executable, "-c", JOB, str(pathlib.Path(__file__).parent), str(workdir)]
  return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def kill_when(workdir, reached):
  """Starts the job and kills it as soon as `reached()` holds; fails where it ended before."""
  process = start(workdir)
  deadline = time.monotonic() + 120
  while not reached():
    assert process.poll() is None, process.stderr.read()
    assert time.monotonic() < deadline
    time.sleep(0.005)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  process.stderr.close()


def test_killed_in_gan_training_and_in_the_cycles_the_results_are_equal(tmp_path, uninterrupted):
  metrics = tmp_path / "metrics.jsonl"
  kill_when(tmp_path, lambda: any(tmp_path.glob("cache/gan-*/checkpoints/[0-9]*")))
  assert not any(tmp_path.glob("cache/gan-*/made_from.json"))
  kill_when(tmp_path, lambda: metrics.exists() and len(metrics.read_bytes().splitlines()) >= 14)
  before = read_lines(metrics)
  assert 0 < len(before) < len(uninterrupted.records)
  process = start(tmp_path)
  assert process.wait() == 0, process.stderr.read()
  process.stderr.close()
  after = read_lines(metrics)
  assert tiny.without_seconds(after) == tiny.without_seconds(uninterrupted.records)
  complete = [r for r in before if r in after]
  assert len(complete) >= len(before) - 1
  selections = [read_lines(workdir / "selections.jsonl") for workdir in (tmp_path, uninterrupted.workdir)]
  assert tiny.without_seconds(selections[0]) == tiny.without_seconds(selections[1])


@pytest.mark.parametrize("cut", range(1, 90, 11))
def test_a_journal_cut_at_any_byte_is_continued_to_the_same_end(tmp_path, uninterrupted, cut):
  """What a kill can leave: both files cut anywhere, the last lines torn."""
  for name in ("metrics.jsonl", "selections.jsonl"):
    whole = (uninterrupted.workdir / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * cut // 90])
  config = tiny.config(**{"gan.iterations": 200})
  (tmp_path / "config.json").write_text((uninterrupted.workdir / "config.json").read_text())
  resumed = asal_jax.run(config, workdir=tmp_path, cache=uninterrupted.workdir / "cache")
  assert tiny.without_seconds(resumed.records) == tiny.without_seconds(uninterrupted.records)
