import os
import pathlib
import shutil

import pytest

from asal_jax.errors import InputError
from asal_jax.store.space import GIB, check_disk, check_memory, free_memory, total_memory


def test_disk_is_refused_only_where_it_is_short(tmp_path):
  free = shutil.disk_usage(tmp_path).free
  folder = tmp_path / "not" / "yet"
  check_disk("features", folder, free // 2)
  with pytest.raises(InputError, match=r"features: needs .* GiB of disk in .*yet.*; make room"):
    check_disk("features", folder, 2 * free + GIB)
  assert not folder.exists()


def test_memory_is_refused_only_where_it_is_short():
  free = free_memory()
  if free is None:
    pytest.skip("the system does not tell what memory is free")
  check_memory("index", free // 2)
  with pytest.raises(InputError, match=r"index: needs .* GiB of memory"):
    check_memory("index", 2 * free + GIB)


def test_memory_is_what_the_system_says():
  total = total_memory()
  if total is None:
    pytest.skip("the system does not tell how much memory there is")
  assert total == pytest.approx(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), rel=0.01)
  assert 0 < free_memory() <= total


def test_a_system_that_does_not_tell_refuses_nothing(tmp_path, monkeypatch):
  assert free_memory(tmp_path / "none") is None
  monkeypatch.setattr("asal_jax.store.space.free_memory", lambda: None)
  check_memory("index", 2**60)


def test_what_is_free_is_read_in_bytes(tmp_path):
  path = pathlib.Path(tmp_path / "meminfo")
  path.write_text("MemTotal:       24000000 kB\nMemFree:  100 kB\nMemAvailable:   20000000 kB\n")
  assert free_memory(path) == 20_000_000 * 1024
  assert total_memory(path) == 24_000_000 * 1024
