"""Killed at random moments of every stage, a run ends in the results of one that nobody disturbed."""

import random
import re
import signal
import subprocess
import time

import pytest

from experiments.reliability.kills import Run, drawn, flaws, results, stages_of

QUICK = ("--config.strategies=('random','asal_critic','gaal_stand_in')",)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  run = Run(tmp_path_factory.mktemp("kills") / "whole", QUICK)
  assert run.start() is None
  return run


def test_ended_by_sigterm_and_killed_in_five_stages_a_run_ends_in_the_same_results(whole):
  wanted, life = results(whole.workdir), Run(whole.workdir.with_name("life"), QUICK)
  assert life.start([("gan", "fsync", 5)], signal.SIGTERM)["signal"] == "SIGTERM"
  saved = [int(path.name) for path in life.workdir.glob("cache/gan-*/checkpoints/*") if path.name.isdecimal()]
  assert 0 < max(saved) < 400
  plan = [
    ("gan", "fsync", 8), ("features critic", "fsync", 1), ("asal_critic", "fsync", 4), ("gaal_stand_in", "replace", 2),
    ("report", "replace", 3),
  ]  # fmt: skip
  deaths = life.live(plan, wanted)
  assert [(death["stage"], death["how"], death["at"]) for death in deaths] == plan
  assert not any(death["flaws"] for death in deaths)


def told(error):
  """The last line, which says what went wrong; the libraries that met it may have said more before."""
  assert "asal_jax/main.py" not in error
  return error.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("kib", [20, 40])
def test_where_no_more_can_be_written_one_line_says_so_and_the_run_goes_on_later(whole, kib):
  """Smaller than a checkpoint, and than a figure."""
  life = Run(whole.workdir.with_name(f"full{kib}"), QUICK)
  command = life.command("asal_jax.main")
  limited = ["bash", "-c", f'ulimit -f {kib}; exec "$@"', "limited", *command.pop("args")]
  done = subprocess.run(limited, **command, check=False)
  assert done.returncode == 2, done.stderr
  assert re.fullmatch(
    rf"asal_jax: .*{life.workdir}.*: File too large; mend that, and the same .*", told(done.stderr)
  )
  assert life.live([], results(whole.workdir)) == []
  assert flaws(life.workdir, results(whole.workdir)) == []


@pytest.mark.slow
def test_a_workdir_that_is_gone_is_told_and_the_run_goes_on_when_it_is_back(whole):
  life = Run(whole.workdir.with_name("mounted"), QUICK)
  process = subprocess.Popen(**life.command("asal_jax.main"))
  while not (life.workdir / "metrics.jsonl").exists():
    assert process.poll() is None
    time.sleep(0.01)
  away = life.workdir.rename(life.workdir.with_name("away"))
  assert told(process.communicate()[1]).startswith(f"asal_jax: {life.workdir}: is no longer there")
  assert process.returncode == 2
  away.rename(life.workdir)
  assert life.start() is None
  assert flaws(life.workdir, results(whole.workdir)) == []


def test_the_harness_tells_results_that_differ(whole, tmp_path):
  wanted = results(whole.workdir)
  assert wanted["metrics"] != wanted["metrics"][1:]
  other = Run(tmp_path / "other", ("--config.strategies=('random',)", "--config.classifier.epochs=1"))
  assert [death["flaws"] for death in other.live([("random", "fsync", 1)], wanted)] == [
    ["metrics", "selections", "summary"]
  ]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_fifty_kills_in_all_stages(tmp_path, seed):
  whole, luck, deaths = Run(tmp_path / "whole"), random.Random(seed), []
  whole.start()
  stages, wanted = {"start": 1.0, **stages_of(whole.workdir)}, results(whole.workdir)
  for life in range(99):
    deaths += Run(tmp_path / f"life{life}").live(drawn(stages, luck), wanted)
    if len(deaths) >= 10:
      break
  assert not any(death["flaws"] for death in deaths)
