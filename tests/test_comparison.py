"""A person labels by file, through the whole job: it stops for labels and goes on with them, to the same numbers."""

import csv
import json
import pathlib
import re

import numpy as np
import pytest
import tiny

import asal_jax
from asal_jax import job
from asal_jax.errors import InputError
from asal_jax.store.journal import read_lines

SETTINGS = {**tiny.QUICK_GAN, "gan.looks": 0, "loop.budget": 20, "seeds": (0,)}
REFERENCE = tiny.config(strategies=("entropy", "gaal_stand_in"), **SETTINGS)
ASKED = tiny.config(strategies=("entropy", "gaal_people"), labeller="file", **SETTINGS)
NAMES = ("3", "8")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
  """Real samples labelled by the pool, synthetic ones by the stand-in."""
  return asal_jax.run(REFERENCE, workdir=tmp_path_factory.mktemp("reference") / "run")


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
  return job.load(REFERENCE, None, tmp_path_factory.mktemp("data")).pool


def stop(config, workdir, cache):
  """Runs the job until it wants labels: the CSV that its one line names, and the message; or its result."""
  try:
    return None, asal_jax.run(config, workdir=workdir, cache=cache)
  except InputError as error:
    message = str(error)
    assert "\n" not in message
    sheet = pathlib.Path(re.search(r"(\S+labels\.csv)", message)[1])
    assert sheet.is_relative_to(workdir / "labels")
    return sheet, message


def fill(sheet, labels):
  """Writes label names, [s b] in the order of the images; -1 is 'n.a.'."""
  rows = list(csv.reader(sheet.read_text().splitlines()))
  names = [[*NAMES, "n.a."][label] for label in np.ravel(labels)]
  lines = [rows[0], *([image, name] for (image, _), name in zip(rows[1:], names, strict=True))]
  sheet.write_text("".join(",".join(line) + "\n" for line in lines))


def asked_for(workdir):
  """The last selection, which has no labels yet."""
  last = read_lines(workdir / "selections.jsonl")[-1]
  assert last["labels"] is None
  assert (last["strategy"], last["cycle"]) not in {
    (r["strategy"], r["cycle"]) for r in read_lines(workdir / "metrics.jsonl")
  }
  return last


def test_a_person_s_true_labels_give_the_numbers_of_the_pool_s(reference, pool, tmp_path):
  cache, told = reference.workdir / "cache", {}
  for line in read_lines(reference.workdir / "selections.jsonl"):
    told[line["strategy"].replace("stand_in", "people"), line["cycle"]] = line["labels"]
  stops = []
  while True:
    sheet, result = stop(ASKED, tmp_path, cache)
    if sheet is None:
      break
    asked = asked_for(tmp_path)
    strategy, cycle = asked["strategy"], asked["cycle"]
    stops.append((strategy, cycle))
    assert "5 of 5 rows" in result
    assert sheet == tmp_path / "labels" / strategy / f"cycle_{cycle}" / "labels.csv"
    shown = np.load(sheet.with_name("images.npy"))
    if strategy == "entropy":
      np.testing.assert_array_equal(shown, pool.images.read(np.array(asked["ids"][0])))
      fill(sheet, pool.labels[asked["ids"]])
    else:
      assert asked["ids"] is None
      np.testing.assert_array_equal(
        shown, np.load(tmp_path / "synthetic" / strategy / f"cycle_{cycle}.npy")[0]
      )
      fill(sheet, told[strategy, cycle])
  assert stops == [("entropy", 1), ("entropy", 2), ("gaal_people", 1), ("gaal_people", 2)]
  for name in ("selections.jsonl", "metrics.jsonl"):
    text = json.dumps(read_lines(reference.workdir / name)).replace("gaal_stand_in", "gaal_people")
    wanted = json.loads(text)
    assert tiny.without_seconds(read_lines(tmp_path / name)) == tiny.without_seconds(wanted)
  assert set(result.summary) == {"entropy", "gaal_people"}
  # Once told, labels are in the journal.
  sheet = tmp_path / "labels" / "entropy" / "cycle_1" / "labels.csv"
  sheet.unlink()
  assert stop(ASKED, tmp_path, cache)[1].records == result.records
  assert not sheet.exists()


def test_a_sheet_is_refused_until_every_row_is_right(tmp_path):
  config = tiny.config(strategies=("random",), labeller="file", seeds=(0,), **{"loop.budget": 20})
  sheet, first = stop(config, tmp_path, None)
  blank, asked = sheet.read_text(), asked_for(tmp_path)
  assert stop(config, tmp_path, None) == (sheet, first)
  assert sheet.read_text() == blank
  assert asked_for(tmp_path) == asked
  fill(sheet, np.zeros(5, int))
  right = sheet.read_text()
  sheet.write_text(right.replace("3.png,3", "3.png,dog"))
  assert (
    f"{sheet}: line 5 has the unknown label 'dog'; allowed labels are 3, 8, ?"
    in stop(config, tmp_path, None)[1]
  )
  assert asked_for(tmp_path) == asked
  sheet.write_text(right)
  assert stop(config, tmp_path, None)[0].parent.name == "cycle_2"
  line = read_lines(tmp_path / "selections.jsonl")[1]
  assert line == {**asked, "labels": [[0] * 5]}


def test_rejected_samples_are_paid_for_and_not_asked_again(pool, tmp_path):
  config = tiny.config(strategies=("random",), labeller="file", seeds=(0,), **{"loop.budget": 20})
  given = [[[0, -1, 1, -1, 1]], [[-1] * 5]]
  for labels in given:
    sheet, _ = stop(config, tmp_path, None)
    fill(sheet, labels)
  sheet, result = stop(config, tmp_path, None)
  assert sheet is None
  lines = read_lines(tmp_path / "selections.jsonl")
  assert [line["labels"] for line in lines[1:]] == given
  for seed in (0,):
    ids = np.concatenate([line["ids"][seed] for line in lines])
    assert len(set(ids.tolist())) == 20
    start = np.bincount(pool.labels[ids[:10]], minlength=2)
    # What a person said counts, not what the pool knows.
    counts = [start, *(np.bincount([k for k in labels[seed] if k >= 0], minlength=2) for labels in given)]
    rows = [r for r in result.records if r["seed"] == seed]
    assert [r["labels"] for r in rows] == [10, 15, 20]
    assert [r["label_counts"] for r in rows] == np.cumsum(counts, axis=0).tolist()
