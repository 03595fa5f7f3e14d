"""--debug_nans: the operation of the first NaN is found, in loops and where buffers are donated."""

import os
import pathlib
import subprocess
import sys
import traceback

import jax
import jax.numpy as jnp
import pytest
import tiny
from jax import lax

import asal_jax
from asal_jax import devices

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def debugged():
  with jax.debug_nans(True):
    yield


@pytest.mark.usefixtures("debugged")
@pytest.mark.parametrize("donate", [{}, {"donate_argnums": 0}])
def test_the_line_inside_a_loop_is_found(donate):
  def step(state, _):
    state = state - 1
    logs = jnp.log(state)
    return state + 1e-9 * logs, None

  @jax.vmap
  def chunk(state):
    return lax.fori_loop(0, 3, lambda _, state: lax.scan(step, state, length=2)[0], state)

  run = devices.jit(chunk, **donate)
  assert jnp.allclose(run(jnp.full((2, 1000), 100.0)), 94.0)
  with pytest.raises(FloatingPointError, match=r"encountered in log") as error:
    run(jnp.full((2, 1000), 2.5))
  lines = [frame.line for frame in traceback.extract_tb(error.tb)]
  assert "logs = jnp.log(state)" in lines


@pytest.mark.slow
@pytest.mark.usefixtures("debugged")
def test_a_healthy_run_has_no_nan(tmp_path):
  settings = tiny.QUICK_GAN | {"gan.looks": 0, "classifier.network": "linear"}
  strategies = ("entropy", "asal_critic", "gaal_stand_in")
  assert asal_jax.run(tiny.config(strategies=strategies, **settings), workdir=tmp_path) is not None


@pytest.mark.slow
def test_the_command_finds_what_makes_a_gan_diverge(tmp_path):
  config = (
    "import sys\nsys.path.insert(0, 'tests')\nimport tiny\ndef get_config():\n"
    "  settings = {'gan.loss': 'dcgan', 'gan.looks': 0, 'gan.learning_rate': 1e30}\n"
    "  return tiny.config(strategies=('asal_critic',), **settings)\n"
  )
  (tmp_path / "config.py").write_text(config)
  done = subprocess.run(
    [sys.executable, "-m", "asal_jax.main", f"--config={tmp_path / 'config.py'}", f"--workdir={tmp_path / 'run'}",
     "--debug_nans"],
    cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 1, done.stderr
  assert "FloatingPointError: invalid value (nan) encountered in" in done.stderr
  # A line of the networks, and no loop.
  assert "asal_jax/networks/" in done.stderr
  assert not done.stderr.strip().splitlines()[-1].endswith(("while", "scan", "jit"))
