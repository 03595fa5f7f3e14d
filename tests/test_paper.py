"""The paper's table, commands, rules, report and drawings, on made-up results; and a killed run that goes on."""

import importlib
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags
from pages import load

from asal_jax import config as checks
from asal_jax.pools.data import DATA_SETS
from asal_jax.store.journal import read_lines
from configs import digits
from experiments.paper import __main__ as command
from experiments.paper import draw, perform, report, results, rules, runs, table
from experiments.paper.claims import CLAIMS
from experiments.paper.results import Result
from experiments.paper.runs import Run

MNIST_TWO = Run("mnist_two")
ABOUT = {
  "config": {
    "name": "MNIST two, small", "seeds": [0, 1, 2, 3], "loop": {"start": 50, "budget": 80},
    "data": {"name": "mnist", "classes": [5, 7]}, "gan": {"loss": "wgan_gp", "width": 16, "iterations": 4_000},
  },
  "commit": "c" * 40, "device": {"platform": "cpu", "cores": 2},
}  # fmt: skip
LEVELS = {"supervised": 0.99, "random": 0.9, "entropy": 0.98, "asal_pixels": 0.95, "asal_autoencoder": 0.9,
          "asal_critic": 0.85, "gaal_stand_in": 0.94}  # fmt: skip


