import json

import numpy as np
import pytest

from asal_jax.journal import Journal, read_lines


def write_two_cycles(journal):
  for cycle in range(2):
    entropy = None if cycle == 0 else [0.5, 0.25]
    journal.add_selection("random", cycle, np.arange(4).reshape(2, 2), entropy, None if cycle == 0 else 0.1)
    journal.add_metrics("random", cycle, [0.5, 0.75], np.array([[1, 1], [2, 0]]) * (cycle + 1), 0.2)


def test_lines_hold_what_was_added(tmp_path):
  write_two_cycles(Journal(tmp_path, (4, 5)))
  last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
  assert last == {
    "strategy": "random", "seed": 5, "cycle": 1, "labels": 4, "test_accuracy": 0.75, "new_entropy": 0.25,
    "label_counts": [4, 0], "train_seconds": 0.2, "select_seconds": 0.1,
  }  # fmt: skip


def test_whole_cycles_are_kept_and_torn_ones_dropped(tmp_path):
  journal = Journal(tmp_path, (4, 5))
  write_two_cycles(journal)
  lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
  (tmp_path / "metrics.jsonl").write_text("\n".join(lines[:3]) + '\n{"strategy": "ran')
  again = Journal(tmp_path, (4, 5))
  assert list(again.metrics) == [("random", 0)]
  assert again.records() == read_lines(tmp_path / "metrics.jsonl") == journal.records()[:2]
  assert again.selections == journal.selections


def test_tensorboard_events_hold_the_metrics(tmp_path):
  pytest.importorskip("tensorboardX", reason="tensorboardX is an extra")
  from tensorboardX.proto.event_pb2 import Event

  write_two_cycles(Journal(tmp_path, (4, 5), tensorboard=True))
  found = {}
  for path in (tmp_path / "tensorboard" / "random-seed5").glob("events*"):
    data = path.read_bytes()
    while data:  # A TFRecord: length (8 bytes), its checksum (4), the event, its checksum (4).
      length = int.from_bytes(data[:8], "little")
      event = Event.FromString(data[12 : 12 + length])
      found |= {(v.tag, event.step): v.simple_value for v in event.summary.value}
      data = data[16 + length :]
  assert found["test_accuracy", 4] == 0.75
  assert found["new_entropy", 4] == 0.25
  assert ("new_entropy", 2) not in found
