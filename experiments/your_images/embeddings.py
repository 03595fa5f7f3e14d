"""Embeddings computed offline, in the place of pixels: what are pre-trained features worth below 300 labels?

The stand-in for CLIP and its like is the last hidden layer of LeNet-5 trained on CIFAR-10's eight *other* classes. Then
the whole tool, twice a seed: a linear model on `features.file`, and the default, LeNet-5 on the photographs. Both are
answered through the page, a random test set first.

python -m experiments.your_images.embeddings FOLDER WORKDIR [--seeds=5]

FOLDER is made by experiments.your_images.photos. Appends lines to embeddings.jsonl, prints their table.
"""

import argparse
import csv
import json
import pathlib

import jax
import numpy as np

from asal_jax.models.classifier import make_classifier, make_fit
from asal_jax.pools.blocks import map_blocks
from asal_jax.pools.data import load_cifar10
from asal_jax.pools.folder import load_folder
from asal_jax.reporting.summary import interval
from asal_jax.rng import seed_keys
from asal_jax.running.workdir import surroundings
from asal_jax.store.journal import read_lines
from asal_jax.types import decode
from configs import base
from experiments.your_images.photos import CIFAR_TWO
from experiments.your_images.trial import by_page, classes, command, read_truth

RESULTS = pathlib.Path(__file__).parent / "embeddings.jsonl"
BUDGET, TEST = 100, 300
RANGE = (0.0, 1.0)


def embed(folder: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
  """The .npy of embeddings f32[n d] of the photographs, and the .csv of their files beside it; made once."""
  path = cache / "embeddings.npy"
  if path.exists():
    return path
  pool = load_cifar10(cache).pool
  others = np.setdiff1d(np.arange(10), CIFAR_TWO)
  rows = np.flatnonzero(np.isin(pool.labels, others))
  config = base.get_config().classifier
  config.update(base.LENET)
  config.batch_size = 50
  classifier = make_classifier(config, (32, 32, 3), len(others), RANGE)
  labels = np.searchsorted(others, pool.labels[rows]).astype(np.int32)
  params = make_fit(classifier, config, RANGE, shared=True)(
    seed_keys((0,)), 0, pool.images[rows], labels[None], np.int32(len(rows))
  )
  photos = load_folder(str(folder / "pool"), cache, size=32, class_names=",".join(classes(folder)))
  one = jax.tree.map(lambda p: p[0], params)
  hidden = jax.jit(lambda p, x: map_blocks(lambda block: classifier.hidden(p, decode(block, RANGE)), x))
  np.save(path, np.asarray(hidden(one, photos.pool.images)))
  with path.with_suffix(".csv").open("w", newline="") as file:
    csv.writer(file).writerows([["file"], *([name] for name in photos.files)])
  return path


def measure(folder: pathlib.Path, workdir: pathlib.Path, learner: str, seed: int, file: pathlib.Path) -> dict:
  """One run of the tool, answered through the page: test accuracy by labels."""
  where = workdir / f"{learner}_{seed}"
  fields = [f"--config.seeds=({seed},)", "--config.data.test_folder=", f"--config.data.test_labels={TEST}"]
  fields += [f"--config.features.file={file}"] if learner == "embeddings" else []
  by_page(command(folder, where, BUDGET, *fields), where, read_truth(folder))
  course = {r["labels"]: r["test_accuracy"] for r in read_lines(where / "metrics.jsonl")}
  return {"learner": learner, "seed": seed, "test_images": TEST, "accuracy": course}


def table(lines: list[dict]) -> str:
  """Test accuracy in % by labels, a row a learner."""
  found: dict[str, list[dict]] = {}
  for line in lines:
    found.setdefault(line["learner"], []).append(line["accuracy"])
  labels = sorted({int(n) for courses in found.values() for course in courses for n in course})
  rows = [["learner", *(f"{n} labels" for n in labels)], ["---"] + ["---:"] * len(labels)]
  for learner, courses in found.items():
    ends = [interval([100 * course[str(n)] for course in courses if str(n) in course]) for n in labels]
    rows.append([learner, *(f"{e['mean']:.1f} ±{(e['high'] or e['mean']) - e['mean']:.1f}" for e in ends)])
  return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
  parser = argparse.ArgumentParser("experiments.your_images.embeddings", description=__doc__)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--seeds", type=int, default=5)
  asked = parser.parse_args()
  made = embed(asked.folder, asked.folder / "cache")
  done = {(line["learner"], line["seed"]) for line in read_lines(RESULTS)}
  for seed in range(asked.seeds):
    for learner in ("embeddings", "pixels"):
      if (learner, seed) not in done:
        line = measure(asked.folder, asked.workdir, learner, seed, made)
        with RESULTS.open("a") as results:
          results.write(json.dumps({**line, **surroundings()}) + "\n")
  print(table(read_lines(RESULTS)))
