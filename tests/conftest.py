"""What holds for every test: annotations are checked, no array is promoted in rank, no random key used twice."""

import os
import tempfile

# Tests compile much and compute little. In the environment, so that commands that tests start do the same.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# The same small jobs are compiled again and again, by several processes: once is enough.
_compiled = tempfile.TemporaryDirectory()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _compiled.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")

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
