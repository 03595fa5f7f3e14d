import json

import numpy as np
import pytest

from asal_jax.models.classifier import Accuracy
from asal_jax.store.journal import Journal, in_order, read_lines

IDS = np.arange(4).reshape(2, 2)


def add_cycle(journal, cycle):
  entropy, seconds, calls = (None, None, None) if cycle == 0 else ([0.5, 0.25], 0.1, [100, 200])
  selection = journal.selection("random", cycle, IDS, entropy, seconds, calls)
  journal.add_selection({**selection, "labels": [[0, 1], [0, -1]]})
  counts = np.array([[1, 1], [1, 0]]) * (cycle + 1)
  journal.add_metrics(
    "random",
    cycle,
    2 * (cycle + 1),
    Accuracy(np.array([0.5, 0.75]), np.array([0.4, 0.6]), np.array([3.0, 2.0])),
    counts,
    0.2,
  )


def write_two_cycles(journal):
  add_cycle(journal, 0)
  add_cycle(journal, 1)


def test_lines_hold_what_was_added(tmp_path):
  write_two_cycles(Journal(tmp_path, (4, 5)))
  # The second seed had a sample rejected each cycle: it counts as asked for, and in no class.
  assert read_lines(tmp_path / "metrics.jsonl")[-1] == {
    "strategy": "random", "seed": 5, "cycle": 1, "labels": 4, "test_accuracy": 0.75, "balanced_accuracy": 0.6,
    "new_entropy": 0.25, "calls": 200, "label_counts": [2, 0], "train_seconds": 0.2, "select_seconds": 0.1,
  }  # fmt: skip
  assert read_lines(tmp_path / "selections.jsonl")[-1] == {
    "strategy": "random", "cycle": 1, "ids": [[0, 1], [2, 3]], "labels": [[0, 1], [0, -1]],
    "new_entropy": [0.5, 0.25], "calls": [100, 200], "select_seconds": 0.1,
  }  # fmt: skip


def test_a_selection_is_written_only_when_added(tmp_path):
  journal = Journal(tmp_path, (4, 5))
  selection = journal.selection("gaal_people", 1, None, None, None)
  assert (selection["ids"], selection["labels"], selection["new_entropy"]) == (None, None, [None, None])
  assert not journal.selections
  assert not read_lines(journal.selections_path)
  assert journal.add_selection(selection) is selection
  assert Journal(tmp_path, (4, 5)).selections == {("gaal_people", 1): selection}


def test_labels_given_later_take_their_selection_s_place(tmp_path):
  journal = Journal(tmp_path, (4, 5))
  add_cycle(journal, 0)
  asked = journal.add_selection(journal.selection("random", 1, IDS, [0.5, 0.25], 0.1))
  again = Journal(tmp_path, (4, 5))
  assert again.selections["random", 1] == asked
  labelled = again.add_selection({**asked, "labels": [[1, 1], [0, -1]]})
  again.add_selection({**again.selections["random", 0], "cycle": 2})
  lines = read_lines(journal.selections_path)
  assert [line["cycle"] for line in lines] == [0, 1, 2]
  assert lines[1] == labelled
  assert lines == list(again.selections.values()) == list(Journal(tmp_path, (4, 5)).selections.values())


def test_whole_cycles_are_kept_and_torn_ones_dropped(tmp_path):
  journal = Journal(tmp_path, (4, 5))
  write_two_cycles(journal)
  lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
  (tmp_path / "metrics.jsonl").write_text("\n".join(lines[:3]) + '\n{"strategy": "ran')
  again = Journal(tmp_path, (4, 5))
  assert list(again.metrics) == [("random", 0)]
  assert again.records() == read_lines(tmp_path / "metrics.jsonl") == journal.records()[:2]
  assert again.selections == journal.selections


def damage(path, line, how):
  """Damages a line (from 1) of a file."""
  lines = path.read_bytes().splitlines(keepends=True)
  text = lines[line - 1]
  lines[line - 1] = {
    "flipped": text[:40] + bytes([text[40] ^ 1]) + text[41:],
    "cut": text[:30] + b"\n",
    "unsealed": text.rpartition(b", ")[0] + b"}\n",
    "noise": b"\x00\xff\xfe\n",
  }[how]
  path.write_bytes(b"".join(lines))


def test_of_a_file_of_which_every_line_is_damaged_none_is_read(tmp_path, caplog):
  journal = Journal(tmp_path, (4, 5))
  add_cycle(journal, 0)
  for path in (journal.metrics_path, journal.selections_path):
    # Still JSON, of other numbers.
    path.write_bytes(path.read_bytes().replace(b"0", b"7").replace(b"1", b"6"))
    assert all(json.loads(line) for line in path.read_text().splitlines())
  again = Journal(tmp_path, (4, 5))
  assert "lines 1, 2 are damaged" in caplog.text
  assert (again.metrics, again.selections) == ({}, {})


@pytest.mark.parametrize("how", ["flipped", "cut", "unsealed", "noise"])
@pytest.mark.parametrize("name", ["metrics", "selections"])
@pytest.mark.parametrize("cycle", [0, 1, 2])
def test_a_damaged_line_is_told_kept_aside_and_what_it_held_takes_its_place_again(
  tmp_path, caplog, name, cycle, how
):
  journal = Journal(tmp_path, (4, 5))
  for c in range(3):
    add_cycle(journal, c)
  path = tmp_path / f"{name}.jsonl"
  whole = path.read_bytes()
  line = 2 * cycle + 2 if name == "metrics" else cycle + 1
  damage(path, line, how)
  damaged = path.read_bytes()
  again = Journal(tmp_path, (4, 5))
  assert f"{path}: line {line} is damaged" in caplog.text
  assert path.with_name(f"{name}.jsonl.damaged").read_bytes() == damaged
  assert list(getattr(again, name)) == [("random", c) for c in range(3) if c != cycle]
  if name == "metrics":
    add_cycle(again, cycle)
  else:
    again.add_selection(journal.selections["random", cycle])
  assert path.read_bytes() == whole
  assert Journal(tmp_path, (4, 5)).records() == journal.records()


def test_lines_of_before_there_were_checksums_are_read_and_sealed(tmp_path):
  journal = Journal(tmp_path, (4, 5))
  write_two_cycles(journal)
  sealed = {path: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
  for path, lines in sealed.items():
    path.write_bytes(b"".join(line.rpartition(b", ")[0] + b"}\n" for line in lines.splitlines()))
  again = Journal(tmp_path, (4, 5))
  assert again.records() == journal.records()
  assert again.selections == journal.selections
  assert {path: path.read_bytes() for path in sealed} == sealed


def test_a_strategy_that_is_done_again_stays_before_those_that_came_later(tmp_path):
  known = {("a", 0): 1, ("b", 0): 2, ("b", 2): 3, ("c", 0): 4, ("b", 1): 5, ("a", 1): 6}
  assert list(in_order(known)) == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("c", 0)]


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
