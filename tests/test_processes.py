"""Several processes: results equal one's, one writes, and all stop together with one message."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tiny

import asal_jax
from asal_jax import interrupts, processes
from asal_jax.errors import InputError
from asal_jax.store.journal import read_lines

ROOT = pathlib.Path(__file__).parent.parent
STRATEGIES = ("supervised", "random", "entropy", "asal_pixels_rescore5", "asal_critic", "gaal_stand_in")
JOB = {"strategies": STRATEGIES, "loop.budget": 20, "gan.iterations": 40, **tiny.QUICK_GAN}
CONFIG = """
import tiny
def get_config():
  return tiny.config(**{!r})
"""


def free_port():
  with socket.socket() as free:
    free.bind(("localhost", 0))
    return free.getsockname()[1]


class Run:
  """`count` processes of asal_jax.main, each with `devices` virtual ones."""

  def __init__(self, folder, job, *flags, devices=1, count=2):
    (folder / "config.py").write_text(CONFIG.format(job))
    command = [sys.executable, "-m", "asal_jax.main", f"--config={folder}/config.py"]
    environ = os.environ | {
      "JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}", "JAX_NUM_PROCESSES": str(count),
      "PYTHONPATH": str(pathlib.Path(__file__).parent),
      "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}",
    }  # fmt: skip
    self.workdir = folder / "run"
    self.processes = [
      subprocess.Popen(
        [*command, f"--workdir={self.workdir}", *flags], cwd=ROOT, env=environ | {"JAX_PROCESS_ID": str(i)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
      )
      for i in range(count)
    ]  # fmt: skip

  def wait(self, seconds=300):
    """Exit codes and standard errors once all have ended; after so many seconds they are killed."""
    killers = [threading.Timer(seconds, process.kill) for process in self.processes]
    for killer in killers:
      killer.start()
    said = [process.communicate() for process in self.processes]
    for killer in killers:
      killer.cancel()
    self.outputs = [output for output, _ in said]
    return [process.returncode for process in self.processes], [error for _, error in said]


def messages(error):
  """What the program says at its end: no log lines."""
  return [line for line in error.splitlines() if line.startswith(("asal_jax:", "Traceback", "F1", "***"))]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
  return asal_jax.run(tiny.config(**JOB), workdir=tmp_path_factory.mktemp("one") / "run")


def test_two_processes_of_two_devices_select_what_one_device_does(one, tmp_path):
  run = Run(tmp_path, JOB, devices=2)
  codes, errors = run.wait()
  assert codes == [0, 0], errors
  ours, theirs = (read_lines(folder / "selections.jsonl") for folder in (one.workdir, run.workdir))
  # One writer: each line is there once.
  assert [(r["strategy"], r["cycle"]) for r in theirs] == [(r["strategy"], r["cycle"]) for r in ours]
  assert [(r["ids"], r["labels"]) for r in theirs] == [(r["ids"], r["labels"]) for r in ours]
  records = read_lines(run.workdir / "metrics.jsonl")
  assert [(r["strategy"], r["seed"], r["cycle"]) for r in records] == [
    (r["strategy"], r["seed"], r["cycle"]) for r in one.records
  ]
  for field in ("test_accuracy", "new_entropy"):
    found, truth = (
      [np.nan if r[field] is None else r[field] for r in rows] for rows in (records, one.records)
    )
    np.testing.assert_allclose(found, truth, atol=1e-4)
  stages = [r["stage"] for r in read_lines(run.workdir / "stages.jsonl")]
  assert stages == [r["stage"] for r in read_lines(one.workdir / "stages.jsonl")]
  assert "batches of 16 are split over 4 of 4 devices" in errors[0]
  # The others are silent.
  assert "vs random" in run.outputs[0]
  assert "vs random" not in run.outputs[1]
  assert not [line for line in errors[1].splitlines() if not line.startswith("[Gloo]")]


def wait_for(run, pattern):
  deadline = time.monotonic() + 100
  while not any(run.workdir.glob(pattern)):
    assert all(process.poll() is None for process in run.processes), run.wait()
    assert time.monotonic() < deadline
    time.sleep(0.05)


@pytest.mark.parametrize("victim", [0, 1])
def test_where_one_is_killed_the_other_ends_with_one_line(tmp_path, victim):
  run = Run(tmp_path, {**JOB, "gan.iterations": 100_000}, "--stage=gan")
  wait_for(run, "cache/gan-*/checkpoints/[0-9]*")
  os.kill(run.processes[victim].pid, signal.SIGKILL)
  started = time.monotonic()
  codes, errors = run.wait(60)
  assert time.monotonic() - started < 30
  assert codes[victim] == -signal.SIGKILL
  assert codes[1 - victim] == 1
  assert messages(errors[1 - victim]) == [f"asal_jax: {processes.GONE}"]


def test_ctrl_c_in_one_ends_both_with_one_line(tmp_path):
  run = Run(tmp_path, {**JOB, "gan.iterations": 100_000}, "--stage=gan")
  wait_for(run, "config.json")
  run.processes[1].send_signal(signal.SIGINT)
  codes, errors = run.wait(60)
  assert codes == [interrupts.CODE] * 2, errors
  assert messages(errors[0]) == [f"asal_jax: {interrupts.STOPPED}"]
  assert messages(errors[1]) == []


def test_sigterm_to_one_saves_and_ends_both_at_the_same_iteration(tmp_path):
  run = Run(tmp_path, {**JOB, "gan.iterations": 100_000, "gan.checkpoint_every": 50_000}, "--stage=gan")
  wait_for(run, "cache/gan-*/checkpoints")
  time.sleep(2)
  run.processes[1].send_signal(signal.SIGTERM)
  codes, errors = run.wait(60)
  assert codes == [interrupts.REQUEUE] * 2, errors
  assert messages(errors[0]) == [f"asal_jax: {interrupts.ENDED}"]
  assert messages(errors[1]) == []
  (kept,) = [
    int(path.name) for path in run.workdir.glob("cache/gan-*/checkpoints/*") if path.name.isdecimal()
  ]
  assert 0 < kept < 50_000


FAILING = """
import json, sys
import jax
from asal_jax import processes
jax.distributed.initialize(sys.argv[1], 1, 0)
processes._fail(75, "ended")
processes._fail(1, "lost another process")
print(json.dumps([json.loads(said) for _, said in processes._client().key_value_dir_get("asal_jax/failed/")]))
"""


def test_the_first_reason_to_end_is_told_and_not_that_one_is_gone_who_ended_by_it():
  command = [sys.executable, "-c", FAILING, f"localhost:{free_port()}"]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
  assert json.loads(done.stdout) == [[75, "ended"]], done.stderr


def test_a_mistake_that_one_finds_stops_both_with_one_message(tmp_path):
  """The first process alone looks at a person's labels."""
  run = Run(tmp_path, {"strategies": ("random",), "labeller": "file", "seeds": (0,)})
  codes, errors = run.wait()
  assert codes == [2, 2], errors
  [message] = messages(errors[0])
  assert "5 of 5 rows in" in message
  assert messages(errors[1]) == []
  [line] = [r for r in read_lines(run.workdir / "selections.jsonl") if r["cycle"] == 1]
  assert line["labels"] is None


