"""The auto-encoder: its loss and update against the formulas, codes, range, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from asal_jax.autoencoder import make_autoencoder
from asal_jax.rng import stream
from configs.base import get_config

SHAPE = (8, 8, 1)
RANGE = (-1.0, 1.0)


def images():
  """Blobs of a few shapes, so that a small code can hold them: uint8 [30, 8, 8, 1]."""
  rng = np.random.default_rng(0)
  rows, columns = np.mgrid[:8, :8]
  centers = rng.uniform(1, 6, (30, 2, 1, 1))
  blobs = np.exp(-((rows - centers[:, 0]) ** 2 + (columns - centers[:, 1]) ** 2) / 4)
  return jnp.asarray(np.round(255 * blobs).astype(np.uint8)[..., None])


def settings(**overrides):
  config = get_config().autoencoder
  config.update({"batch_size": 10, **overrides})
  return config


@pytest.fixture(scope="module")
def autoencoder():
  return make_autoencoder(settings(), SHAPE, RANGE)


def test_codes_and_reconstructions(autoencoder):
  params = jax.jit(autoencoder.init)(jax.random.key(0)).params
  x = jax.random.normal(jax.random.key(1), (5, *SHAPE))
  encode = jax.jit(autoencoder.encode)
  codes = encode(params, x)
  assert codes.shape == (5, 16)
  # Row by row.
  np.testing.assert_allclose(encode(params, x[3:4]), codes[3:4], atol=1e-6)
  # The range of the pixels is not the nets' affair.
  unit = make_autoencoder(settings(), SHAPE, (0.0, 1.0))
  wide, narrow = (jax.jit(a.reconstruct)(params, x) for a in (autoencoder, unit))
  assert wide.shape == x.shape
  np.testing.assert_allclose(wide, 2 * narrow - 1, atol=1e-5)


def test_step_is_adam_on_the_mean_squared_error(autoencoder):
  before, key = jax.jit(autoencoder.init)(jax.random.key(0)), jax.random.key(2)
  after, metrics = jax.jit(autoencoder.step)(before, key, images())
  rows = jax.random.randint(stream(key, "batch"), (10,), 0, 30)
  batch = images()[rows] / 127.5 - 1

  def loss(params):
    return jnp.sum((autoencoder.reconstruct(params, batch) - batch) ** 2) / batch.size

  value, gradient = jax.jit(jax.value_and_grad(loss))(before.params)
  np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
  adam = optax.adam(1e-3)
  update, _ = adam.update(gradient, adam.init(before.params))
  expected = optax.apply_updates(before.params, update)
  for a, b in zip(jax.tree.leaves(after.params), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, atol=2e-5)


def test_every_seed_learns():
  autoencoder = make_autoencoder(settings(learning_rate=1e-2), SHAPE, RANGE)
  step = jax.jit(jax.vmap(autoencoder.step, (0, 0, None)))
  state, pool = jax.jit(jax.vmap(autoencoder.init))(jax.random.split(jax.random.key(0), 4)), images()
  for i in range(300):
    state, _ = step(state, jax.random.split(jax.random.key(i), 4), pool)
  x = pool / 127.5 - 1
  rebuilt = jax.jit(jax.vmap(autoencoder.reconstruct, (0, None)))(state.params, x)
  # The best constant image leaves the variance.
  variance = np.mean((x - x.mean(axis=0)[None]) ** 2)
  assert np.all(np.mean((rebuilt - x[None]) ** 2, axis=(1, 2, 3, 4)) < 0.25 * variance)
