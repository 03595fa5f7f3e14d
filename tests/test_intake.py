"""A folder taken in: what is listed, left out, gone on with after a kill, and told when it has changed."""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from photographs import cropped, png_header, write
from PIL import Image

from asal_jax.errors import InputError
from asal_jax.pools import intake
from asal_jax.pools.intake import skipped_csv, take_in
from asal_jax.store.checkpoint import fingerprint

NAMES = [f"{'abc'[i % 3]}/{i:02}.png" for i in range(30)]


@pytest.fixture
def folder(tmp_path):
  write(tmp_path / "photos", NAMES)
  return tmp_path / "photos"


@pytest.fixture
def cache(tmp_path):
  return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch):
  """The names of the files that are decoded."""
  read, names, lock = intake.read_photo, [], threading.Lock()

  def spy(path, size, fit):
    with lock:
      names.append(path.name)
    return read(path, size, fit)

  monkeypatch.setattr(intake, "read_photo", spy)
  return names


@pytest.fixture
def told(monkeypatch):
  lines = []
  monkeypatch.setattr(intake.log, "info", lambda line, *values: lines.append(line % values))
  return lines


def taken(folder, cache, size=8, fit="crop", **options):
  return take_in(str(folder), size, fit, cache, **options)


def test_images_are_those_of_their_files_in_the_order_of_their_paths(folder, cache):
  made = write(folder, ["z.png", "a.png", "a/b/c/d.png", "A.PNG"])
  made |= write(folder, NAMES)
  found = taken(folder, cache)
  assert list(found.files) == sorted(made)
  assert (found.images.dtype, found.images.shape) == (np.uint8, (34, 8, 8, 3))
  assert isinstance(found.images, np.memmap)
  for file, image in zip(found.files, found.images, strict=True):
    assert np.abs(image - cropped(made[file], 8)).max() <= 1.6
  assert found.fingerprint == fingerprint(np.asarray(found.images))
  assert found.skipped == {}


def test_hidden_files_and_other_kinds_are_left_out_and_counted(folder, cache, told):
  for name in (
    ".hidden.png",
    ".git/a.png",
    "a/.b/c.png",
    "labels.csv",
    "notes.txt",
    "x.heic",
    "y.heic",
    "noext",
  ):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes((folder / NAMES[0]).read_bytes())
  assert list(taken(folder, cache).files) == sorted(NAMES)
  (line,) = (line for line in told if line.startswith("data.folder"))
  assert line.endswith("at 8x8 (crop); 4 files of other kinds left out (.heic 2, without suffix 1, .txt 1)")
  assert f"30 images of {folder}" in line


@pytest.mark.parametrize(
  ("name", "message"), [("", "found ''"), ("none", "found '.*none'"), ("empty", "no image in")]
)
def test_a_folder_without_images_is_told(tmp_path, name, message):
  (tmp_path / "empty").mkdir()
  (tmp_path / "empty" / "a.heic").write_bytes(b"x")
  with pytest.raises(InputError, match=f"^data.test_folder: found {message.removeprefix('found ')}") as error:
    taken(tmp_path / name if name else "", tmp_path / "cache", field="data.test_folder")
  assert name != "empty" or ".heic 1); allowed are files called .bmp, .gif" in str(error.value)


def test_a_cache_inside_the_folder_is_refused(folder):
  with pytest.raises(InputError, match=r"holds the cache .* choose another --workdir"):
    taken(folder, folder / "runs" / "cache")


def break_some(folder):
  (folder / "a/00.png").write_bytes(b"nothing")
  (folder / "b/broken.jpg").write_bytes(png_header(100_000, 100_000))
  Image.new("RGB", (1, 1)).save(folder / "tiny.png")
  return {"a/00.png": "known format", "b/broken.jpg": "100 megapixels", "tiny.png": "1x1, smaller than 8x8"}


def test_broken_files_are_skipped_and_named(folder, cache, told):
  wrong = break_some(folder)
  good = taken(folder, cache)
  assert set(good.files) == {*NAMES} - {*wrong}
  assert set(good.skipped) == {*wrong}
  with good.skipped_csv.open(newline="") as file:
    header, *rows = csv.reader(file)
  assert header == ["file", "reason"]
  assert [row[0] for row in rows] == sorted(wrong)
  assert all(wrong[file] in reason for file, reason in rows)
  assert skipped_csv(str(folder), cache) == good.skipped_csv
  (line,) = (line for line in told if line.startswith("data.folder"))
  assert f"29 images of {folder} at 8x8 (crop); 3 broken or absurd, named in {good.skipped_csv}" in line
  made = write(folder.parent / "same", NAMES)
  for file, image in zip(good.files, good.images, strict=True):
    assert np.abs(image - cropped(made[file], 8)).max() <= 1.6
  assert not (good.skipped_csv.parent / "decoded.npy").exists()