def records(levels=LEVELS, seeds=4, classes=2):
  noise = np.random.default_rng(0)
  found = []
  for strategy, level in levels.items():
    for seed in range(seeds):
      for cycle in range(1 if strategy == "supervised" else 4):
        labels = 10_000 if strategy == "supervised" else 50 + 10 * cycle
        found.append({
          "strategy": strategy, "seed": seed, "cycle": cycle, "labels": labels,
          "test_accuracy": level + 0.002 * noise.random(), "new_entropy": None if cycle == 0 else level / 2,
          "label_counts": [labels // classes] * classes, "train_seconds": 0.1, "select_seconds": None,
        })  # fmt: skip
  return found


def result(levels=LEVELS, about=ABOUT, run=MNIST_TWO, root=pathlib.Path()):
  return Result(run, "small", root, about, records(levels), root)


def keep(root, run=MNIST_TWO, about=ABOUT, levels=LEVELS):
  """A made-up result where the run's is kept, below `root`."""
  folder = root / runs.kept(run, "small")
  folder.mkdir(parents=True)
  (folder / "config.json").write_text(json.dumps(about))
  (folder / "summary.json").write_text("{}")
  lines = [json.dumps(record) + "\n" for record in records(levels)]
  (folder / "metrics.jsonl").write_text("".join(lines))
  return folder


# The table.


def test_every_figure_and_table_is_there_once_in_order():
  wanted = [*(f"figure_{n:02d}" for n in range(2, 36)), *(f"table_{n}" for n in (1, 2, 3))]
  assert [item.name for item in table.ITEMS] == wanted
  assert {claim.item for claim in CLAIMS} <= set(wanted)


def test_every_kind_is_drawn_by_the_function_that_the_table_names():
  kinds = {part.kind for item in table.ITEMS for part in item.parts}
  assert kinds == set(table.KINDS) == set(draw.DRAWERS)
  for kind, name in table.KINDS.items():
    assert not name or draw.DRAWERS[kind] is getattr(draw, name)


def test_figures_are_arranged_as_in_the_paper():
  shapes = {
    item.name + part.letter: [len(row) for row in part.rows] for item in table.ITEMS for part in item.parts
  }
  assert shapes["figure_10"] == shapes["figure_12"] == shapes["figure_17"] == [2, 2]
  assert shapes["figure_11"] == [3, 3, 3, 3]
  assert shapes["figure_16"] == [2, 3, 3]
  assert shapes["figure_19"] == [4]
  assert shapes["figure_22"] == shapes["figure_23"] == [2, 2, 2, 2]
  assert shapes["figure_24"] == [2, 2]
  # Minimum distance with hinge loss is the left column; DCGAN the upper row.
  panels = next(item for item in table.ITEMS if item.name == "figure_10").parts[0].panels
  assert [(panel.run.gan, panel.run.score) for panel in panels] == [
    ("dcgan", "min_distance"), ("dcgan", "entropy"), ("wgan_gp", "min_distance"), ("wgan_gp", "entropy")
  ]  # fmt: skip


def test_a_run_has_what_all_its_figures_ask_for_and_claims_ask_for_no_more():
  assert "gaal_stand_in" in table.strategies(MNIST_TWO)
  assert "min_distance" in table.strategies(Run("cifar_two", "residual_ct", "min_distance"))
  every = table.runs()
  assert len(every) == len(set(every))
  assert {run for claim in CLAIMS for run in claim.runs} <= set(every)


def test_names_choose_figures_and_runs():
  assert table.runs(["3"]) == table.runs(["figure_03"]) == [MNIST_TWO, Run("mnist_two", "dcgan")]
  assert table.runs(["cifar_ten", "6"]) == [
    Run("celeba_hat"), Run("cifar_ten"), Run("celeba_blond"), Run("celeba_bangs")
  ]  # fmt: skip
  assert table.runs(["7"]) == []
  with pytest.raises(KeyError, match="99"):
    table.runs(["99"])


# Commands.


@pytest.mark.parametrize("scale", runs.SCALES)
# ml_collections loads a config by what Python is about to drop.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_each_run_is_one_command_that_its_config_accepts(scale, monkeypatch):
  monkeypatch.delenv("USPS_FILE", raising=False)
  lines = command.commands(table.runs(), scale)
  assert len(lines) == len(set(lines)) == len(table.runs())
  folders = set()
  for line, run in zip(lines, table.runs(), strict=True):
    python, *module, config, workdir, cache = shlex.split(line)[:6]
    assert [python, *module] == ["python", "-m", "asal_jax.main"]
    assert cache == "--cache=runs/paper/cache"
    folders.add(workdir)
    # ml_collections finds the overrides there.
    monkeypatch.setattr(sys, "argv", ["main", config, *shlex.split(line)[6:]])
    parsed = parse()
    assert parsed == runs.settings(run, scale, table.strategies(run))
    checks.validate(parsed)
    data = DATA_SETS[parsed.data.name]
    checks.validate_classes(parsed, data.classes)
    classes = len(parsed.data.classes) or data.classes
    checks.validate_for_data(parsed, classes, data.pool, data.image_shape)
  assert len(folders) == len(lines)


def parse():
  """The config as the command makes it, by absl and ml_collections."""
  from absl import flags

  values = flags.FlagValues()
  flag = config_flags.DEFINE_config_file("config", flag_values=values)
  values(sys.argv)
  assert isinstance(flag.value, ConfigDict)
  return flag.value


def test_what_runs_share_is_made_by_one_line_a_pool():
  lines = command.commands(table.runs(), "paper", shared=True)
  parts = [part for line in lines for part in line.split(" && ")]
  assert [part.rpartition("=")[2] for part in parts] == ["gan", "features"] * (len(parts) // 2)
  # MNIST two and ten, CIFAR two and ten, CelebA; the paper's GANs of each.
  assert [line.count("--stage=gan") for line in lines] == [2, 2, 4, 1, 4]
  # USPS is tested on a GAN of MNIST.
  assert not any("usps" in line for line in lines)


def test_usps_lies_where_the_environment_says(monkeypatch):
  monkeypatch.setenv("USPS_FILE", "usps.npz")
  wanted = ["--config.data.usps_file=usps.npz"]
  assert [flag for flag in runs.flags(Run("usps_two"), "small", ("random",)) if "usps_file" in flag] == wanted
  assert not [flag for flag in runs.flags(MNIST_TWO, "small", ("random",)) if "usps_file" in flag]


def test_the_command_lists_and_prints(capsys):
  assert command.main(["list"]) == 0
  listed = capsys.readouterr().out
  for item in table.ITEMS:
    assert re.search(rf"^{item.name}", listed, flags=re.M)
  assert command.main(["print", "--scale=small", "28"]) == 0
  assert capsys.readouterr().out.count("\n") == 1
  assert command.main(["print", "nothing"]) == 2
  assert "nothing" in capsys.readouterr().err


# Rules: each verdict follows from the numbers.


@pytest.mark.parametrize(
  ("rule", "holds"),
  [
    (rules.above(("asal_pixels",), "random"), True),
    (rules.above(("asal_pixels", "asal_autoencoder"), "random"), False),
    (rules.below(("asal_critic",), "random"), True),
    (rules.below(("asal_pixels",), "random"), False),
    (rules.not_above(("asal_autoencoder", "asal_critic"), "random"), True),
    (rules.not_above(("asal_pixels",), "random"), False),
    (rules.not_below(("asal_critic",), "random"), False),
    (rules.same(("asal_autoencoder",), "random"), True),
    (rules.same(("asal_critic",), "random"), False),
    (rules.only_reaches("supervised", ("entropy",), "supervised"), True),
    (rules.only_reaches("entropy", ("random",), "supervised"), False),
    (rules.best("asal_pixels", ("asal_autoencoder", "asal_critic")), True),
    (rules.best("asal_critic", ("asal_pixels",)), False),
    (rules.worst("asal_critic", ("random", "entropy")), True),
    (rules.near("supervised", 0.991, 0.005), True),
    (rules.near("supervised", 0.9, 0.005), False),
    # 0.475, 0.45, 0.425 against 0.45.
    (rules.entropy_gain(table.ASAL, 0.0, 0.01), True),
    (rules.entropy_gain(table.ASAL, 0.63, 0.063), False),
    (rules.shares(("random",), (1,), "share", lambda share: 0.49 < share < 0.51), True),
    (rules.shares(("random",), (0, 1), "share", lambda share: share < 1), False),
  ],
)
def test_a_verdict_follows_from_the_numbers(rule, holds):
  found = rule([result()])
  assert found.holds is holds
  assert report.verdict(found) == ("reproduced" if holds else "not reproduced")
  assert re.search(r"\d", found.ours)


def test_a_rule_says_nothing_without_its_strategies_or_with_one_seed():
  without = result({"random": 0.9})
  assert rules.above(("asal_pixels",), "random")([without]) is None
  assert rules.near("supervised", 0.9, 0.1)([without]) is None
  one = result()._replace(records=records(seeds=1))
  assert rules.above(("asal_pixels",), "random")([one]) is None
  assert report.verdict(None) == "not run"


def test_differences_are_told_with_interval_and_star():
  ours = rules.above(("asal_pixels", "asal_autoencoder"), "random")([result()]).ours
  by_seed = [[r["test_accuracy"] for r in records() if r["strategy"] == s] for s in ("asal_pixels", "random")]
  difference = 100 * (np.mean(by_seed[0]) - np.mean(by_seed[1]))
  assert f"asal_pixels {difference:+.2f} ±" in ours
  first, second = ours.split(", asal_autoencoder")
  assert first.endswith("*")
  assert not second.endswith("*")


def test_runs_are_compared_by_seed():
  lower = result({name: level - 0.1 for name, level in LEVELS.items()})
  assert rules.above_other_run(table.ASAL)([result(), lower]).holds
  assert not rules.above_other_run(table.ASAL)([lower, result()]).holds
  assert not rules.above_other_run(table.ASAL)([result(), result()]).holds


def agreement(*pixels, critic=0.5):
  def one(share):
    return {"agreement": share, "low": share - 0.05, "high": share + 0.05, "counts": list(pixels)}

  sets = {"pixels": one(0.8), "autoencoder": one(0.7), "critic": one(critic)}
  return {"annotated_by": "x", "classes": ["5", "7"], **sets}


def test_agreement_is_compared_by_its_intervals(tmp_path):
  one, other = (Run("mnist_two", gan) for gan in table.MNIST_GANS)
  found = []
  for run, critic in ((one, 0.75), (other, 0.5)):
    (tmp_path / runs.workdir(run, "small")).mkdir(parents=True)
    path = tmp_path / runs.workdir(run, "small") / "agreement.json"
    path.write_text(json.dumps(agreement(30, 70, critic=critic)))
    found.append(result(run=run, root=tmp_path))
  assert rules.pixels_agree_most(found).holds
  assert not rules.agreement_above_other_run(found).holds
  assert rules.most_annotated(1)(found).holds
  assert not rules.most_annotated(0)(found).holds
  assert rules.agreement_above_other_run([result(root=tmp_path / "none")] * 2) is None


# The report.


def test_the_report_has_every_figure_and_its_verdicts(tmp_path):
  text = report.page(tmp_path)
  for item in table.ITEMS:
    number = item.name.split("_")[1].lstrip("0")
    assert len(re.findall(rf"^### (Figure|Table) {number}: {re.escape(item.about)}$", text, flags=re.M)) == 1
  # Tables of networks and the kept timings need no run.
  assert text.count("**reproduced**") + text.count("**not reproduced**") == 5
  keep(tmp_path)
  text = report.page(tmp_path)
  lines = [line for line in text.splitlines() if line.startswith("| (a) all versions of ASAL beat random")]
  assert len(lines) == 1
  assert "asal_critic -4.99 ±" in lines[0]
  assert "| small | 4 |" in lines[0]
  assert lines[0].endswith("**not reproduced** |")
  assert "| mnist_two, small | MNIST two, small | 4 | 50 to 80 |" in text
  assert "c" * 10 in text
  assert "2 CPU cores" in text
  counted = re.search(r"(\d+) reproduced, (\d+) not reproduced, (\d+) not run", text)
  assert sum(map(int, counted.groups())) == len(CLAIMS)


def test_a_stand_in_reproduces_nothing(tmp_path):
  keep(tmp_path, Run("celeba_hat"))
  line = next(row for row in report.page(tmp_path).splitlines() if row.startswith("| CelebA hat"))
  assert line.endswith("**not run** |")


def test_what_was_made_here_comes_before_what_is_kept_and_the_paper_s_scale_first(tmp_path):
  keep(tmp_path)
  assert results.find(MNIST_TWO, root=tmp_path).folder == tmp_path / "experiments/mnist_two"
  assert results.find(MNIST_TWO, root=tmp_path, again=True) is None
  for scale in ("small", "paper"):
    folder = tmp_path / runs.workdir(MNIST_TWO, scale)
    keep(tmp_path / scale)
    folder.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / scale / "experiments/mnist_two").rename(folder)
    assert results.find(MNIST_TWO, root=tmp_path).folder == folder
  assert results.find(MNIST_TWO, root=tmp_path).scale == "paper"


def test_kept_folders_are_each_run_s_own():
  folders = [runs.kept(run, scale) for run in table.runs() for scale in runs.SCALES]
  assert len(set(folders)) == len(folders)
  assert runs.kept(MNIST_TWO, "small") == pathlib.Path("experiments/mnist_two")
  assert runs.kept(Run("celeba_hat"), "small") == pathlib.Path("experiments/sprites")


# Drawings.


def test_figures_are_drawn_of_what_there_is(tmp_path, figures):
  folder = keep(tmp_path)
  (folder / "figures").mkdir()
  from asal_jax.reporting import pictures

  images = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 1))
  pictures.grids({"random": images, "uncertain": images}, folder / "figures" / "samples.png", "MNIST two")
  (folder / "agreement.json").write_text(json.dumps(agreement(30, 70)))
  items = [item for item in table.ITEMS if item.name not in ("figure_07", "figure_08")]
  paths = draw.draw_all(tmp_path / "drawn", items, tmp_path)
  assert [path.name for path in paths] == [
    *(f"figure_{n}.png" for n in ("03a", "03b", "03c", "09", "10", "11", "12", "13", "32"))
  ]  # fmt: skip
  for path in paths:
    load(path)
  by_name = dict(zip([path.name for path in paths], figures[1:], strict=True))
  ten = by_name["figure_10.png"]
  assert [len(axes.get_lines()) > 3 for axes in ten.axes] == [False, False, False, True]
  assert [text.get_text() for text in ten.axes[0].texts] == ["not run"]
  legend = [text.get_text() for text in ten.legends[0].get_texts()]
  assert legend == list(table.compared(MNIST_TWO))
  assert len(by_name["figure_11.png"].axes) == 12


