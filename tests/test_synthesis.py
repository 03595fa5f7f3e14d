"""The latent ascent against one plain Adam loop a latent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.synthesis import in_batches, make_synthesis
from asal_jax.models.classifier import cross_entropy
from asal_jax.rng import seed_keys, stream
from asal_jax.types import GAN, Classifier
from configs.base import get_config

LATENT, SEEDS, BATCH, CYCLE = 6, (3, 8), 4, 2
KEYS = seed_keys(SEEDS)


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def generate(params, z):
  return jax.nn.sigmoid(z @ params).reshape(-1, 3, 3, 1)


def logits(params, images):
  return images.reshape(images.shape[0], -1) @ params + 0.7


GENERATOR, CLASSIFIERS = normal(0, LATENT, 9), 2 * normal(1, len(SEEDS), 9, 1)
gan = GAN(None, None, None, generate, None, None, LATENT)
classifier = Classifier(None, logits, None, cross_entropy, None)


def synthesis(score, steps, batch=BATCH, gan=gan, size=0):
  config = get_config().synthesis
  config.update({"ascent_steps": steps, "learning_rate": 0.05, "batch": size})
  return make_synthesis(config, gan, classifier, SCORES[score], batch)


def draws(batch=BATCH):
  return np.stack([jax.random.normal(stream(key, "latents", CYCLE), (batch, LATENT)) for key in KEYS])


def slope(score, z, weights):
  """Gradient of the score of one latent by hand, float64."""
  x = 1 / (1 + np.exp(-z @ np.asarray(GENERATOR, float)))
  f = x @ weights + 0.7
  p = 1 / (1 + np.exp(-f))
  surer = np.sign(f) * p * (1 - p)
  along = {
    "entropy": -f * p * (1 - p),
    "min_distance": -2 * f,
    "margin": -2 * surer,
    "least_confidence": -surer,
  }[score]
  return along * (np.asarray(GENERATOR, float) @ (weights * x * (1 - x)))


def ascend(slope, z, steps):
  """Adam (Kingma & Ba 2015) up a slope."""
  z, first, second = z.astype(float), 0.0, 0.0
  for t in range(1, steps + 1):
    gradient = -slope(z)
    first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
    z = z - 0.05 * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
  return z


@pytest.mark.parametrize("score", list(SCORES))
def test_ascent_equals_one_adam_loop_a_latent(score):
  # One latent at a time: those of a batch, and the seeds, do not influence each other.
  found = synthesis(score, 25)(KEYS, CYCLE, GENERATOR, CLASSIFIERS)
  assert found.shape == (len(SEEDS), BATCH, LATENT)
  for row, start, weights in zip(found, draws(), np.asarray(CLASSIFIERS, float), strict=True):
    expected = [ascend(lambda z, w=weights[:, 0]: slope(score, z, w), z, 25) for z in start]
    np.testing.assert_allclose(row, expected, atol=1e-4)


def centred(params, z):
  x = z @ params
  return jax.nn.sigmoid(x - x.mean(axis=0)[None]).reshape(-1, 3, 3, 1)


def test_ascent_through_batch_statistics_follows_the_whole_batch():
  found = synthesis("entropy", 25, gan=gan._replace(generate=centred))(KEYS, CYCLE, GENERATOR, CLASSIFIERS)
  for row, start, weights in zip(found, draws(), CLASSIFIERS, strict=True):
    total = lambda z, w=weights: SCORES["entropy"](logits(w, centred(GENERATOR, z))).sum()  # noqa: E731
    gradient = jax.jit(jax.grad(total))
    expected = ascend(lambda z, g=gradient: np.asarray(g(jnp.asarray(z, jnp.float32)), float), start, 25)
    np.testing.assert_allclose(row, expected, atol=1e-3)
    alone = ascend(lambda z, w=weights: slope("entropy", z, np.asarray(w, float)[:, 0]), start[0], 25)
    assert np.abs(row[0] - alone).max() > 0.01


@pytest.mark.parametrize("size", [1, 2, 4])
def test_batches_of_a_cycle_equal_each_batch_alone(size):
  coupled = gan._replace(generate=centred)
  found = synthesis("entropy", 25, gan=coupled, size=size)(KEYS, CYCLE, GENERATOR, CLASSIFIERS)
  for row, start, weights in zip(found, draws(), CLASSIFIERS, strict=True):
    total = lambda z, w=weights: SCORES["entropy"](logits(w, centred(GENERATOR, z))).sum()  # noqa: E731
    gradient = jax.jit(jax.grad(total))
    for batch in np.split(np.arange(BATCH), BATCH // size):
      expected = ascend(lambda z, g=gradient: np.asarray(g(jnp.asarray(z)), float), start[batch], 25)
      np.testing.assert_allclose(row[batch], expected, atol=1e-3)
  whole, parts = (synthesis("entropy", 25, size=n)(KEYS, CYCLE, GENERATOR, CLASSIFIERS) for n in (0, size))
  # Without statistics of the batch its size does not matter.
  np.testing.assert_allclose(parts, whole, atol=1e-5)


@pytest.mark.parametrize("size", [0, 1, 3, 6])
def test_what_is_generated_in_batches_is_that_of_each_batch(size):
  z = normal(5, 6, LATENT)
  expected = [centred(GENERATOR, part) for part in np.split(np.asarray(z), 6 // size if size else 1)]
  found = jax.jit(lambda z: in_batches(lambda part: centred(GENERATOR, part), z, size))(z)
  np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)


def test_ascended_latents_score_higher():
  def scores(z):
    return np.stack(
      [SCORES["entropy"](logits(c, generate(GENERATOR, x))) for c, x in zip(CLASSIFIERS, z, strict=True)]
    )

  before = scores(synthesis("entropy", 0)(KEYS, CYCLE, GENERATOR, CLASSIFIERS))
  after = scores(synthesis("entropy", 100)(KEYS, CYCLE, GENERATOR, CLASSIFIERS))
  assert np.all(after > before)
  assert after.mean() > 0.9 * np.log(2)


def test_no_steps_returns_normal_draws():
  found = synthesis("entropy", 0)(KEYS, CYCLE, GENERATOR, CLASSIFIERS)
  np.testing.assert_array_equal(found, draws())
  many = np.asarray(synthesis("entropy", 0, batch=5_000)(KEYS, CYCLE, GENERATOR, CLASSIFIERS))
  # 60,000 standard normal values: five standard errors of the mean and of the variance.
  assert abs(many.mean()) < 5 / np.sqrt(many.size)
  assert abs(many.var() - 1) < 5 * np.sqrt(2 / many.size)


def test_latents_belong_to_seed_and_cycle():
  ascend = synthesis("entropy", 5)
  first = ascend(KEYS, CYCLE, GENERATOR, CLASSIFIERS)
  np.testing.assert_array_equal(first, ascend(KEYS, CYCLE, GENERATOR, CLASSIFIERS))
  assert np.all(np.any(first != ascend(KEYS, CYCLE + 1, GENERATOR, CLASSIFIERS), axis=(1, 2)))
  turned = ascend(seed_keys(SEEDS[::-1]), CYCLE, GENERATOR, CLASSIFIERS[::-1])
  np.testing.assert_allclose(turned[::-1], first, atol=1e-5)
