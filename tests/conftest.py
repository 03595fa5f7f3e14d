"""What holds for every test: annotations are checked, no array is promoted in rank, no random key used twice."""

import os
import signal
import tempfile
from importlib import metadata

# Tests compile much and compute little. In the environment, so that commands that tests start do the same.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# XLA's older emitters, which later versions do not have, compile a GAN's step in a quarter of the time; and in one
# part, as there is a process a core.
OLDER = "--xla_cpu_use_fusion_emitters=false" if metadata.version("jaxlib").startswith("0.10.") else ""
os.environ.setdefault("XLA_FLAGS", f"{OLDER} --xla_cpu_parallel_codegen_split_count=1")
# The same small jobs are compiled again and again, by several processes: once is enough.
_compiled = tempfile.TemporaryDirectory()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _compiled.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")

# In the background of a shell SIGINT is ignored, and what tests start to send it to would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
  signal.signal(signal.SIGINT, signal.default_int_handler)

import jax
import jaxtyping
import numpy as np
import pytest

# An int where a float is annotated is right (PEP 484).
jaxtyping.install_import_hook(
  ["asal_jax"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


LONG = (
  "processes",
  "kills",
  "job",
  "resume",
  "index",
  "readme",
  "main",
  "devices",
  "damage",
  "tour",
  "traces",
)
"""Files of tests that take longest: begun first, so that no process has one left when the others are done."""

NUMBA = ("index", "matching", "neighbours")
"""Those of pynndescent: in one process, which compiles it once."""


def pytest_collection_modifyitems(items):
  """LONG first."""
  name = lambda item: item.path.stem.removeprefix("test_")  # noqa: E731
  items.sort(key=lambda item: LONG.index(name(item)) if name(item) in LONG else len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
  """What one process takes as a whole: a file, whose fixtures are shared, or those of NUMBA."""
  from xdist.scheduler import LoadFileScheduling

  class Files(LoadFileScheduling):
    def _split_scope(self, nodeid):
      file = super()._split_scope(nodeid)
      return "numba" if file.endswith(tuple(f"test_{name}.py" for name in NUMBA)) else file

  return Files(config, log)


@pytest.fixture(scope="session")
def tfds_data_dir():
  """The folder with prepared TFDS data sets; the test is skipped where there is none."""
  folder = os.environ.get("TFDS_DATA_DIR")
  if not folder:
    pytest.skip("TFDS_DATA_DIR is not set: it must name a folder with mnist prepared as array_record")
  return folder


@pytest.fixture
def figures(monkeypatch):
  """The figures that are saved, in order."""
  # Imported here: the hook above must come first.
  from asal_jax.reporting import canvas

  saved, save = [], canvas.save

  def spy(figure, *args, **options):
    saved.append(figure)
    save(figure, *args, **options)

  monkeypatch.setattr(canvas, "save", spy)
  return saved


@pytest.fixture
def native_convolutions(monkeypatch):
  """XLA's convolutions, which compile fastest; `test_layers` holds the others to them."""
  # Imported here: the hook above must come first.
  from asal_jax.networks import layers

  monkeypatch.setattr(layers, "_native", lambda: True)


@pytest.fixture(scope="session")
def gaussian():
  """Features f32[2000, 20], queries f32[50, 20]."""
  rng = np.random.default_rng(0)
  return rng.normal(size=(2000, 20)).astype(np.float32), rng.normal(size=(50, 20)).astype(np.float32)


@pytest.fixture(scope="session")
def graph(gaussian):
  """The one index that costs numba's compilation."""
  # Imported here: the hook above must come first.
  from asal_jax.search.graph import PyNNDescentIndex

  return PyNNDescentIndex.build(gaussian[0], seed=3)
