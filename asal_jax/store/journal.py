"""The journal of a run: what was selected and measured, appended as JSON lines; also what a run resumes from."""

import pathlib
from typing import Any

import numpy as np

from asal_jax import processes
from asal_jax.store.files import Record, append, read_records, sealed, set_aside, write_whole
from asal_jax.store.progress import log

Key = tuple[str, int]
"""A strategy and a cycle."""


def read_lines(path: pathlib.Path) -> list[Record]:
  """The records of a JSON-lines file, without a torn last line (a killed writer) and damaged ones, which are logged."""
  records, damaged = read_records(path)
  if damaged:
    log.warning("%s: %s", path, _told(damaged))
  return records


def _told(damaged: list[int]) -> str:
  several = len(damaged) > 1
  return f"line{'s' * several} {', '.join(map(str, damaged))} {'are' if several else 'is'} damaged"


class Journal:
  """The two files of one workdir, `selections.jsonl` and `metrics.jsonl`; each line ends with its checksum.

  Selections are the ids asked for and their labels, one line a strategy and cycle; metrics have one line a strategy,
  seed and cycle. A cycle counts once all its seeds are written; what a killed run left behind of the others is dropped.
  Of a file with damaged lines a copy is set aside: what they held is done again, to the same bits, and stands in its
  place. Of several processes the first writes.
  """

  def __init__(self, folder: pathlib.Path, seeds: tuple[int, ...], tensorboard: bool = False):
    self.seeds, self.tensorboard = tuple(seeds), folder / "tensorboard" if tensorboard else None
    self.metrics_path, self.selections_path = folder / "metrics.jsonl", folder / "selections.jsonl"
    (selections, *_), (metrics, *_) = found = [
      read_records(path) for path in (self.selections_path, self.metrics_path)
    ]
    self.selections = {_key(record): record for record in selections}
    cycles: dict[Key, list[Record]] = {}
    for record in metrics:
      cycles.setdefault(_key(record), []).append(record)
    self.metrics = {k: rows for k, rows in cycles.items() if [r["seed"] for r in rows] == list(self.seeds)}
    # All have read before one writes.
    processes.barrier()
    if processes.is_writer():
      for path, (_, damaged) in zip((self.selections_path, self.metrics_path), found, strict=True):
        if damaged:
          set_aside(path, f"{_told(damaged)}: what is missing is done again", keep=True)
    self._rewrite(self.selections_path, list(self.selections.values()))
    self._rewrite(self.metrics_path, self.records())

  def records(self) -> list[Record]:
    """All lines of metrics.jsonl."""
    return [record for rows in self.metrics.values() for record in rows]

  @staticmethod
  def _rewrite(path: pathlib.Path, records: list[Record]) -> None:
    if processes.is_writer():
      write_whole(path, "".join(sealed(record) + "\n" for record in records))

  @staticmethod
  def _append(path: pathlib.Path, records: list[Record]) -> None:
    if processes.is_writer():
      append(path, [sealed(record) for record in records])

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
    key = _key(record)
    last = key not in self.selections and is_last(key, self.selections)
    self.selections[key] = record
    if last:
      self._append(self.selections_path, [record])
    else:
      self.selections = in_order(self.selections)
      self._rewrite(self.selections_path, list(self.selections.values()))
    return record

  def forget(self, strategy: str, cycle: int) -> None:
    """Drops a selection, which will be made again."""
    del self.selections[strategy, cycle]
    self._rewrite(self.selections_path, list(self.selections.values()))

  def add_metrics(
    self, strategy: str, cycle: int, labels: int, accuracy, label_counts: np.ndarray, seconds: float
  ) -> None:
    """Keeps a cycle's measurements: labels asked for a seed, its `Accuracy` f[s] (None: there is no test set),
    label_counts int[s k], training seconds."""
    selection = self.selections.get((strategy, cycle)) or self.selection(strategy, cycle, None)
    rows = [
      {
        "strategy": strategy,
        "seed": seed,
        "cycle": cycle,
        "labels": labels,
        "test_accuracy": None if accuracy is None else float(accuracy.overall[i]),
        "balanced_accuracy": None if accuracy is None else float(accuracy.balanced[i]),
        "new_entropy": selection["new_entropy"][i],
        "calls": selection["calls"][i],
        "label_counts": label_counts[i].tolist(),
        "train_seconds": seconds,
        "select_seconds": selection["select_seconds"],
      }
      for i, seed in enumerate(self.seeds)
    ]
    last = is_last((strategy, cycle), self.metrics)
    self.metrics[strategy, cycle] = rows
    if last:
      self._append(self.metrics_path, rows)
    else:
      self.metrics = in_order(self.metrics)
      self._rewrite(self.metrics_path, self.records())
    if self.tensorboard is not None and processes.is_writer():
      write_tensorboard(self.tensorboard, rows)


def _key(record: Record) -> Key:
  return record["strategy"], record["cycle"]


def is_last(key: Key, known: dict[Key, Any]) -> bool:
  """Whether no later cycle of the strategy is known: one is where a damaged line is done again.

  Those of a strategy stand in their order, so the last of them tells.
  """
  return next((cycle for strategy, cycle in reversed(known) if strategy == key[0]), -1) < key[1]


def in_order(known: dict[Key, Any]) -> dict[Key, Any]:
  """The cycles of each strategy in their order, the strategies as they are first found."""
  first = {strategy: i for i, (strategy, _) in reversed([*enumerate(known)])}
  return dict(sorted(known.items(), key=lambda item: (first[item[0][0]], item[0][1])))


def write_tensorboard(folder: pathlib.Path, rows: list[Record]) -> None:
  """Appends the numbers of metrics rows as TensorBoard events, one run a strategy and seed, by label count."""
  from tensorboardX import SummaryWriter

  for row in rows:
    with SummaryWriter(str(folder / f"{row['strategy']}-seed{row['seed']}")) as writer:
      for name in ("test_accuracy", "balanced_accuracy", "new_entropy", "train_seconds", "select_seconds"):
        if row[name] is not None:
          writer.add_scalar(name, row[name], row["labels"])
