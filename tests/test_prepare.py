"""How long what is made once is trained, and under which keys it is kept."""

import numpy as np
import pytest
import tiny

from asal_jax.pools.kinds import ArrayPool
from asal_jax.running import prepare
from asal_jax.running.prepare import Preparation
from asal_jax.store.files import read_sealed
from asal_jax.store.stages import Stages

POOL = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 1), np.uint8)


@pytest.fixture
def trained(tmp_path, monkeypatch):
  """A function of a config's overrides: the iterations that GAN or auto-encoder are asked for, and what keys them."""
  asked = []

  def ask(name, model, pool, *, iterations, **_):
    asked.append(iterations)

  monkeypatch.setattr(prepare, "train", ask)
  monkeypatch.setattr(prepare, "restored", lambda folder, shapes: shapes)

  def train(name, **overrides):
    config, folder = tiny.config(**overrides), tmp_path / str(len(asked))
    stages = Stages(tmp_path / "stages.jsonl")
    getattr(
      Preparation(config, ArrayPool(POOL), folder, frozenset({"gan", "features"}), stages, lambda *_: None),
      name,
    )
    (made_from,) = folder.glob(f"{name}-*/made_from.json")
    return asked[-1], read_sealed(made_from)["made_from"]

  return train


def test_the_auto_encoder_takes_epochs_or_iterations(trained):
  # 50 images in batches of 16 are 4.
  by_epochs, epochs = trained("autoencoder", **{"autoencoder.epochs": 3, "autoencoder.batch_size": 16})
  by_number, number = trained("autoencoder", **{"autoencoder.iterations": 7})
  assert (by_epochs, by_number) == (12, 7)
  # What decides nothing is no part of the key, nor was the number before it was a field.
  assert epochs["autoencoder"]["epochs"] == 3
  assert "iterations" not in epochs["autoencoder"]
  assert number["autoencoder"]["iterations"] == 7
  assert "epochs" not in number["autoencoder"]


def test_residual_gans_of_other_initial_weights_are_not_taken_for_these(trained):
  iterations, plain = trained("gan", **{"gan.iterations": 5})
  assert iterations == 5
  assert set(plain) == {"gan", "version", "images", "pixel_range", "precision"}
  _, residual = trained("gan", **{"gan.network": "residual"})
  assert set(residual) == {*plain, "residual"}
