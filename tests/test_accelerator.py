"""The steps for an accelerator: their order, what counts as done, and that a stopped or killed one goes on."""

import json
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import pytest

from asal_jax import config as checks
from asal_jax.types import Data, Splits
from experiments.accelerator import __main__ as command
from experiments.accelerator import all_cnn, parts, report, runner
from experiments.accelerator.parts import Job, Place, Rows
from experiments.accelerator.steps import STEPS, TINY, Step

COUNT = """
import pathlib, sys, time
file, most, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
while (found := len(file.read_text().splitlines()) if file.exists() else 0) < most:
  time.sleep(seconds)
  with file.open("a") as out:
    out.write(f"{found}\\n")
"""


class Counter(NamedTuple):
  """Writes `most` numbers to a file, one every `seconds`, from where it was stopped."""

  name: str
  most: int = 1
  seconds: float = 0.0
  minutes: float = 0.01
  whole: bool = False
  needs: tuple[str, ...] = ()
  fails: bool = False

  def numbers(self, place):
    path = place.runs / self.name / "numbers.txt"
    return path.read_text().split() if path.exists() else []

  def command(self, place):
    if self.fails:
      return [sys.executable, "-c", "raise SystemExit('a reason')"]
    file = place.runs / self.name / "numbers.txt"
    return [sys.executable, "-c", COUNT, str(file), str(self.most), str(self.seconds)]

  def done(self, place):
    return len(self.numbers(place)) == self.most

  def lines(self, place):
    return [{"found": len(self.numbers(place))}]


@pytest.fixture
def place(tmp_path, monkeypatch):
  monkeypatch.setattr(runner, "RESERVE", 0.0)
  monkeypatch.setattr(runner, "LEAST", 0.05)
  monkeypatch.setattr(runner, "GRACE", 1.0)
  return Place(tmp_path / "cache", tiny=False)


def go(place, tmp_path, *found, limit=30.0):
  return runner.go(place, [Step("step", "what", found)], tmp_path / "out", time.monotonic() + limit)


def names(place):
  return [(r["part"], r["how"]) for r in runner.slices(place)]


def test_parts_run_in_order_and_what_is_done_is_not_run_again(place, tmp_path):
  found = Counter("a"), Counter("b")
  assert go(place, tmp_path, *found)
  assert names(place) == [("a", "done"), ("b", "done")]
  assert go(place, tmp_path, *found, Counter("c"))
  assert names(place)[2:] == [("c", "done")]
  assert (tmp_path / "out" / "runs" / "b" / "numbers.txt").read_text() == "0\n"


def test_a_part_over_the_limit_goes_on_at_the_next_call(place, tmp_path, capsys):
  slow, after = Counter("slow", most=12, seconds=0.15), Counter("after")
  assert go(place, tmp_path, slow, after, limit=1.0)
  before = slow.numbers(place)
  assert 0 < len(before) < 12
  assert names(place) == [("slow", "stopped")]
  assert "slow: stopped after" in capsys.readouterr().out
  assert go(place, tmp_path, slow, after)
  assert slow.numbers(place) == [str(i) for i in range(12)]
  assert names(place)[1:] == [("slow", "done"), ("after", "done")]


def test_a_failed_part_comes_last_and_is_told(place, tmp_path, capsys):
  found = Counter("bad", fails=True), Counter("good")
  assert not go(place, tmp_path, *found)
  assert names(place) == [("bad", "failed"), ("good", "done")]
  assert "a reason" in capsys.readouterr().out
  assert not go(place, tmp_path, *found, Counter("new"))
  assert names(place)[2:] == [("new", "done"), ("bad", "failed")]


