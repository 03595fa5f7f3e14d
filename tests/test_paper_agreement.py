"""How often a match has the label of its synthetic sample: figure 13."""

import json

import pytest
import tiny

import asal_jax
from asal_jax.errors import InputError
from experiments.paper import agreement as agreements
from experiments.paper import runs


def test_figure_13_measures_the_agreement_of_a_cached_gan(tmp_path, native_convolutions):
  config = tiny.config(**tiny.QUICK_GAN, **tiny.QUICK_JUDGE, **{"gan.looks": 0, "judge.confidence": 0.6})
  with pytest.raises(InputError, match="run --stage=gan first"):
    agreements.measure(config, tmp_path / "run", tmp_path / "cache", 60)
  for stage in runs.STAGES:
    asal_jax.run(config, workdir=tmp_path / "run", cache=tmp_path / "cache", stage=stage)
  found = agreements.measure(config, tmp_path / "run", tmp_path / "cache", 60)
  assert "stand-in" in found["annotated_by"]
  assert found["classes"] == ["3", "8"]
  for name in ("pixels", "autoencoder", "critic"):
    one = found[name]
    assert sum(one["counts"]) + one["rejected"] == 60
    assert one["low"] <= one["agreement"] <= one["high"]
  assert found["pixels"]["counts"] == found["critic"]["counts"]
  json.dumps(found)
