"""The commands of the paper's runs."""

import re
import shlex
import sys

import pytest
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags
from papers import MNIST_TWO

from asal_jax import config as checks
from asal_jax.pools.data import DATA_SETS
from experiments.paper import __main__ as command
from experiments.paper import runs, table
from experiments.paper.runs import Run


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