def test_what_must_run_whole_is_not_begun_late(place, tmp_path):
  found = Counter("first"), Counter("long", minutes=1.0, whole=True)
  assert go(place, tmp_path, *found, limit=20.0)
  assert names(place) == [("first", "done")]
  # Alone it may try.
  assert go(place, tmp_path, *found, limit=20.0)
  assert names(place)[1:] == [("long", "done")]
  lost = Counter("lost", most=9, seconds=9.0, whole=True)
  assert go(place, tmp_path, lost, limit=0.3)
  assert runner.failures(place, lost) == 1


def test_what_this_machine_lacks_is_left_out_with_a_reason(place, tmp_path, monkeypatch, capsys):
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  steps = (Step("digits", "what", (Counter("a", needs=("mnist",)), Counter("b"))),)
  assert runner.go(place, steps, tmp_path / "out", time.monotonic() + 30.0)
  assert names(place) == [("b", "done")]
  command.show(place, steps)
  told = capsys.readouterr().out
  assert "1 of 2 parts done; no mnist in" in told
  assert "set TFDS_DATA_DIR" in told


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
import pathlib, test_accelerator as t
t.runner.RESERVE, t.runner.LEAST = 0.0, 0.05
t.command.signal.signal(t.signal.SIGTERM, lambda *_: sys.exit(143))
folder = pathlib.Path(sys.argv[2])
t.go(t.Place(folder / "cache", False), folder, t.Counter("slow", 10, 0.2))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_call_leaves_what_the_next_goes_on_with(place, tmp_path, how):
  slow = Counter("slow", 10, 0.2)
  arguments = [str(parts.ROOT / "tests"), str(tmp_path)]
  process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], cwd=parts.ROOT)
  deadline = time.monotonic() + 60
  while len(slow.numbers(place)) < 2:
    assert time.monotonic() < deadline
    time.sleep(0.02)
  process.send_signal(how)
  process.wait()
  if how == signal.SIGKILL:  # Nobody could end the child: until it ends nothing else works there.
    with pytest.raises(SystemExit, match="still works in"):
      go(place, tmp_path, slow)
    while not slow.done(place):
      assert time.monotonic() < deadline
      time.sleep(0.05)
    time.sleep(0.3)
  else:
    assert not slow.done(place)
  assert go(place, tmp_path, slow)
  assert slow.numbers(place) == [str(i) for i in range(10)]


def test_a_fresh_machine_goes_on_from_what_was_brought_out(place, tmp_path):
  trained = "gan-abc", "all_cnn-seed0"
  for name in trained:
    for step in (500, 1000):
      folder = place.made / name / "checkpoints" / str(step)
      folder.mkdir(parents=True)
      (folder / "state").write_text(str(step))
  slow = Counter("slow", most=12, seconds=0.15)
  go(place, tmp_path, slow, limit=1.0)
  before, fresh = slow.numbers(place), Place(tmp_path / "fresh", tiny=False)
  assert not fresh.runs.exists()
  runner.restore(tmp_path / "out", fresh)
  assert slow.numbers(fresh) == before
  for name in trained:
    kept = fresh.made / name / "checkpoints"
    assert [path.name for path in kept.iterdir()] == ["1000"]
    assert (kept / "1000" / "state").read_text() == "1000"


def test_large_things_are_not_brought_out(place, tmp_path, monkeypatch):
  monkeypatch.setattr(runner, "LARGEST", 100)
  place.runs.mkdir(parents=True)
  for name, size in (("small.jsonl", 100), ("large.jsonl", 101), ("partial_entropy.npz", 10)):
    (place.runs / name).write_bytes(b"x" * size)
  runner.bring(place, tmp_path / "out")
  assert [path.name for path in (tmp_path / "out" / "runs").iterdir()] == ["small.jsonl"]


JOB = Job("job", "mnist_two", "", {"seeds": (0, 1), "strategies": ("supervised", "asal_critic")}, 1.0)


