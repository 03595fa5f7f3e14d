"""Made-up results of the paper's runs."""

import json
import pathlib

import numpy as np

from experiments.paper import runs
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


def agreement(*pixels, critic=0.5):
  def one(share):
    return {"agreement": share, "low": share - 0.05, "high": share + 0.05, "counts": list(pixels)}

  sets = {"pixels": one(0.8), "autoencoder": one(0.7), "critic": one(critic)}
  return {"annotated_by": "x", "classes": ["5", "7"], **sets}
