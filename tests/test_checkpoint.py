"""The cache and its checkpoints: one makes, others wait; nothing damaged is used, and nothing is unpickled."""

import ast
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from watch import watched

from asal_jax.errors import InputError
from asal_jax.store import checkpoint
from asal_jax.store.checkpoint import Cache, Checkpoints, restored
from asal_jax.store.files import read_sealed, write_sealed

ROOT = pathlib.Path(__file__).parent.parent
MADE_FROM = {"seed": 3, "rows": [1, 2]}


@pytest.fixture(autouse=True)
def _told(caplog):
  caplog.set_level(logging.INFO, "asal_jax")


def make(folder):
  (folder / "sub").mkdir(exist_ok=True)
  (folder / "sub" / "a").write_bytes(b"first")
  (folder / "b").write_bytes(b"second")


def never(folder):
  raise AssertionError("made again")


@pytest.fixture
def made(tmp_path):
  return Cache(tmp_path).once("thing", MADE_FROM, make)


def test_it_is_made_once_and_lists_its_files(tmp_path, made):
  assert Cache(tmp_path).once("thing", MADE_FROM, never) == made
  about = read_sealed(made / "made_from.json")
  assert about["made_from"] == MADE_FROM
  assert {name: file["bytes"] for name, file in about["files"].items()} == {"sub/a": 5, "b": 6}
  assert Cache(tmp_path).once("thing", MADE_FROM | {"seed": 4}, make) != made


def test_what_a_maker_left_is_gone_on_with(tmp_path):
  def killed(folder):
    (folder / "b").write_bytes(b"half")
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    Cache(tmp_path).once("thing", MADE_FROM, killed)
  found = []
  Cache(tmp_path).once("thing", MADE_FROM, lambda folder: found.append((folder / "b").read_bytes()))
  assert found == [b"half"]


def edit(path, **changes):
  record = read_sealed(path)
  path.unlink()
  write_sealed(path, record | changes)


DAMAGES = {
  "truncated": (lambda folder: (folder / "b").write_bytes(b"sec"), "b has 3 bytes, not the 6"),
  "flipped": (lambda folder: (folder / "sub/a").write_bytes(b"firsu"), "sub/a is not what was written"),
  "deleted": (lambda folder: (folder / "b").unlink(), "b is missing"),
  "list cut": (lambda folder: os.truncate(folder / "made_from.json", 50), "made_from.json is damaged"),
  "of before": (
    lambda folder: (folder / "made_from.json").write_text(json.dumps(MADE_FROM)),
    "made_from.json is damaged, or of an older version",
  ),
  "another format": (
    lambda folder: edit(folder / "made_from.json", format=0),
    "made_from.json is of format 0, this version reads 1",
  ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_set_aside_and_made_again(tmp_path, made, caplog, damage):
  spoil, told = DAMAGES[damage]
  spoil(made)
  left = {path.name: path.read_bytes() for path in made.iterdir() if path.is_file()}
  with pytest.raises(InputError, match=rf"^--stage: {made}: {told}.*; run --stage=features first$"):
    Cache(tmp_path).once("thing", MADE_FROM, never, stage="features")
  assert Cache(tmp_path).once("thing", MADE_FROM, make) == made
  aside = made.with_name(made.name + ".damaged")
  assert {path.name: path.read_bytes() for path in aside.iterdir() if path.is_file()} == left
  assert f"{made}: {told}" in caplog.text
  assert f"set aside as {aside.name}" in caplog.text
  assert (made / "b").read_bytes() == b"second"
  Cache(tmp_path).once("thing", MADE_FROM, never)


def test_what_is_not_there_and_may_not_be_made_is_told_with_its_stage(tmp_path):
  with pytest.raises(InputError, match=rf"no finished gan for .* in {tmp_path}; run --stage=gan first"):
    Cache(tmp_path).once("gan", MADE_FROM, never, stage="gan")
  assert not any(tmp_path.iterdir())


def test_a_complete_folder_is_only_read(tmp_path, made):
  with watched() as written:
    Cache(tmp_path).once("thing", MADE_FROM, never)
    Cache(tmp_path).once("thing", MADE_FROM, never, stage="features")
  assert written == []
  with watched() as written:
    Cache(tmp_path).once("other", MADE_FROM, make)
  assert any(str(tmp_path) in str(args) for _, *args in written)


STATE = {
  "weights": jnp.arange(12.0).reshape(3, 4),
  "count": jnp.int32(7),
  "inner": (jnp.ones(2), jnp.zeros(())),
}
SHAPES = jax.eval_shape(lambda: STATE)


def save(folder, *steps):
  with Checkpoints(folder) as checkpoints:
    for step in steps:
      checkpoints.save(step, jax.tree.map(lambda x, step=step: x + step, STATE))


def check(found, step):
  jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b + step), found, STATE)


def newest(folder):
  with Checkpoints(folder) as checkpoints:
    if step := checkpoints.latest():
      check(checkpoints.restore(SHAPES), step)
    return step


def test_two_checkpoints_are_kept_each_with_its_checksums(tmp_path):
  save(tmp_path, 1, 2, 3)
  assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "2.sums.json", "3", "3.sums.json"]
  files = {str(path.relative_to(tmp_path / "3")) for path in (tmp_path / "3").rglob("*") if path.is_file()}
  assert set(read_sealed(tmp_path / "3.sums.json")["files"]) == files
  assert newest(tmp_path) == 3