def leave(place, job, without=""):
  """What a finished job leaves, but for one thing."""
  config, folder = job.config(place), job.workdir(place)
  (folder / "figures").mkdir(parents=True)
  found = [r for name in config.strategies for r in parts.expected(name, config)]
  metrics = [dict(zip(("strategy", "seed", "cycle"), r, strict=True)) for r in found]
  summary = {name: {"labels": 1} for name in config.strategies}
  if without == "a cycle":
    metrics.pop()
  if without == "a strategy":
    del summary["asal_critic"]
  (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in metrics))
  if without == "a line's end":
    (folder / "metrics.jsonl").write_text((folder / "metrics.jsonl").read_text()[:-5])
  (folder / "summary.json").write_text(json.dumps(summary))
  (folder / "config.json").write_text(
    json.dumps({"config": config.to_dict(), "commit": "c", "versions": {}, "device": {}})
  )
  for name in ("accuracy", "matches"):
    cut = name == "matches" and without == "a figure's end"
    (folder / "figures" / f"{name}.png").write_bytes(b"..." if cut else b"..." + parts.PNG_END)


@pytest.mark.parametrize("without", ["a cycle", "a strategy", "a line's end", "a figure's end"])
def test_a_job_without_any_of_its_results_is_not_done(place, without):
  assert not JOB.done(place)
  leave(place, JOB, without)
  assert not JOB.done(place)


def test_a_finished_job_is_done_and_has_a_line_a_strategy(place):
  leave(place, JOB)
  assert JOB.done(place)
  supervised, critic, stages = JOB.lines(place)
  assert (supervised["strategy"], critic["strategy"]) == ("supervised", "asal_critic")
  assert critic["config"]["seeds"] == [0, 1]
  assert critic["commit"] == stages["commit"] == "c"
  # 46 cycles of two seeds, and the reference's one.
  assert len(parts.read_lines(JOB.workdir(place) / "metrics.jsonl")) == 2 * 46 + 2


def test_a_torn_line_of_a_shared_file_hides_no_other(place):
  row = Rows(("lenet_step",), "float32")
  file = place.runs / "speed" / "results.jsonl"
  file.parent.mkdir(parents=True)
  file.write_text('{"row": "lenet_step", "prec\n{"row": "lenet_step", "precision": "bfloat16"}\n')
  assert not row.done(place)
  with file.open("a") as out:
    out.write('{"row": "lenet_step", "precision": "float32"}\n')
  assert row.done(place)


def test_the_steps_are_whole(place):
  found = [part for step in STEPS for part in step.parts]
  assert len({part.name for part in found}) == len(found)
  assert [step.name for step in STEPS][:4] == ["speed", "precision", "search", "mnist_two"]
  assert {step.name for step in TINY} <= {step.name for step in STEPS}
  rows = [(row, part.precision) for part in found if isinstance(part, Rows) for row in part.rows]
  assert ("exact_search_16m", "float32") in rows
  assert ("wgan_gp_mnist_64", "tensorfloat32") in rows
  assert len({*rows}) == len(rows)
  # What must run whole fits a call.
  assert all(60 * part.minutes < 540 for part in found if part.whole)


@pytest.mark.parametrize("tiny", [False, True])
def test_every_job_has_a_sound_config(tmp_path, tiny):
  place = Place(tmp_path, tiny)
  for job in (part for step in STEPS for part in step.parts if isinstance(part, Job)):
    config = job.config(place)
    checks.validate(config)
    assert config.index.name == "exact"
    assert (config.precision == "float32") == (tiny or job.benchmark.startswith("mnist"))


def all_cnn_lines(folder, config, splits):
  """(run and epoch, accuracy) of the slices, and the lines of the seed."""
  file = folder / "results.jsonl"
  all_cnn.train(3, config, splits, folder / "checkpoints", file)
  found = parts.readable(file)
  slices = [(r["epoch"], r["test_accuracy"]) for r in found if r.get("run") == 3]
  return slices, [r for r in found if r.get("seed") == 3]