def test_more_than_a_tenth_broken_stops_the_run(folder, cache, decoded):
  for name in ("a/00.png", "b/01.png", "c/02.png"):
    (folder / name).write_bytes(b"nothing")
  assert len(taken(folder, cache).files) == 27
  (folder / "a/03.png").write_bytes(b"nothing")
  for _ in range(2):
    with pytest.raises(InputError) as error:
      taken(folder, cache, refresh=True)
    message = str(error.value)
    assert "4 of 30 images" in message
    assert "more than a tenth (a/00.png: no image of a known format" in message
    where = pathlib.Path(message.split("all are named in ")[1].split(":")[0])
    assert len(where.read_text().splitlines()) == 5
  # Images are looked at once: the 27 good ones are known, the second time all are.
  assert len(decoded) == 30 + 4
  # What was taken in before is not forgotten.
  write(folder, NAMES)
  assert len(taken(folder, cache, refresh=True).files) == 30


def test_a_second_start_decodes_nothing(folder, cache, decoded):
  first = taken(folder, cache)
  assert sorted(decoded) == sorted(name.split("/")[1] for name in NAMES)
  again = taken(folder, cache)
  assert len(decoded) == 30
  np.testing.assert_array_equal(first.images, again.images)
  for options in ({"size": 9}, {"fit": "pad"}):
    assert not np.array_equal(taken(folder, cache, **options).images, first.images)
  assert len(decoded) == 90


KILLED = """
import os, signal, sys, pathlib
from asal_jax.pools import intake
read, count = intake.read_photo, iter(range(10**9))
def killed(path, size, fit):
  if next(count) == int(sys.argv[3]):
    os.kill(os.getpid(), signal.SIGKILL)
  return read(path, size, fit)
intake.read_photo, intake.BLOCK = killed, 4
intake.take_in(sys.argv[1], 8, "crop", pathlib.Path(sys.argv[2]))
"""


def test_a_killed_pass_goes_on_behind_its_last_block(folder, cache, decoded, monkeypatch):
  monkeypatch.setattr(intake, "BLOCK", 4)
  wrong = break_some(folder)
  whole = taken(folder, cache.with_name("whole"))
  decoded.clear()
  command = [sys.executable, "-c", KILLED, str(folder), str(cache), "18"]
  root = pathlib.Path(__file__).parent.parent
  assert subprocess.run(command, cwd=root, capture_output=True, check=False).returncode == -signal.SIGKILL
  (part,) = cache.glob("photos-*/decoded.npy.part")
  found = taken(folder, cache)
  # Blocks of 4 were read by threads: 16 images were whole, at most.
  assert 32 - 16 <= len(decoded) < 32
  assert not part.exists()
  np.testing.assert_array_equal(found.images, whole.images)
  assert (found.files, found.skipped, found.fingerprint) == (whole.files, whole.skipped, whole.fingerprint)
  assert set(found.skipped) == {*wrong}


def test_a_file_that_can_not_be_opened_is_not_skipped_for_good(folder, cache, monkeypatch):
  read, path = intake.read_photo, folder / NAMES[-1]
  content = path.read_bytes()

  def gone(file, size, fit):
    path.unlink(missing_ok=True)
    return read(file, size, fit)

  with monkeypatch.context() as patch:
    patch.setattr(intake, "read_photo", gone)
    with pytest.raises(
      InputError, match=r"^data.folder: can not open .*29.png \(No such file or directory\); make it"
    ):
      taken(folder, cache)
  path.write_bytes(content)
  assert len(taken(folder, cache).files) == 30


class Killed(BaseException):
  pass


@pytest.mark.parametrize("cut", [0, 1, 100, 192 * 9 + 5])
def test_a_pass_torn_anywhere_goes_on_to_the_same_end(folder, cache, monkeypatch, cut):
  """What a kill leaves: a row half written, a line half written, images that have no reason yet."""
  monkeypatch.setattr(intake, "BLOCK", 4)
  break_some(folder)
  whole = taken(folder, cache.with_name("whole"))
  finish = intake._finish

  def killed(*_):
    raise Killed

  monkeypatch.setattr(intake, "_finish", killed)
  with pytest.raises(Killed):
    taken(folder, cache)
  (entry,) = cache.glob("photos-*")
  rows = (entry / "decoded.npy").read_bytes()
  (entry / "decoded.npy").unlink()
  (entry / "decoded.npy.part").write_bytes(rows[: len(rows) - cut])
  lines = (entry / "broken.jsonl").read_text()
  (entry / "broken.jsonl").write_text(lines + '{"row": 31, "rea')
  monkeypatch.setattr(intake, "_finish", finish)
  found = taken(folder, cache)
  np.testing.assert_array_equal(found.images, whole.images)
  assert (found.files, found.skipped) == (whole.files, whole.skipped)


