"""The same config makes the same bits in a fresh process; with another number of threads the same to rounding."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def found(what, folder, cpus=CPUS, **environment):
  """What `repeated` makes of `what` in a process of its own on these CPUs."""
  here = pathlib.Path(__file__).parent
  paths = os.pathsep.join([str(here.parent), str(here)])
  done = subprocess.run(
    [sys.executable, str(here / "repeated.py"), what, str(folder), *map(str, cpus)], check=False,
    capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths} | environment,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  with np.load(f"{folder}.npz") as arrays:
    return dict(arrays)


def check_same_bits(a, b):
  assert a.keys() == b.keys()
  for name in a:
    np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_a_job_in_two_processes_that_hash_otherwise(tmp_path):
  first, second = (found("job", tmp_path / seed, PYTHONHASHSEED=seed) for seed in ("1", "2"))
  assert len(first["records"]) == 8
  check_same_bits(first, second)


needs_two = pytest.mark.skipif(len(CPUS) < 2, reason="one CPU, or a system that does not tell")


@pytest.mark.slow
@needs_two
def test_on_one_cpu_a_tiny_job_makes_the_same_bits(tmp_path):
  """Its sums are too small to be shared."""
  check_same_bits(found("job", tmp_path / "all"), found("job", tmp_path / "one", cpus=CPUS[:1]))


@pytest.mark.slow
@needs_two
def test_threads_that_share_sums_round_otherwise_and_always_alike(tmp_path):
  first, again = (found("shared", tmp_path / name) for name in ("first", "again"))
  check_same_bits(first, again)
  one = found("shared", tmp_path / "one", cpus=CPUS[:1])
  for name in one:
    np.testing.assert_allclose(one[name], first[name], rtol=1e-3, atol=3e-4, err_msg=name)


@pytest.mark.slow
@needs_two
def test_a_graph_of_pynndescent_is_one_of_its_threads(tmp_path):
  first, again = (found("graph", tmp_path / name)["neighbours"] for name in ("first", "again"))
  np.testing.assert_array_equal(first, again)
  one = found("graph", tmp_path / "one", NUMBA_NUM_THREADS="1")["neighbours"]
  # Another graph, as good: most edges are the same.
  assert 0.5 < np.mean([len(set(a) & set(b)) for a, b in zip(first, one, strict=True)]) / first.shape[1] < 1