def test_all_cnn_goes_on_from_its_last_slice(tmp_path, monkeypatch):
  """A small network in its place: a killed training ends where the other does, what was kept is not done again."""
  rng, config = np.random.default_rng(0), all_cnn.settings(tiny=True)
  config.classifier.network = "linear"
  shown = rng.integers(0, 256, (10, 8, 8, 3))

  def noisy(n):
    labels = np.arange(n, dtype=np.int32) % 10
    return Data((shown[labels] // 2 + rng.integers(0, 128, (n, 8, 8, 3))).astype(np.uint8), labels)

  splits = Splits(noisy(40), noisy(200), tuple("0123456789"))
  whole, cut = tmp_path / "whole", tmp_path / "cut"
  for folder in (whole, cut):
    folder.mkdir()
  monkeypatch.setattr(all_cnn, "EVERY", 2)
  slices, (expected,) = all_cnn_lines(whole, config, splits)
  assert [epoch for epoch, _ in slices] == [2, 4, 6, 7]
  assert expected["test_accuracy"] == slices[-1][1]
  assert len({accuracy for _, accuracy in slices}) > 1
  times, saved = [], all_cnn.Checkpoints.save

  def save(self, step, state):
    times.append(step)
    if step == 4:
      raise KeyboardInterrupt
    saved(self, step, state)

  with monkeypatch.context() as broken:
    broken.setattr(all_cnn.Checkpoints, "save", save)
    with pytest.raises(KeyboardInterrupt):
      all_cnn_lines(cut, config, splits)
  assert times == [2, 4]
  again, (found,) = all_cnn_lines(cut, config, splits)
  assert again == [*slices[:2], *slices[1:]]
  assert {**found, "seconds": 0} == {**expected, "seconds": 0}


def test_the_command_rehearses_the_cheapest_step(tmp_path, capsys):
  arguments = [str(tmp_path / "out"), f"--cache={tmp_path / 'cache'}", "--tiny", "--only=search"]
  assert command.main(arguments) == 0
  told = capsys.readouterr().out
  assert "packages: jax" in told
  assert "search: done after" in told
  lines = parts.readable(tmp_path / "out" / "results.jsonl")
  assert [line["index"] for line in lines] == ["exact", "exact_int8"]
  for line in lines:
    assert line["of_10"]["recall_10"] == line["of_100"]["recall_10"] == 1
    assert line["complete"]
    assert len(line["code"]) == 1
    assert {"commit", "versions", "device"} <= {*line}
  assert command.main(arguments) == 0
  assert "search: done after" not in capsys.readouterr().out


def test_without_an_accelerator_it_says_so(tmp_path):
  with pytest.raises(SystemExit, match=r"found no accelerator.*--tiny"):
    command.main([str(tmp_path / "out"), f"--cache={tmp_path / 'cache'}"])


def test_arguments(capsys):
  for wrong in ([], ["out", "--limit=5"], ["out", "--only=nothing"]):
    with pytest.raises(SystemExit):
      command.parsed(wrong)
  assert "OUT is missing" in capsys.readouterr().err


def test_the_speed_table_has_rates_and_lives_without_rivals():
  device = {"platform": "gpu", "kind": "A card"}
  ours = {
    "row": "lenet_step",
    "precision": "tensorfloat32",
    "ours_seconds": 1e-3,
    "flops": 10**9,
    "bytes": 10**8,
  }
  both = ours | {
    "ratio": 0.5,
    "ratio_low": 0.4,
    "ratio_high": 0.6,
    "rival_seconds": 2e-3,
    "rival_form": "eager",
  }
  peaks = {"tensorfloat32": 1e13, "copy": 1e12}
  alone, beside = report.speed_table(
    [ours | {"device": device}, both | {"device": device}], peaks
  ).splitlines()[2:]
  assert alone.endswith("| 1 ms | - | - | 1 | 10 % | - | 100 | 10 % |")
  assert beside.endswith("| 1 ms | 2 ms (eager) | 0.50 (0.40 to 0.60) | 1 | 10 % | 0.5 | 100 | 10 % |")