@pytest.mark.parametrize(
  ("function", "broken"),
  [
    ("write_json", False),
    ("write_json", True),
    ("fingerprint", False),
    ("fingerprint", True),
    ("_copy", True),
  ],
)
def test_a_kill_while_finishing_is_finished_later(folder, cache, decoded, monkeypatch, function, broken):
  if broken:
    break_some(folder)
  whole = taken(folder, cache.with_name("whole"))
  decoded.clear()

  def killed(*_):
    raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(intake, function, killed)
    with pytest.raises(Killed):
      taken(folder, cache)
  count = len(decoded)
  found = taken(folder, cache)
  assert len(decoded) == count
  np.testing.assert_array_equal(found.images, whole.images)
  assert (found.files, found.skipped) == (whole.files, whole.skipped)


def test_a_folder_that_has_changed_is_told(folder, cache):
  taken(folder, cache)
  write(folder, ["new.png", "a/new.png", "b/new.png", "c/new.png"])
  (folder / NAMES[0]).unlink()
  path = folder / NAMES[1]
  os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
  (folder / "labels.csv").write_text("file,label\n")
  with pytest.raises(InputError) as error:
    taken(folder, cache)
  message = str(error.value)
  for part in (
    f"data.folder: {folder} has changed",
    "4 added (a/new.png, b/new.png, c/new.png, ...), 1 removed (a/00.png), 1 altered (b/01.png);",
    "--config.data.refresh=True and a new --workdir",
    "--config.data.labels=OLD_WORKDIR/labels.csv",
  ):
    assert part in message
  assert "\n" not in message
  # Another size asks too.
  with pytest.raises(InputError, match="has changed"):
    taken(folder, cache, size=16)


def test_put_back_it_is_the_same(folder, cache, decoded):
  first = taken(folder, cache)
  (folder / NAMES[0]).rename(folder.parent / "aside.png")
  with pytest.raises(InputError, match=r"1 removed \(a/00.png\)"):
    taken(folder, cache)
  (folder.parent / "aside.png").rename(folder / NAMES[0])
  assert taken(folder, cache).fingerprint == first.fingerprint
  assert len(decoded) == 30


def test_refresh_decodes_what_is_new_alone(folder, cache, decoded):
  break_some(folder)
  taken(folder, cache)
  made = write(folder, ["a/new.png", "new.png"], height=50)
  made["b/01.png"] = made["new.png"]
  Image.fromarray(made["new.png"]).save(folder / "b/01.png")
  (folder / "c/02.png").unlink()
  decoded.clear()
  found = taken(folder, cache, refresh=True)
  # Those that were broken are looked at again.
  assert sorted(decoded) == ["00.png", "01.png", "broken.jpg", "new.png", "new.png", "tiny.png"]
  fresh = taken(folder, cache.with_name("fresh"))
  np.testing.assert_array_equal(found.images, fresh.images)
  assert (found.files, found.fingerprint) == (fresh.files, fresh.fingerprint)
  # From then on it is this folder that may not change.
  assert taken(folder, cache).fingerprint == found.fingerprint
  write(folder, ["more.png"])
  with pytest.raises(InputError, match=r"1 added \(more.png\)"):
    taken(folder, cache)
  # Of another size nothing is known.
  decoded.clear()
  taken(folder, cache, refresh=True, size=9)
  assert len(decoded) == 34


def test_a_moved_folder_has_the_same_fingerprint(folder, cache):
  first = taken(folder, cache)
  moved = folder.rename(folder.with_name("moved"))
  assert taken(moved, cache).fingerprint == first.fingerprint


def test_memory_does_not_grow_with_the_folder(tmp_path, monkeypatch):
  monkeypatch.setattr(intake, "BLOCK", 16)
  monkeypatch.setattr(intake, "read_photo", lambda path, size, fit: np.zeros((size, size, 3), np.uint8))

  def peak(count):
    folder = tmp_path / str(count)
    folder.mkdir()
    for i in range(count):
      (folder / f"{i}.png").touch()
    tracemalloc.start()
    found = take_in(str(folder), 64, "crop", tmp_path / "cache")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.images.nbytes == count * 64 * 64 * 3
    return most

  peak(16)  # What is imported once.
  # All images are 7 MB.
  assert peak(600) - peak(32) < 1_500_000


def test_json_of_the_cache_is_readable(folder, cache):
  taken(folder, cache)
  (latest,) = cache.glob("folder-*/latest.json")
  about = json.loads(latest.read_text())
  size, changed = about["listing"]["a/00.png"]
  stat = (folder / "a/00.png").stat()
  assert (size, changed) == (stat.st_size, stat.st_mtime_ns)
