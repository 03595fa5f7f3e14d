"""The paper's runs on this machine: made once, killed and gone on with."""

import os
import signal
import subprocess
import sys
import time

import pytest
import tiny
from papers import ABOUT, MNIST_TWO, keep

from asal_jax.store.journal import read_lines
from configs import digits
from experiments.paper import perform, results, runs, table
from experiments.paper.runs import Run


@pytest.fixture
def tiny_digits(monkeypatch):
  """A benchmark of the table that takes seconds, with what a process of it needs."""
  run = Run("digits")
  monkeypatch.setattr(table, "strategies", lambda _: ("supervised", "random", "entropy"))
  monkeypatch.setattr(runs, "overrides", lambda run, scale, names: {
    "strategies": tuple(names), "seeds": (0, 1), "classifier.epochs": 2, "loop.budget": 70,
  })  # fmt: skip
  assert digits.get_config("small").name.startswith("digits")
  return run


def test_a_run_is_made_once_kept_and_not_made_again(tmp_path, tiny_digits, capfd):
  link_configs(tmp_path)
  assert perform.perform([tiny_digits], "small", kept=True, root=tmp_path)
  workdir, kept = (tmp_path / f(tiny_digits, "small") for f in (runs.workdir, runs.kept))
  for name in ("config.json", "metrics.jsonl", "summary.json"):
    assert (kept / name).read_text() == (workdir / name).read_text()
  assert [path.name for path in sorted((kept / "figures").iterdir())] == [
    "accuracy.png",
    "entropy.png",
    "labels.png",
  ]
  assert perform.commands(tiny_digits, "small", tmp_path) == []
  before = (workdir / "metrics.jsonl").stat().st_mtime_ns
  assert perform.perform([tiny_digits], "small", root=tmp_path)
  assert (workdir / "metrics.jsonl").stat().st_mtime_ns == before
  # More labels, or a strategy more, are not there yet.
  found = results.find(tiny_digits, ("small",), tmp_path)
  assert results.complete(found, ("random",))
  assert not results.complete(found, ("random", "subpool"))


def link_configs(root):
  (root / "configs").symlink_to(runs.ROOT / "configs")


def test_a_killed_run_goes_on(tmp_path, tiny_digits):
  link_configs(tmp_path)
  arguments = perform.commands(tiny_digits, "small", tmp_path)[0]
  metrics = tmp_path / runs.workdir(tiny_digits, "small") / "metrics.jsonl"
  process = subprocess.Popen(
    [sys.executable, *arguments], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(runs.ROOT)}
  )
  deadline = time.monotonic() + 120
  while not (metrics.exists() and len(read_lines(metrics)) >= 3):
    assert process.poll() is None
    assert time.monotonic() < deadline
    time.sleep(0.005)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  before = read_lines(metrics)
  assert results.find(tiny_digits, ("small",), tmp_path) is None
  assert perform.perform([tiny_digits], "small", root=tmp_path)
  after = read_lines(metrics)
  assert before[:3] == after[:3]
  assert len(after) == 2 + 2 * 2 * 3
  assert tiny.without_seconds(after)


def test_time_that_is_up_stops_before_the_next_run(tmp_path, tiny_digits):
  assert not perform.perform([tiny_digits], "small", hours=0, root=tmp_path)
  assert not (tmp_path / "runs").exists()


def test_a_run_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
  monkeypatch.setattr(
    perform, "commands", lambda run, *_: [["-c", f"raise SystemExit({int(run == MNIST_TWO)})"]]
  )
  other = Run("mnist_ten")
  told = []
  monkeypatch.setattr(perform, "tell", told.append)
  assert not perform.perform([MNIST_TWO, other], "small", root=tmp_path)
  assert [line.partition(":")[0] for line in told if "failed" in line] == ["mnist_two, small"]
  assert any(line.startswith("mnist_ten") for line in told)
  assert perform.perform([other], "small", root=tmp_path)


def test_of_a_kept_run_without_agreement_only_that_is_made(tmp_path):
  full = {**ABOUT, "config": {**ABOUT["config"], "loop": {"start": 50, "budget": 80}}}
  keep(tmp_path, about=full)
  *made, last = perform.commands(MNIST_TWO, "small", tmp_path)
  assert [arguments[-1] for arguments in made] == ["--stage=gan", "--stage=features"]
  assert last == ["-m", "experiments.paper", "agreement", "--scale=small", "mnist_two"]
