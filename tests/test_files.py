import json
import logging
import multiprocessing

import numpy as np
import pytest

from asal_jax.store import files


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
  "record", [{"a": 1.5, "b": [1, {"sum": "x"}]}, {"sum": ', "sum": "0"', "é": "日本\n"}]
)
def test_a_sealed_record_is_json_and_opens_to_itself(record, indent):
  line = files.sealed(record, indent)
  assert files.opened(line.encode()) == record
  assert {k: v for k, v in json.loads(line).items() if k != "sum" or "sum" in record}.keys() == record.keys()


def test_any_flipped_bit_and_any_cut_is_seen():
  line = files.sealed({"strategy": "random", "ids": [1, 2, 3], "entropy": 0.25}).encode()
  for position in range(8 * len(line)):
    flipped = bytearray(line)
    flipped[position // 8] ^= 1 << position % 8
    found = files.opened(bytes(flipped))
    assert found is None or found == files.opened(line), flipped
  assert all(files.opened(line[:cut]) is None for cut in range(len(line)))


def test_a_record_without_a_seal_does_not_open():
  assert files.opened(b'{"a": 1}') is None
  assert files.opened(b"") is None


def test_damage_is_told_with_the_file(tmp_path):
  files.write_sealed(tmp_path / "a.json", {"a": 1})
  assert files.read_sealed(tmp_path / "a.json") == {"a": 1}
  (tmp_path / "a.json").write_text((tmp_path / "a.json").read_text().replace("1", "2", 1))
  with pytest.raises(files.Damaged, match=r"a\.json: damaged"):
    files.read_sealed(tmp_path / "a.json")


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path):
  files.write_whole(tmp_path / "a", "old")

  def fill():
    with files.whole_file(tmp_path / "a") as file:
      file.write(b"new")
      raise OSError("full")

  with pytest.raises(OSError, match="full"):
    fill()
  assert [path.name for path in tmp_path.iterdir()] == ["a"]
  assert (tmp_path / "a").read_text() == "old"


def test_arrays_are_written_whole(tmp_path):
  with files.whole_file(tmp_path / "a.npy") as file:
    np.save(file, np.arange(5))
  np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.arange(5))


def write_many(path, who):
  for i in range(200):
    files.append(path, [files.sealed({"who": who, "i": i, "text": "x" * 300})])


def test_processes_that_append_at_once_never_mix_lines(tmp_path):
  with multiprocessing.get_context("spawn").Pool(3) as pool:
    pool.starmap(write_many, [(tmp_path / "lines", who) for who in range(3)])
  found = [files.opened(line) for line in (tmp_path / "lines").read_bytes().splitlines()]
  assert {(r["who"], r["i"]) for r in found} == {(who, i) for who in range(3) for i in range(200)}
  assert len(found) == 600


def test_a_torn_end_is_ended_before_the_next_line(tmp_path):
  (tmp_path / "lines").write_bytes(b'{"torn": ')
  files.append(tmp_path / "lines", ["whole"])
  assert (tmp_path / "lines").read_bytes() == b'{"torn": \nwhole\n'


def test_what_is_set_aside_is_kept_and_told(tmp_path, caplog):
  caplog.set_level(logging.WARNING, "asal_jax")
  for name in ("a.damaged", "a.damaged1"):
    (tmp_path / "a").write_text(name)
    assert files.set_aside(tmp_path / "a", "its checksum does not fit").name == name
    assert (tmp_path / name).read_text() == name
  assert "a: its checksum does not fit; set aside as a.damaged1" in caplog.text
