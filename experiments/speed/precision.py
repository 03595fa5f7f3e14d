"""Whether lower precision of products changes results: one benchmark under each, the same seeds, paired differences.

A CPU has float32 and bfloat16 (tensorfloat32 is float32 there).

  python -m experiments.speed.precision configs/mnist_two.py:small WORKDIR
"""

import importlib
import json
import pathlib
import sys

import numpy as np
from scipy import stats

import asal_jax
from asal_jax.job import surroundings

PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
STRATEGIES = ("random", "entropy", "asal_pixels", "asal_critic")


def final_accuracies(records: list[dict], strategy: str) -> np.ndarray:
  """Test accuracy at the last cycle, one a seed."""
  rows = [record for record in records if record["strategy"] == strategy]
  last = max(record["cycle"] for record in rows)
  return np.array([record["test_accuracy"] for record in rows if record["cycle"] == last])


def main(path: str, workdir: str) -> None:
  module, _, argument = path.removeprefix("configs/").partition(":")
  accuracies = {}
  for precision in PRECISIONS:
    config = importlib.import_module(f"configs.{module.removesuffix('.py')}").get_config(argument)
    config.precision, config.strategies = precision, STRATEGIES
    # A cache of its own: the GAN is trained in this precision, too.
    result = asal_jax.run(config, workdir=pathlib.Path(workdir) / precision)
    accuracies[precision] = {name: final_accuracies(result.records, name) for name in STRATEGIES}
  for precision in PRECISIONS[1:]:
    for name in STRATEGIES:
      difference = accuracies[precision][name] - accuracies["float32"][name]
      # The largest difference that noise between seeds would make in 95 % of the cases.
      spread = accuracies["float32"][name].std(ddof=1) * stats.t.ppf(0.975, len(difference) - 1)
      record = {
        "precision": precision, "strategy": name, "mean_difference": difference.mean(), "noise": spread,
        "within_noise": bool(abs(difference.mean()) <= spread),
      }  # fmt: skip
      print(json.dumps(record | surroundings()["device"]))


if __name__ == "__main__":
  main(*sys.argv[1:])
