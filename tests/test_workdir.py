"""A run's folder: one run at a time, one config, one set of images, and every start of it."""

import json
import multiprocessing
import os
import pathlib

import pytest

from asal_jax.errors import InputError
from asal_jax.running import workdir as workdirs
from asal_jax.running.workdir import claimed, differences
from asal_jax.store.files import read_sealed

SETTINGS = {"labeller": "pool", "seeds": [0, 1], "loop": {"budget": 20}}


def begin(folder, settings=SETTINGS, identity=""):
  with claimed(folder, settings) as claim:
    claim.begin(identity)
  return read_sealed(folder / "config.json")


def test_every_start_is_kept_and_the_last_one_stands_in_front(tmp_path, monkeypatch, caplog):
  commits = iter(("aaa", "aaa", "bbb"))
  around = workdirs.surroundings()
  monkeypatch.setattr(workdirs, "surroundings", lambda: {**around, "commit": next(commits)})
  for _ in range(2):
    about = begin(tmp_path / "run")
  assert not caplog.text
  about = begin(tmp_path / "run")
  assert "code: commit bbb goes on with what aaa began" in caplog.text
  assert about["config"] == SETTINGS
  assert about["commit"] == "bbb"
  assert [start["commit"] for start in about["starts"]] == ["aaa", "aaa", "bbb"]
  assert all({"time", "versions", "device", "arguments"} <= start.keys() for start in about["starts"])


def test_config_json_of_before_there_were_starts_is_its_first(tmp_path):
  around = workdirs.surroundings()
  (tmp_path / "config.json").write_text(json.dumps({"config": SETTINGS, **around, "commit": "old"}, indent=2))
  starts = begin(tmp_path)["starts"]
  assert [start["commit"] for start in starts] == ["old", around["commit"]]


def test_another_config_and_other_images_are_refused(tmp_path):
  begin(tmp_path, identity="these")
  with pytest.raises(InputError, match=r"belongs to another config \(it differs in loop\.budget\)"):
    begin(tmp_path, {**SETTINGS, "loop": {"budget": 30}})
  with pytest.raises(InputError, match=r"belongs to other images.*--config\.data\.labels="):
    begin(tmp_path, identity="those")
  assert len(begin(tmp_path, identity="these")["starts"]) == 2


def test_a_later_format_is_refused(tmp_path, monkeypatch):
  with monkeypatch.context() as later:
    later.setattr(workdirs, "FORMAT", workdirs.FORMAT + 1)
    begin(tmp_path)
  with pytest.raises(
    InputError, match=r"config\.json has format 2, this code reads up to 1; update asal_jax"
  ):
    begin(tmp_path)


def test_a_damaged_config_json_stops_the_run_and_says_what_to_do(tmp_path):
  begin(tmp_path)
  path = tmp_path / "config.json"
  whole = path.read_bytes()
  for place in range(0, len(whole) - 1, 97):
    for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]):
      path.write_bytes(damaged)
      with pytest.raises(InputError, match=r"config\.json: damaged .*remove it and start again, else choose"):
        begin(tmp_path)
      assert path.read_bytes() == damaged
  path.unlink()
  assert len(begin(tmp_path)["starts"]) == 1


def stay(folder, pipe):
  with claimed(folder, SETTINGS):
    pipe.send("there")
    pipe.poll(60)


def test_a_second_run_is_told_who_is_there_and_a_killed_one_is_no_hindrance(tmp_path, caplog):
  caplog.set_level("INFO", "asal_jax")
  spawn = multiprocessing.get_context("spawn")
  ours, theirs = spawn.Pipe()
  other = spawn.Process(target=stay, args=(tmp_path, theirs))
  other.start()
  assert ours.poll(60)
  with pytest.raises(
    InputError, match=rf"--workdir: {tmp_path}: in use by process {other.pid} on \S+ since 2"
  ):
    begin(tmp_path)
  other.kill()
  other.join()
  begin(tmp_path)
  assert f"taken over from process {other.pid}" in caplog.text


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/nothing"])
def test_a_folder_that_can_not_be_made_is_told(tmp_path, folder):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match=r"^--workdir: can not make .*; choose another folder$"):
    begin(tmp_path / folder)


def test_a_folder_that_can_not_be_written_to_is_told(tmp_path, monkeypatch):
  real = os.open

  def read_only(path, flags, *rest, **options):
    if pathlib.Path(path).name == ".lock" and flags & os.O_CREAT:
      raise OSError(30, "Read-only file system", str(path))
    return real(path, flags, *rest, **options)

  monkeypatch.setattr(os, "open", read_only)
  with pytest.raises(
    InputError, match=r"can not write to it \(Read-only file system: .*\.lock\); choose another"
  ):
    begin(tmp_path)


def test_differences_names_nested_fields():
  a = {"x": 1, "y": {"z": 2, "only_a": 1}}
  assert differences(a, {"x": 1, "y": {"z": 3}}) == ["y.only_a", "y.z"]
  assert differences(a, a) == []
