import pathlib
import re
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from asal_jax.store.journal import read_lines
from asal_jax.store.stages import Stages, host_peak_bytes

STATUS = pathlib.Path("/proc/self/status")
ROOT = pathlib.Path(__file__).parent.parent


def resident_bytes():
  if not STATUS.exists():
    pytest.skip("the system does not tell a process what memory it holds")
  return int(re.search(r"VmRSS:\s*(\d+) kB", STATUS.read_text())[1]) * 1024


def test_a_line_a_stage_with_its_seconds(tmp_path):
  stages = Stages(tmp_path / "stages.jsonl")
  with stages("outer"):
    time.sleep(0.02)
    with stages("inner"):
      time.sleep(0.5)
  with stages("next"):
    pass
  inner, outer, later = read_lines(tmp_path / "stages.jsonl")
  assert list(inner) == ["stage", "seconds", "host_peak_bytes", "device_peak_bytes"]
  assert [line["stage"] for line in (inner, outer, later)] == ["inner", "outer", "next"]
  assert inner["seconds"] >= 0.5
  assert 0.02 <= outer["seconds"] < inner["seconds"]
  assert later["seconds"] < inner["seconds"]


def test_a_stage_that_fails_has_no_line(tmp_path):
  stages = Stages(tmp_path / "stages.jsonl")
  with pytest.raises(ZeroDivisionError), stages("broken"):
    1 / 0  # noqa: B018
  assert not read_lines(tmp_path / "stages.jsonl")
  with stages("outer"), pytest.raises(ZeroDivisionError), stages("broken"):
    1 / 0  # noqa: B018
  assert [line["stage"] for line in read_lines(tmp_path / "stages.jsonl")] == ["outer"]


def test_host_peak_is_at_least_what_was_held(tmp_path):
  stages = Stages(tmp_path / "stages.jsonl")
  with stages("first"):
    before = resident_bytes()
  with stages("large"):
    large = np.ones(2**23)
    held = resident_bytes()
  del large
  with stages("after"):
    pass
  slack = 2**20  # The kernel counts pages in batches.
  peaks = [line["host_peak_bytes"] for line in read_lines(tmp_path / "stages.jsonl")]
  assert all(isinstance(peak, int) for peak in peaks)
  assert held > before + 2**25
  assert peaks[0] >= before - slack
  assert peaks[1] >= held - slack
  assert peaks[2] >= peaks[1] - slack
  assert peaks[0] < 2**40


def test_host_peak_is_not_that_of_the_process_that_started_this_one():
  parent = resident_bytes()
  code = (
    "import importlib.util as u; s = u.spec_from_file_location('stages', 'asal_jax/store/stages.py'); "
    # JAX alone would be as large as the parent.
    "import sys, types; sys.modules['jax'] = types.ModuleType('jax'); "
    "sys.modules['asal_jax.processes'] = types.ModuleType('asal_jax.processes'); "
    "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.host_peak_bytes())"
  )
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
  assert 2**20 < int(done.stdout) < parent / 2


def test_device_peak_is_told_where_the_back_end_tells(tmp_path):
  with Stages(tmp_path / "stages.jsonl")("one"):
    jax.block_until_ready(jax.numpy.ones(1_000))
  peak = read_lines(tmp_path / "stages.jsonl")[0]["device_peak_bytes"]
  assert peak is None if jax.default_backend() == "cpu" else peak >= 4_000
  assert host_peak_bytes() > 0
