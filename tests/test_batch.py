"""The batch scripts: linted, the local one run, the array's tasks all different."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

from asal_jax.store.journal import read_lines

ROOT = pathlib.Path(__file__).parent.parent
BATCH = ROOT / "experiments" / "batch"


def run(script, *arguments, **environ):
  return subprocess.run(
    [str(BATCH / script), *arguments],
    cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=150,
  )  # fmt: skip


def test_shellcheck_finds_nothing():
  beside = str(pathlib.Path(sys.executable).parent)
  shellcheck = shutil.which("shellcheck", path=f"{beside}:{os.environ['PATH']}")
  if shellcheck is None:
    pytest.skip("shellcheck is not installed: pip install -e '.[test]'")
  scripts = [*map(str, BATCH.glob("*.sh")), str(ROOT / ".ci" / "run")]
  assert len(scripts) == 4
  done = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stdout


def test_the_local_script_runs_two_processes(tmp_path):
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = str(free.getsockname()[1])
  flags = (
    "--config.strategies=('random',)", "--config.seeds=(0,1)", "--config.loop.budget=60",
    "--config.classifier.epochs=2",
  )  # fmt: skip
  done = run("local.sh", f"{tmp_path}/run", *flags, PYTHON=sys.executable, PORT=port)
  assert done.returncode == 0, done.stderr
  assert done.stdout.count("vs random:") == 1
  assert len(read_lines(tmp_path / "run" / "metrics.jsonl")) == 4
  assert '"processes": 2' in (tmp_path / "run" / "config.json").read_text()
  # A mistake ends both, and the script tells.
  done = run(
    "local.sh", f"{tmp_path}/run", *flags, "--config.loop.start=40", PYTHON=sys.executable, PORT=port
  )
  assert done.returncode == 2
  assert done.stderr.count("belongs to another config") == 1


def test_the_array_has_a_task_for_each_strategy_and_seed(tmp_path):
  srun = tmp_path / "srun"
  srun.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
  srun.chmod(0o755)
  path = f"{tmp_path}:{os.environ['PATH']}"
  tasks = set()
  for task in range(15):
    arguments = run("slurm_array.sh", "--config.gan.width=8", PATH=path, SLURM_ARRAY_TASK_ID=str(task))
    lines = arguments.stdout.splitlines()
    assert lines[1:4] == ["-m", "asal_jax.main", "--config=configs/mnist_two.py"]
    assert lines[-1] == "--config.gan.width=8"
    tasks.add(tuple(line for line in lines if line.startswith(("--config.strategies", "--config.seeds"))))
  strategies = ("random", "entropy", "asal_pixels")
  assert tasks == {
    (f"--config.strategies=('{s}',)", f"--config.seeds=({seed},)") for s in strategies for seed in range(5)
  }
  first = run("slurm_array.sh", PATH=path, STAGE="prepare").stdout.splitlines()
  assert first.count("--config.strategies=('random','entropy','asal_pixels',)") == 2
  # Features are made of a GAN that is there.
  assert [line for line in first if line.startswith("--stage")] == ["--stage=gan", "--stage=features"]


@pytest.mark.parametrize(("code", "stage"), [(75, ""), (75, "prepare"), (2, ""), (0, "")])
def test_a_task_that_was_ended_by_sigterm_is_requeued(tmp_path, code, stage):
  for name, text in (("srun", f"exit {code}"), ("scontrol", f'echo "$@" >> {tmp_path}/asked')):
    (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
    (tmp_path / name).chmod(0o755)
  path = f"{tmp_path}:{os.environ['PATH']}"
  done = run("slurm_array.sh", PATH=path, SLURM_JOB_ID="77", STAGE=stage)
  assert done.returncode == code, done.stderr
  asked = tmp_path / "asked"
  assert (asked.read_text() if asked.exists() else "") == ("requeue 77\n" if code == 75 else "")
