"""Each jitted function compiles once a run, whatever the growing label count."""

import collections
import logging
import re

import jax
import pytest
import tiny

import asal_jax


@pytest.fixture
def compiled(monkeypatch):
  """Names of what XLA compiles, with how often; filled while the fixture lives."""
  counts = collections.Counter()

  class Count(logging.Handler):
    def emit(self, record):
      match = re.match(r"Compiling (?:jit\()?(\w+)", record.getMessage())
      if match:
        counts[match[1]] += 1

  handler, logger = Count(), logging.getLogger("jax")
  logger.addHandler(handler)
  level, logger.propagate = logger.level, False
  jax.config.update("jax_log_compiles", True)
  yield counts
  jax.config.update("jax_log_compiles", False)
  logger.removeHandler(handler)
  logger.setLevel(level)
  logger.propagate = True


def test_each_function_compiles_once_a_run_whatever_the_label_count(tmp_path, compiled):
  strategies = ("random", "entropy", "subpool", "asal_pixels_rescore5", "asal_critic", "gaal_stand_in")

  def run(budget):
    jax.clear_caches()
    compiled.clear()
    config = tiny.config(strategies=strategies, **tiny.QUICK_GAN, **{"gan.looks": 0, "loop.budget": budget})
    asal_jax.run(config, workdir=tmp_path / str(budget), cache=tmp_path / "cache")
    return dict(compiled)

  # What is made once is in the cache after one cycle: GAAL's judge is trained when it is asked.
  run(15)
  short, long = run(20), run(60)
  # One fit, one accuracy for all strategies, GAAL's too; a pool pass of one score; one ascent, one random draw.
  assert long["fit"] == long["accuracy"] == 1
  assert long["block"] == long["render"] == 1
  assert long["synthesize"] == 2
  # More cycles compile nothing more.
  assert long == short
