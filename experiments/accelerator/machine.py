"""What the machine has: devices, packages, data sets; a line on what is missing."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

from experiments.speed.records import installed

NEEDED = (
  "jax",
  "flax",
  "optax",
  "orbax-checkpoint",
  "ml_collections",
  "tensorflow-datasets",
  "pynndescent",
  "matplotlib",
)
WELCOME = ("torch", "faiss-cpu", "scikit-activeml")
PROBE = """
import json, jax
found = jax.devices()
stats = found[0].memory_stats() or {}
print(json.dumps({"platform": found[0].platform, "kind": found[0].device_kind, "count": len(found),
                  "gib": stats.get("bytes_limit", 0) / 2**30}))
"""
SECONDS = 120
"""After so many the devices count as not answering."""


def data_folder() -> pathlib.Path:
  return pathlib.Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def lacking(need: str) -> str:
  """Why a data set or package that a part needs is not here, and what to do; '' where it is."""
  if need in ("mnist", "cifar10"):
    found = any(data_folder().glob(f"{need}/*/dataset_info.json"))
    return "" if found else f"no {need} in {data_folder()}: set TFDS_DATA_DIR to a folder that holds it"
  if need == "sprites":
    folder = os.environ.get("SPRITES_DIR", "")
    found = bool(folder) and (pathlib.Path(folder) / "lpc_pool.py").exists()
    return "" if found else f"no lpc_pool.py in SPRITES_DIR ({folder or 'not set'})"
  return "" if importlib.util.find_spec(need) else f"{need} is not installed"


def devices() -> dict:
  """platform, kind, count, gib of memory, asked by a process of its own, which gives it back; exits on failure."""
  env = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
  try:
    done = subprocess.run(
      [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=SECONDS, env=env
    )
  except subprocess.TimeoutExpired:
    sys.exit(f"error: jax did not find its devices within {SECONDS} s; is another process holding them?")
  if done.returncode:
    sys.exit(f"error: jax does not start: {done.stderr.strip().splitlines()[-1]}")
  return json.loads(done.stdout.splitlines()[-1])


def look(tiny: bool) -> None:
  """Prints what is here; exits with a line where a package or, but for a rehearsal, an accelerator is missing."""
  print(f"Python {sys.version.split()[0]}")
  print("packages: " + ", ".join(f"{name} {installed(name) or 'MISSING'}" for name in NEEDED))
  rivals = ", ".join(f"{name} {installed(name) or 'not installed'}" for name in WELCOME)
  print(f"rivals: {rivals}" + ("" if installed("torch") else "; the columns of rivals stay empty"))
  for need in ("mnist", "cifar10", "sprites"):
    print(f"data: {lacking(need) or need + ' is there'}")
  gone = [name for name in NEEDED if installed(name) is None]
  if gone:
    sys.exit(f"error: not installed: {', '.join(gone)}; pip install -r requirements.txt")
  found = devices()
  memory = f", {found['gib']:.0f} GiB for jax" if found["gib"] else ""
  print(f"devices: {found['count']} x {found['kind']} ({found['platform']}){memory}", flush=True)
  if found["platform"] == "cpu" and not tiny:
    sys.exit(
      "error: jax found no accelerator: install its GPU wheels (pip install -e '.[gpu]'), or rehearse: --tiny"
    )