def test_distributed_without_a_coordinator_is_one_line(tmp_path):
  command = [sys.executable, "-m", "asal_jax.main", "--config=configs/digits.py", f"--workdir={tmp_path}/run"]
  done = subprocess.run(
    [*command, "--distributed"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
  )
  assert done.returncode == 2
  assert "--distributed: nothing tells where the processes are" in done.stderr
  assert len(done.stderr.strip().splitlines()) == 1
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
  ("environ", "several"),
  [
    ({}, False),
    ({"JAX_COORDINATOR_ADDRESS": "a:1"}, True),
    ({"SLURM_NTASKS": "4"}, False),  # in a batch script outside of srun
    ({"SLURM_NTASKS": "4", "SLURM_STEP_NODELIST": "n[1-4]"}, True),
    ({"SLURM_NTASKS": "1", "SLURM_STEP_NODELIST": "n1"}, False),
    ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
    ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
    ({"TPU_WORKER_HOSTNAMES": "a"}, False),
    ({"MEGASCALE_COORDINATOR_ADDRESS": "a"}, True),
  ],
)
def test_cluster_variables_switch_it_on(environ, several):
  assert processes.wanted(environ) == several


def test_one_process_agrees_with_itself_and_calls_what_it_is_given():
  calls = []
  call = processes.by_writer(lambda x: calls.append(x) or x + 1)
  assert (call(1), calls) == (2, [1])
  assert processes.agreed(calls) is calls
  assert processes.gathered(calls) == [calls]
  with processes.together(), pytest.raises(InputError), processes.alone():
    raise InputError("told by the caller")


def test_a_variable_that_is_no_number_is_named(monkeypatch):
  monkeypatch.setenv("JAX_NUM_PROCESSES", "two")
  with pytest.raises(InputError, match="JAX_NUM_PROCESSES: found 'two'"):
    processes.start()