def test_figures_without_a_result_are_not_drawn(tmp_path):
  assert draw.draw_all(tmp_path, [item for item in table.ITEMS if item.name == "figure_03"], tmp_path) == []


# Runs on this machine.


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


def test_figure_13_measures_the_agreement_of_a_cached_gan(tmp_path, native_convolutions):
  agreements = importlib.import_module("experiments.paper.agreement")
  import asal_jax
  from asal_jax.errors import InputError

  config = tiny.config(**tiny.QUICK_GAN, **tiny.QUICK_JUDGE, **{"gan.looks": 0, "judge.confidence": 0.6})
  with pytest.raises(InputError, match="run --stage=gan first"):
    agreements.measure(config, tmp_path / "run", tmp_path / "cache", 60)
  for stage in runs.STAGES:
    asal_jax.run(config, workdir=tmp_path / "run", cache=tmp_path / "cache", stage=stage)
  found = agreements.measure(config, tmp_path / "run", tmp_path / "cache", 60)
  assert "stand-in" in found["annotated_by"]
  assert found["classes"] == ["3", "8"]
  for name in ("pixels", "autoencoder", "critic"):
    one = found[name]
    assert sum(one["counts"]) + one["rejected"] == 60
    assert one["low"] <= one["agreement"] <= one["high"]
  assert found["pixels"]["counts"] == found["critic"]["counts"]
  json.dumps(found)
