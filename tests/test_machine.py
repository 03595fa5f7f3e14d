"""What a machine is said to be, from files as Linux has them."""

from asal_jax.store import machine

CPUINFO = """processor\t: 0
model\t\t: 17
model name\t: AMD EPYC
cpu family\t: 25
flags\t\t: fpu avx2 avx512f avx512_bf16 xsave

processor\t: 1
model name\t: another
"""


def write_cache(folder, i, **files):
  cache = folder / f"index{i}"
  cache.mkdir(parents=True)
  for name, text in files.items():
    (cache / name).write_text(text + "\n")


def test_name_flags_and_caches(tmp_path):
  (tmp_path / "cpuinfo").write_text(CPUINFO)
  write_cache(tmp_path / "cache", 0, level="1", type="Data", size="32K", shared_cpu_list="0")
  write_cache(tmp_path / "cache", 1, level="1", type="Instruction", size="32K", shared_cpu_list="0")
  write_cache(tmp_path / "cache", 2, level="3", type="Unified", size="32768K", shared_cpu_list="0-3,8")
  found = machine.describe(tmp_path / "cpuinfo", tmp_path / "cache")
  assert found["processor"] == "AMD EPYC (family 25, model 17)"
  assert found["flags"] == ["avx2", "avx512f", "avx512_bf16"]
  assert found["caches"] == {"L1d": {"kib": 32, "cores": 1}, "L3": {"kib": 32768, "cores": 5}}


def test_arm_and_elsewhere(tmp_path):
  (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n")
  assert machine.describe(tmp_path / "cpuinfo", tmp_path / "none")["flags"] == ["asimd", "bf16", "i8mm"]
  found = machine.describe(tmp_path / "none", tmp_path / "none")
  assert found["processor"]
  assert not found["flags"]
  assert not found["caches"]


def test_here():
  assert machine.describe()["cores"] >= 1
