"""The journal of a run: what was selected and measured, appended as JSON lines; also what a run resumes from."""

import json
import os
import pathlib
from typing import Any

import numpy as np

from asal_jax import processes

Record = dict[str, Any]


def read_lines(path: pathlib.Path) -> list[Record]:
  """The records of a JSON-lines file; a torn last line (a killed writer) is left out."""
  if not path.exists():
    return []
  records = []
  for line in path.read_text().splitlines():
    try:
      records.append(json.loads(line))
    except json.JSONDecodeError:
      break
  return records


class Journal:
  """The two files of one workdir, `selections.jsonl` and `metrics.jsonl`.

  Selections are the ids asked for and their labels, one line a strategy and cycle; metrics have one line a strategy,
  seed and cycle. A cycle counts once all its seeds are written; what a killed run left behind of the others is dropped.
  Of several processes the first writes.
  """

  def __init__(self, folder: pathlib.Path, seeds: tuple[int, ...], tensorboard: bool = False):
    self.seeds, self.tensorboard = tuple(seeds), folder / "tensorboard" if tensorboard else None
    self.metrics_path, self.selections_path = folder / "metrics.jsonl", folder / "selections.jsonl"
    self.selections = {(r["strategy"], r["cycle"]): r for r in read_lines(self.selections_path)}
    found: dict[tuple[str, int], list[Record]] = {}
    for record in read_lines(self.metrics_path):
      found.setdefault((record["strategy"], record["cycle"]), []).append(record)
    self.metrics = {k: rows for k, rows in found.items() if [r["seed"] for r in rows] == list(self.seeds)}
    # All have read before one writes.
    processes.barrier()
    self._rewrite(self.selections_path, list(self.selections.values()))
    self._rewrite(self.metrics_path, self.records())

  def records(self) -> list[Record]:
    """All lines of metrics.jsonl."""
    return [record for rows in self.metrics.values() for record in rows]

  @staticmethod
  def _rewrite(path: pathlib.Path, records: list[Record]) -> None:
    if not processes.is_writer():
      return
    temporary = path.with_name(path.name + ".part")
    temporary.write_text("".join(json.dumps(record) + "\n" for record in records))
    os.replace(temporary, path)

  @staticmethod
  def _append(path: pathlib.Path, records: list[Record]) -> None:
    if not processes.is_writer():
      return
    with path.open("a") as file:
      file.write("".join(json.dumps(record) + "\n" for record in records))

  def selection(
    self,
    strategy: str,
    cycle: int,
    ids: np.ndarray | None,
    entropy=None,
    seconds: float | None = None,
    calls=None,
  ) -> Record:
    """A selection not yet labelled: pool ids int[s b] (None: synthetic samples) to add before training in `cycle`.

    With their mean entropy a seed, the seconds a seed that choosing them took, and the images of the pool that the
    classifier of each seed scored for it. It is not written yet.
    """
    return {
      "strategy": strategy,
      "cycle": cycle,
      "ids": None if ids is None else ids.tolist(),
      "labels": None,
      "new_entropy": [None] * len(self.seeds) if entropy is None else [float(h) for h in entropy],
      "calls": [None] * len(self.seeds) if calls is None else [int(n) for n in calls],
      "select_seconds": seconds,
    }

  def add_selection(self, record: Record) -> Record:
    """Writes a selection; a later one of the same strategy and cycle, now labelled, takes its place."""
    key = record["strategy"], record["cycle"]
    known = key in self.selections
    self.selections[key] = record
    if known:
      self._rewrite(self.selections_path, list(self.selections.values()))
    else:
      self._append(self.selections_path, [record])
    return record

  def add_metrics(
    self, strategy: str, cycle: int, labels: int, accuracy, label_counts: np.ndarray, seconds: float
  ) -> None:
    """Keeps a cycle's measurements: labels asked for a seed, its `Accuracy` f[s], label_counts int[s k], training
    seconds."""
    selection = self.selections.get((strategy, cycle)) or self.selection(strategy, cycle, None)
    rows = [
      {
        "strategy": strategy,
        "seed": seed,
        "cycle": cycle,
        "labels": labels,
        "test_accuracy": float(accuracy.overall[i]),
        "balanced_accuracy": float(accuracy.balanced[i]),
        "new_entropy": selection["new_entropy"][i],
        "calls": selection["calls"][i],
        "label_counts": label_counts[i].tolist(),
        "train_seconds": seconds,
        "select_seconds": selection["select_seconds"],
      }
      for i, seed in enumerate(self.seeds)
    ]
    self._append(self.metrics_path, rows)
    self.metrics[strategy, cycle] = rows
    if self.tensorboard is not None and processes.is_writer():
      write_tensorboard(self.tensorboard, rows)


def write_tensorboard(folder: pathlib.Path, rows: list[Record]) -> None:
  """Appends the numbers of metrics rows as TensorBoard events, one run a strategy and seed, by label count."""
  from tensorboardX import SummaryWriter

  for row in rows:
    with SummaryWriter(str(folder / f"{row['strategy']}-seed{row['seed']}")) as writer:
      for name in ("test_accuracy", "balanced_accuracy", "new_entropy", "train_seconds", "select_seconds"):
        if row[name] is not None:
          writer.add_scalar(name, row[name], row["labels"])
