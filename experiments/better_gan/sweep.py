"""Does a better GAN, or a longer ascent, bring "all versions of ASAL beat random sampling" back?

A point is a GAN (pair of digits, width, iterations) and an ascent (steps, rate); 20 seeds, the paper's loop.
A point is a line of results.jsonl; what a killed call had made is not made again.

python -m experiments.better_gan.sweep WORKDIR [--hours=3]
"""

import argparse
import json
import pathlib
import shutil
import time
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

import asal_jax
from asal_jax.reporting.summary import aubc, grouped
from asal_jax.running.workdir import surroundings
from asal_jax.store.checkpoint import Cache
from asal_jax.store.files import read_sealed
from asal_jax.store.journal import read_lines
from configs import mnist_two

FOLDER = pathlib.Path(__file__).parent
RESULTS = FOLDER / "results.jsonl"
SEEDS = tuple(range(20))
PAIRS = ((5, 7), (3, 5))
"""The paper's, and a harder one for a linear model."""

WIDTHS = (16, 32, 64)
ITERATIONS = (4_000, 250, 20_000, 1_000, 8_000, 500, 2_000)
"""Those that tell most first."""

STEPS = (0, 10, 30, 100, 300)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
ASAL = ("asal_pixels", "asal_autoencoder", "asal_critic")
WITHOUT = ("random", "entropy", "subpool")
"""Strategies that need no GAN."""


class Point(NamedTuple):
  """A pair of digits, a GAN of some width after some iterations (0: none is needed), and the ascent."""

  pair: tuple[int, int]
  width: int
  iterations: int
  steps: int = 100
  rate: float = 0.01


def points(pairs=PAIRS) -> list[Point]:
  """Those that tell most for their time first."""
  found = [Point(pair, WIDTHS[0], n) for n in (0, *ITERATIONS[:3]) for pair in pairs]
  for pair in pairs:
    found += [Point(pair, WIDTHS[0], 4_000, steps) for steps in STEPS]
    found += [Point(pair, WIDTHS[0], 4_000, rate=rate) for rate in RATES]
    found += [Point(pair, WIDTHS[0], n) for n in ITERATIONS]
  found += [Point(pair, width, n) for width in WIDTHS[1:] for pair in pairs for n in ITERATIONS]
  return list(dict.fromkeys(found))


def settings(point: Point) -> ConfigDict:
  """MNIST two's config at a point."""
  config = mnist_two.get_config()
  config.name = f"MNIST {point.pair[0]} and {point.pair[1]}"
  config.seeds, config.data.classes = SEEDS, point.pair
  config.strategies = ASAL if point.iterations else WITHOUT
  config.gan.width = config.gan.critic_width = point.width
  config.gan.iterations, config.gan.looks = max(point.iterations, 1), 1
  config.synthesis.ascent_steps, config.synthesis.learning_rate = point.steps, point.rate
  config.index.name = "exact"
  return config


def continue_gan(config: ConfigDict, cache: Cache) -> None:
  """Puts the longest shorter training of this GAN where the config's begins: it is the same as far as it goes.

  So it is where no rate decays, as with WGAN-GP on plain nets.
  """
  wanted, shorter = config.gan.to_dict(), []
  for path in cache.root.glob("gan-*/made_from.json"):
    if cache.fault(path.parent) != "":
      continue
    made_from = read_sealed(path)["made_from"]
    gan = made_from["gan"]
    if gan["iterations"] < wanted["iterations"] and gan == {k: wanted[k] for k in gan} | {
      "iterations": gan["iterations"]
    }:
      shorter.append((gan["iterations"], path.parent, made_from))
  if shorter:
    _, folder, made_from = max(shorter, key=lambda found: found[0])
    made_from["gan"]["iterations"] = wanted["iterations"]
    target = cache.folder("gan", made_from) / "checkpoints"
    if not target.exists():
      part = target.with_name("copied")
      shutil.rmtree(part, ignore_errors=True)
      part.parent.mkdir(parents=True, exist_ok=True)
      shutil.copytree(folder / "checkpoints", part)
      part.rename(target)


def measured(point: Point, workdir: pathlib.Path) -> dict:
  """AUBC and mean entropy of new samples, a value a seed, by strategy; the classifier score of a GAN trained here."""
  config = settings(point)
  digits = "".join(map(str, point.pair))
  cache = workdir / digits / "cache"
  name = f"width{point.width}_{point.iterations}_{point.steps}_{point.rate}"
  if point.iterations:
    continue_gan(config, Cache(cache))
  result = asal_jax.run(config, workdir=workdir / digits / name, cache=cache)
  assert result is not None
  looks = read_lines(result.workdir / "gan.jsonl")
  return {
    "classifier_score": looks[-1]["classifier_score"] if looks else None,
    "strategies": {strategy: of_strategy(seeds) for strategy, seeds in grouped(result.records).items()},
  }


def of_strategy(seeds: dict[int, list]) -> dict[str, list[float]]:
  """A value a seed."""
  return {
    "aubc": [aubc(course) for course in seeds.values()],
    "new_entropy": [float(np.mean([r["new_entropy"] for r in course[1:]])) for course in seeds.values()],
  }


def known(path: pathlib.Path = RESULTS) -> dict[Point, dict]:
  """Points that are measured."""
  lines = read_lines(path)
  return {Point(**(line["point"] | {"pair": tuple(line["point"]["pair"])})): line for line in lines}


def sweep(workdir: pathlib.Path, hours: float) -> None:
  """Measures what is not, until `hours` have passed."""
  deadline, done = time.monotonic() + 3600 * hours, known()
  for point in points():
    if point in done or time.monotonic() > deadline:
      continue
    line = {"point": point._asdict(), **measured(point, workdir), "seeds": len(SEEDS), **surroundings()}
    with RESULTS.open("a") as file:
      file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
  parser = argparse.ArgumentParser("experiments.better_gan.sweep", description=__doc__)
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--hours", type=float, default=3.0)
  asked = parser.parse_args()
  sweep(asked.workdir, asked.hours)