def largest(folder):
  return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


SPOILED = {
  "flipped": (lambda folder, step: flip(largest(folder / step)), "is not what was written"),
  "truncated": (lambda folder, step: os.truncate(largest(folder / step), 9), "has 9 bytes"),
  "deleted": (lambda folder, step: largest(folder / step).unlink(), "is missing"),
  "sums flipped": (lambda folder, step: flip(folder / f"{step}.sums.json"), "sums.json is damaged"),
  "of before": (lambda folder, step: (folder / f"{step}.sums.json").unlink(), "has no checksums"),
}


@pytest.mark.parametrize("damage", SPOILED)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(tmp_path, caplog, damage):
  spoil, told = SPOILED[damage]
  save(tmp_path, 1, 2)
  spoil(tmp_path, "2")
  assert newest(tmp_path) == 1
  assert (tmp_path / "2.damaged").is_dir()
  assert told in caplog.text
  assert "the checkpoint of 1 is tried" in caplog.text
  save(tmp_path, 2)
  assert newest(tmp_path) == 2
  for step in "12":
    spoil(tmp_path, step)
  caplog.clear()
  assert newest(tmp_path) == 0
  assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
    "2.damaged",
    "2.damaged1",
    "1.damaged",
  }
  assert "none is left, it begins anew" in caplog.text


def test_a_checkpoint_is_read_without_writing_or_unpickling_anything(tmp_path):
  save(tmp_path, 1, 2)
  before = {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))}
  with watched() as noted:
    check(restored(tmp_path, SHAPES), 2)
  assert noted == []
  assert {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))} == before
  # What is heard where something is unpickled.
  import pickle

  with watched() as noted:
    pickle.loads(pickle.dumps(pathlib.Path("a")))
  assert noted[0][0] == "pickle.find_class"


PICKLES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def test_nothing_from_disk_is_unpickled():
  """Processes of one run exchange pickles by the coordination service; that is all."""
  users = set()
  for path in [
    path for room in ("asal_jax", "configs", "experiments") for path in (ROOT / room).rglob("*.py")
  ]:
    for node in ast.walk(ast.parse(path.read_text())):
      names = {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
      names |= {str(node.module).split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
      allowed = (
        isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
      )
      if names & PICKLES or allowed:
        users.add(path.relative_to(ROOT).as_posix())
  assert users == {"asal_jax/processes.py"}


MAKER = """
import os, pathlib, signal, sys, time
import numpy as np
from asal_jax.store.checkpoint import Cache
from asal_jax.store.rows import RowWriter
root = pathlib.Path(sys.argv[1])

def tell(line):
  with (root / "told").open("a") as file:
    file.write(f"{os.getpid()} {line}\\n")

def slowly(folder):
  tell(f"makes {folder.name[0]}")
  time.sleep(0.5)
  (folder / folder.name[0]).write_bytes(os.urandom(100))

def killed(folder):
  with RowWriter(folder / "b.npy", (8, 2), np.int64) as file:
    tell(f"makes b from {file.rows}")
    first = file.rows == 0
    for row in range(file.rows, 8):
      file.append(np.full((1, 2), row))
      if first and row == 4:
        while len(list(root.glob("ready-*"))) < 4:
          time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

cache = Cache(root / "cache")
(root / f"ready-{os.getpid()}").touch()
a = cache.once("a", {}, slowly)
c = cache.once("c", {}, slowly)
b = cache.once("b", {}, killed)
print((a / "a").read_bytes().hex(), (c / "c").read_bytes().hex(), np.load(b / "b.npy").sum())
"""


def test_of_four_processes_one_makes_and_where_it_is_killed_another_goes_on(tmp_path):
  # c is there already, and damaged.
  flip(Cache(tmp_path / "cache").once("c", {}, lambda folder: (folder / "c").write_bytes(b"before")) / "c")
  environ = os.environ | {"PYTHONPATH": str(ROOT)}
  command = [sys.executable, "-c", MAKER, str(tmp_path)]
  started = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(4)]
  try:
    printed = [process.communicate(timeout=120)[0] for process in started]
  finally:
    for process in started:
      process.kill()
  assert sorted(process.returncode for process in started) == [-signal.SIGKILL, 0, 0, 0]
  told = [line.split(" ", 1) for line in (tmp_path / "told").read_text().splitlines()]
  # b's first maker was killed behind its row 4, and the next begins there.
  assert sorted(what for _, what in told) == ["makes a", "makes b from 0", "makes b from 5", "makes c"]
  a, c = (next((tmp_path / "cache").glob(f"{name}-????????????/{name}")).read_bytes().hex() for name in "ac")
  assert [path.name[0] for path in (tmp_path / "cache").glob("*.damaged*")] == ["c"]
  killed = next(str(process.pid) for process in started if process.returncode)
  assert [who for who, what in told if what == "makes b from 0"] == [killed]
  assert [text.split() for text in printed if text] == [[a, c, str(2 * sum(range(8)))]] * 3


def test_a_folder_that_another_made_meanwhile_is_taken(tmp_path, monkeypatch):
  fault, looks = checkpoint.fault_of, iter([None])
  Cache(tmp_path).once("thing", MADE_FROM, make)
  # At the first look it is not there.
  monkeypatch.setattr(checkpoint, "fault_of", lambda *args: next(looks, fault(*args)))
  Cache(tmp_path).once("thing", MADE_FROM, never)
  assert next(looks, "asked") == "asked"
