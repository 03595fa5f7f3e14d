"""Results of runs, from the repository or from workdirs, and what is computed from them."""

import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from asal_jax.pools.attributes import class_names
from asal_jax.pools.data import CIFAR10_NAMES
from asal_jax.reporting import summary
from asal_jax.store.journal import read_lines
from experiments.paper import runs
from experiments.paper.runs import Run

FILES = ("config.json", "metrics.jsonl", "summary.json", "gan.jsonl", "stages.jsonl", "agreement.json")
"""What is kept of a run, beside its figures."""


class Result(NamedTuple):
  """A finished run: its folder, what config.json says, and the records of metrics.jsonl."""

  run: Run
  scale: str
  folder: pathlib.Path
  about: dict[str, Any]
  records: list[dict[str, Any]]
  root: pathlib.Path

  @property
  def title(self) -> str:
    """As the config is called; it says what is reduced."""
    return self.about["config"]["name"]

  @property
  def stand_in(self) -> bool:
    """Whether its images are not the paper's."""
    return (self.run.name, self.scale) in runs.STAND_INS

  def per_seed(self, strategy: str, value: Callable[[list[dict]], float | None]) -> dict[int, float]:
    """`value` of each seed's records by cycle; nothing where the strategy was not run or a seed has None."""
    seeds = summary.grouped([r for r in self.records if r["strategy"] == strategy]).get(strategy, {})
    found = {seed: value(course) for seed, course in seeds.items()}
    return {seed: number for seed, number in found.items() if number is not None}

  def agreement(self) -> dict[str, Any] | None:
    """Of the annotations of its GAN's samples with their matches, where it was measured."""
    folders = (self.root / runs.workdir(self.run, self.scale), self.folder)
    paths = [folder / "agreement.json" for folder in folders if (folder / "agreement.json").exists()]
    return json.loads(paths[0].read_text()) if paths else None

  def classifier_score(self) -> float | None:
    """Of the GAN's samples after training."""
    lines = read_lines(self.folder / "gan.jsonl")
    return lines[-1]["classifier_score"] if lines else None

  def class_names(self) -> list[str]:
    """Of the classes in the order of their labels."""
    data, count = self.about["config"]["data"], len(self.records[0]["label_counts"])
    labels = data["classes"] or range(count)
    if data["name"] == "celeb_a":
      return list(class_names(data["attribute"]))
    return [CIFAR10_NAMES[k] if data["name"] == "cifar10" else str(k) for k in labels]

  def pool_fractions(self) -> np.ndarray | None:
    """Shares of the classes in the pool, which `supervised` has whole."""
    whole = [r["label_counts"] for r in self.records if r["strategy"] == summary.CEILING]
    return np.array(whole[0]) / sum(whole[0]) if whole else None


def final(course: list[dict]) -> float:
  """Test accuracy at the last cycle."""
  return course[-1]["test_accuracy"]


def new_entropy(course: list[dict]) -> float | None:
  """Mean entropy of the added samples over the cycles."""
  added = [r["new_entropy"] for r in course if r.get("new_entropy") is not None]
  return float(np.mean(added)) if added else None


def early_entropy(course: list[dict]) -> float | None:
  """The same over the first tenth of the cycles."""
  added = [r for r in course if r.get("new_entropy") is not None]
  return new_entropy(added[: max(1, len(added) // 10)])


def share(*classes: int) -> Callable[[list[dict]], float]:
  """The share of some classes in the training set, mean over the cycles that grew it."""

  def value(course: list[dict]) -> float:
    grown = [np.array(r["label_counts"]) for r in course[1:] or course]
    return float(np.mean([counts[list(classes)].sum() / counts.sum() for counts in grown]))

  return value


def read(run: Run, scale: str, folder: pathlib.Path, root: pathlib.Path) -> Result | None:
  """The result in a folder; None where no run was finished there."""
  if not (root / folder / "summary.json").exists():
    return None
  about = json.loads((root / folder / "config.json").read_text())
  return Result(run, scale, root / folder, about, read_lines(root / folder / "metrics.jsonl"), root)


def find(
  run: Run, scales: Sequence[str] = runs.SCALES, root: pathlib.Path = runs.ROOT, again: bool = False
) -> Result | None:
  """The result of the first scale that there is: what was made here before what is kept, or that alone (`again`)."""
  for scale in scales:
    for folder in (runs.workdir(run, scale), *([] if again else [runs.kept(run, scale)])):
      result = read(run, scale, folder, root)
      if result is not None:
        return result
  return None


def complete(result: Result, strategies: Sequence[str]) -> bool:
  """Whether the result has all of these strategies, to the budget of its config."""
  budget = result.about["config"]["loop"]["budget"]
  reached = {name: max(r["labels"] for r in result.records if r["strategy"] == name) for name in
             {r["strategy"] for r in result.records}}  # fmt: skip
  return all(reached.get(name, 0) >= budget for name in strategies)
