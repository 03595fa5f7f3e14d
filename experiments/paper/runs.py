"""The runs that the paper's figures need: their config, command, workdir and where they are kept."""

import functools
import importlib
import os
import pathlib
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from ml_collections import ConfigDict

ROOT = pathlib.Path(__file__).parent.parent.parent
SCALES = ("paper", "small")
RUNS = pathlib.Path("runs/paper")
CACHE = RUNS / "cache"
STAGES = ("gan", "features")
"""Stages that make what runs share."""

GANS = ("dcgan", "wgan_gp", "residual_gp", "residual_ct")
"""In the paper's order."""

SPRITES = pathlib.Path("runs/sprites")
"""Generated images that stand in for CelebA at small scale; see experiments/sprites."""

STAND_INS = {
  ("celeba_hat", "small"): (
    "sprites",
    {"data.folder": str(SPRITES), "name": "Sprites in place of CelebA, wearing hat, small"},
  ),
}
"""Runs on other images than the paper's: the folder they are kept in, and their overrides."""


class Run(NamedTuple):
  """One benchmark with one GAN and one score: `configs/<benchmark>.py`."""

  benchmark: str
  gan: str = "wgan_gp"
  score: str = "entropy"

  @property
  def variant(self) -> str:
    """What differs from the benchmark's defaults, '' where nothing does."""
    parts = (self.gan if self.gan != "wgan_gp" else "", self.score if self.score != "entropy" else "")
    return "_".join(part for part in parts if part)

  @property
  def name(self) -> str:
    """A name for the command line and for folders."""
    return "_".join(part for part in (self.benchmark, self.variant) if part)


def argument(run: Run, scale: str) -> str:
  """The argument of the run's config."""
  words = [
    f"gan={run.gan}" if run.gan != "wgan_gp" else "",
    f"score={run.score}" if run.score != "entropy" else "",
  ]
  return ",".join(word for word in [*words, "small" if scale == "small" else ""] if word)


def overrides(run: Run, scale: str, strategies: Iterable[str]) -> dict[str, object]:
  """Fields that are set beside the config's argument; USPS_FILE of the environment is where USPS lies."""
  _, fields = STAND_INS.get((run.name, scale), ("", {}))
  usps = os.environ.get("USPS_FILE")
  where = {"data.usps_file": usps} if usps and run.benchmark.startswith("usps") else {}
  return {**fields, **where, "strategies": tuple(strategies)}


def settings(run: Run, scale: str, strategies: Iterable[str]) -> ConfigDict:
  """The run's config."""
  config = importlib.import_module(f"configs.{run.benchmark}").get_config(argument(run, scale))
  config.update_from_flattened_dict(overrides(run, scale, strategies))
  return config


def workdir(run: Run, scale: str) -> pathlib.Path:
  """Where the run is made, from the root of the repository."""
  return RUNS / scale / run.name


def kept(run: Run, scale: str) -> pathlib.Path:
  """Where the run's result is kept in the repository."""
  if (run.name, scale) in STAND_INS:
    return pathlib.Path("experiments") / STAND_INS[run.name, scale][0]
  inside = "_".join(part for part in (run.variant, "paper" if scale == "paper" else "") if part)
  return pathlib.Path("experiments") / run.benchmark / inside


def flags(run: Run, scale: str, strategies: Iterable[str], stage: str = "all") -> list[str]:
  """Flags of asal_jax.main."""
  config = ":".join(part for part in (f"configs/{run.benchmark}.py", argument(run, scale)) if part)
  fields = [f"--config.{k}={v if isinstance(v, str) else repr(v).replace(' ', '').replace(chr(39), chr(34))}"
            for k, v in overrides(run, scale, strategies).items()]  # fmt: skip
  stages = [f"--stage={stage}"] if stage != "all" else []
  return [f"--config={config}", f"--workdir={workdir(run, scale)}", f"--cache={CACHE}", *fields, *stages]


def command(run: Run, scale: str, strategies: Iterable[str], stage: str = "all") -> str:
  """One complete line for a shell."""
  return shlex.join(["python", "-m", "asal_jax.main", *flags(run, scale, strategies, stage)])


@functools.cache
def pool_of(run: Run, scale: str) -> tuple:
  """What tells the run's pool from others: runs that share it share GANs, auto-encoder, features and index."""
  data = settings(run, scale, ("random",)).data
  return data.name, tuple(data.classes), data.folder, tuple(data.pixel_range)
