"""Whole jobs that share one cache at the same time, one of which is killed while it makes what the others wait for."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tiny

import asal_jax
from asal_jax.store.checkpoint import Cache
from asal_jax.store.journal import read_lines

ROOT = pathlib.Path(__file__).parent.parent
JOB = {"strategies": ("random", "asal_pixels", "asal_critic"), "gan.iterations": 400, "gan.looks": 0}
CONFIG = f"""
import tiny
def get_config():
  return tiny.config(**{JOB})
"""


@pytest.mark.slow
def test_three_of_four_jobs_end_as_one_alone_would(tmp_path):
  (tmp_path / "config.py").write_text(CONFIG)
  environ = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parent)}
  command = [
    sys.executable,
    "-m",
    "asal_jax.main",
    f"--config={tmp_path}/config.py",
    f"--cache={tmp_path}/cache",
  ]
  jobs = [
    subprocess.Popen(
      [*command, f"--workdir={tmp_path}/{i}"], cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
    )
    for i in range(4)
  ]
  try:
    deadline = time.monotonic() + 200
    while not any(path.name.isdecimal() for path in tmp_path.glob("cache/gan-*/checkpoints/*")):
      assert time.monotonic() < deadline
      time.sleep(0.01)
    (note,) = tmp_path.glob("cache/locks/gan-*.holder")
    maker = json.loads(note.read_text())["process"]
    os.kill(maker, signal.SIGKILL)
    told = {job.pid: job.communicate(timeout=300)[1] for job in jobs}
  finally:
    for job in jobs:
      job.kill()
  assert {job.pid: job.returncode for job in jobs} == {
    job.pid: -9 if job.pid == maker else 0 for job in jobs
  }, told
  truth = asal_jax.run(tiny.config(**JOB), workdir=tmp_path / "alone").records
  for i, job in enumerate(jobs):
    if job.pid != maker:
      assert tiny.without_seconds(read_lines(tmp_path / str(i) / "metrics.jsonl")) == tiny.without_seconds(
        truth
      )
  assert sum(f"taken over from process {maker}" in lines for lines in told.values()) == 1
  # Each thing was made once, whole.
  stages = [r["stage"] for i in range(4) for r in read_lines(tmp_path / str(i) / "stages.jsonl")]
  for stage in ("gan", "features pixels", "features critic", "index pixels", "index critic"):
    assert stages.count(stage) == 1
  folders = [path.parent for path in (tmp_path / "cache").glob("*/made_from.json")]
  assert len(folders) == 5
  assert [Cache.fault(folder) for folder in folders] == [""] * 5
  assert not list((tmp_path / "cache").glob("*.damaged*"))
