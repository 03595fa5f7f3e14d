"""Checksums against zlib, and what they notice."""

import os
import time
import zlib

import pytest

from asal_jax.store import sums


def write(path, content):
  path.write_bytes(content)
  # As if written a while ago, so that what it holds is remembered.
  os.utime(path, ns=(0, time.time_ns() - 10**9))


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 35])
def test_it_is_the_crc_of_the_crcs_of_its_parts(tmp_path, monkeypatch, size):
  monkeypatch.setattr(sums, "PART", 10)
  content = bytes(range(size))
  (tmp_path / "a").write_bytes(content)
  parts = [zlib.crc32(content[start : start + 10]).to_bytes(4, "big") for start in range(0, size, 10)]
  assert sums.checksum(tmp_path / "a") == f"{zlib.crc32(b''.join(parts)):08x}"


def test_every_flipped_bit_changes_it(tmp_path, monkeypatch):
  monkeypatch.setattr(sums, "PART", 10)
  content, found = bytes(range(35)), set()
  for bit in range(8 * len(content)):
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    (tmp_path / f"{bit}").write_bytes(flipped)
    found.add(sums.checksum(tmp_path / f"{bit}"))
  (tmp_path / "whole").write_bytes(content)
  assert sums.checksum(tmp_path / "whole") not in found
  assert len(found) == 8 * len(content)


def test_a_file_is_read_once_whatever_its_name_until_it_changes(tmp_path, monkeypatch):
  read, pread = [], os.pread
  monkeypatch.setattr(os, "pread", lambda *args: read.append(args) or pread(*args))
  write(tmp_path / "a", b"first")
  os.link(tmp_path / "a", tmp_path / "b")
  first = sums.checksum(tmp_path / "a")
  assert sums.checksum(tmp_path / "a") == sums.checksum(tmp_path / "b") == first
  assert len(read) == 1
  write(tmp_path / "b", b"other")
  assert sums.checksum(tmp_path / "a") != first
  assert len(read) == 2


def test_what_was_only_just_written_is_not_remembered(tmp_path):
  # Within a tick of the clock a file can change and keep its times.
  (tmp_path / "a").write_bytes(b"first")
  about = (tmp_path / "a").stat()
  first = sums.checksum(tmp_path / "a")
  (tmp_path / "a").write_bytes(b"other")
  os.utime(tmp_path / "a", ns=(about.st_atime_ns, about.st_mtime_ns))
  assert sums.checksum(tmp_path / "a") != first


def flip(path):
  path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
  ("damage", "told"),
  [
    (lambda path: None, ""),
    (lambda path: path.write_bytes(b"1"), "sub/a has 1 bytes, not the 5 that were written"),
    (flip, "sub/a is not what was written (its checksum is another)"),
    (lambda path: path.unlink(), "sub/a is missing"),
    (lambda path: path.with_name("more").touch(), ""),
    (lambda path: (path.unlink(), path.mkdir()), "sub/a has"),
  ],
)
def test_the_fault_is_told_with_the_file(tmp_path, damage, told):
  (tmp_path / "sub").mkdir()
  for name in ("sub/a", "sub/b", "c"):
    (tmp_path / name).write_text(f"{name:5}"[:5])
  files = sums.of_files(tmp_path, [path for path in tmp_path.rglob("*") if path.is_file()])
  assert list(files) == ["c", "sub/a", "sub/b"]
  damage(tmp_path / "sub/a")
  found = sums.fault(tmp_path, files)
  assert found == told or (told.endswith("has") and found.startswith(told))


def test_a_file_that_can_not_be_read_is_told(tmp_path, monkeypatch):
  (tmp_path / "a").write_bytes(b"1")
  files = sums.of_files(tmp_path, [tmp_path / "a"])

  def broken(*_):
    raise OSError(5, "Input/output error")

  monkeypatch.setattr(os, "pread", broken)
  sums._known.clear()
  assert sums.fault(tmp_path, files) == f"{tmp_path} can not be read (Input/output error)"
