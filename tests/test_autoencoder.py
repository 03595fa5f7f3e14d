"""The auto-encoder: its loss and update against the formulas, running statistics, range, and that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from asal_jax.models.autoencoder import make_autoencoder
from asal_jax.networks.autoencoders import AUTOENCODERS
from asal_jax.networks.layers import Conv
from asal_jax.networks.plain import pyramid
from asal_jax.rng import stream
from configs.base import get_config

pytestmark = pytest.mark.usefixtures("native_convolutions")

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


@functools.cache
def iteration(name):
  """(state before, state after, metrics) of one iteration."""
  autoencoder = make_autoencoder(settings(network=name), SHAPE, RANGE)
  before = jax.jit(autoencoder.init)(jax.random.key(0))
  key = jax.random.key(2)
  return before, *jax.jit(autoencoder.step)(before, key, images()[autoencoder.batch_ids(key, 30)])


def batch():
  rows = jax.random.randint(stream(jax.random.key(2), "batch"), (10,), 0, 30)
  return images()[rows] / 127.5 - 1


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_step_is_adam_on_the_mean_squared_error(name):
  before, after, metrics = iteration(name)
  network, x = AUTOENCODERS[name](pyramid(8, 8), 1, 4), batch()

  def loss(params):
    unit, _ = network.apply({**before.variables, "params": params}, x, train=True, mutable=["batch_stats"])
    return jnp.sum((2 * unit - 1 - x) ** 2) / x.size

  params = before.variables["params"]
  value, gradient = jax.jit(jax.value_and_grad(loss))(params)
  np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
  adam = optax.adam(1e-3)
  # After one step Adam's first moment is a tenth of the gradient.
  found = jax.tree.map(lambda m: 10 * m, optax.tree.get(after.optimizer, "mu"))
  expected = optax.apply_updates(params, adam.update(found, adam.init(params))[0])
  for pair in ((found, gradient), (after.variables["params"], expected)):
    for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
      np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_fresh_auto_encoders_err_as_a_plain_image_does(name):
  metrics, x = iteration(name)[-1], batch()
  # Gray is 0 here; the plain net's unit values start near 0, which is black.
  gray, black = np.mean(x**2), np.mean((x + 1) ** 2)
  expected = black if name == "plain" else gray
  assert 0.7 * expected < metrics["loss"] < 1.5 * expected


@pytest.mark.parametrize("name", ["cifar", "celeba"])
def test_running_statistics(name):
  before, after, _ = iteration(name)
  # Of the first layer's outputs: a tenth replaces the old mean 0 and variance 1.
  first = Conv(8, size=3) if name == "cifar" else Conv(8, stride=2)
  params = {"params": before.variables["params"]["encoder_0"]}
  y = np.asarray(jax.jit(first.apply)(params, batch()), float)
  found = after.variables["batch_stats"]["encoder_norms_0"]
  np.testing.assert_allclose(found["mean"], 0.1 * y.mean(axis=(0, 1, 2)), atol=1e-5)
  np.testing.assert_allclose(found["var"], 0.9 + 0.1 * y.var(axis=(0, 1, 2)), atol=1e-5)


def test_range_of_pixels_is_not_the_nets_affair():
  x = jax.random.normal(jax.random.key(1), (5, *SHAPE))
  wide, unit = (make_autoencoder(settings(), SHAPE, pixel_range) for pixel_range in (RANGE, (0.0, 1.0)))
  variables = jax.jit(wide.init)(jax.random.key(0)).variables
  both, narrow = (jax.jit(a.reconstruct)(variables, x) for a in (wide, unit))
  assert both.shape == x.shape
  np.testing.assert_allclose(both, 2 * narrow - 1, atol=1e-5)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_every_seed_learns(name):
  autoencoder = make_autoencoder(settings(network=name, learning_rate=1e-2), SHAPE, RANGE)
  step = jax.jit(jax.vmap(lambda s, key: autoencoder.step(s, key, pool[autoencoder.batch_ids(key, 30)])))
  state, pool = jax.jit(jax.vmap(autoencoder.init))(jax.random.split(jax.random.key(0), 4)), images()
  for i in range(100):
    state, _ = step(state, jax.random.split(jax.random.key(i), 4))
  x = pool / 127.5 - 1
  rebuilt = jax.jit(jax.vmap(autoencoder.reconstruct, (0, None)))(state.variables, x)
  # The best constant image leaves the variance.
  variance = np.mean((x - x.mean(axis=0)[None]) ** 2)
  assert np.all(np.mean((rebuilt - x[None]) ** 2, axis=(1, 2, 3, 4)) < 0.25 * variance)
