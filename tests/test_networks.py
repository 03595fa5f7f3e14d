"""Parameter counts and shapes of the paper's networks."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax.networks.classifiers import LeNet5, Linear
from asal_jax.networks.plain import AutoEncoder, Critic, Generator, pyramid


def describe(network, *shape, **method):
  """(number of parameters, output shape) without computing anything."""
  outputs, params = jax.eval_shape(
    lambda x: network.init_with_output(jax.random.key(0), x, **method), jnp.zeros(shape)
  )
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params)), outputs.shape


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def outputs(network, x):
  """What the network makes of x with normal weights, large enough to saturate it."""
  params = jax.eval_shape(network.init, jax.random.key(0), x)
  leaves, tree = jax.tree.flatten(params)
  return jax.jit(network.apply)(tree.unflatten(normal(i, *p.shape) for i, p in enumerate(leaves)), x)


@pytest.mark.parametrize(
  ("network", "count"),
  [(Linear(1), 785), (Linear(10), 7_850), (LeNet5(10), 61_706)],
)
def test_classifiers(network, count):
  assert describe(network, 3, 28, 28, 1) == (count, (3, network.outputs))


@pytest.mark.parametrize(
  ("size", "sizes"),
  [
    ((28, 28), ((4, 4), (7, 7), (14, 14), (28, 28))),
    ((32, 32), ((4, 4), (8, 8), (16, 16), (32, 32))),
    ((64, 64), ((4, 4), (8, 8), (16, 16), (32, 32), (64, 64))),
    ((8, 8), ((2, 2), (4, 4), (8, 8))),
    ((28, 20), ((4, 3), (7, 5), (14, 10), (28, 20))),
    ((1, 33), ((1, 3), (1, 5), (1, 9), (1, 17), (1, 33))),
    ((3, 2), ((1, 1), (2, 1), (3, 2))),
  ],
)
def test_pyramid(size, sizes):
  assert pyramid(*size) == sizes


def test_gan_of_mnist():
  sizes = pyramid(28, 28)
  linear = 128 * 4_096 + 4_096
  deconvolutions = (25 * 256 * 128 + 128) + (25 * 128 * 64 + 64) + (25 * 64 + 1)
  assert describe(Generator(sizes, 64, 1), 3, 128) == (linear + deconvolutions, (3, 28, 28, 1))
  convolutions = (25 * 1 * 64 + 64) + (25 * 64 * 128 + 128) + (25 * 128 * 256 + 256)
  assert describe(Critic(3, 64), 3, 28, 28, 1) == (convolutions + 4_096 + 1, (3,))
  # The discriminator features are what goes into the linear layer.
  assert describe(Critic(3, 64), 3, 28, 28, 1, method="features")[1] == (3, 4_096)


@pytest.mark.parametrize(
  ("size", "channels", "code_channels", "code"),
  [((28, 28), 1, 4, 64), ((28, 28), 1, 12, 192), ((8, 8), 1, 4, 16), ((28, 20), 3, 4, 48)],
)
def test_autoencoder_codes(size, channels, code_channels, code):
  network = AutoEncoder(pyramid(*size), channels, code_channels)
  assert describe(network, 2, *size, channels, method="encode")[1] == (2, code)
  count, shape = describe(network, 2, *size, channels)
  assert shape == (2, *size, channels)
  widths = [channels, *(code_channels * 2**i for i in reversed(range(len(pyramid(*size)) - 1)))]
  weights = sum(25 * a * b for a, b in itertools.pairwise(widths))
  # The decoder mirrors the encoder.
  assert count == 2 * weights + sum(widths[1:]) + sum(widths[:-1])


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (32, 32), (13, 6)])
def test_shapes_and_range_of_images(size):
  sizes = pyramid(*size)
  images = outputs(Generator(sizes, 2, 3), normal(0, 5, 7))
  assert images.shape == (5, *size, 3)
  assert 0 <= images.min() < 0.4
  assert 0.6 < images.max() <= 1
  assert outputs(AutoEncoder(sizes, 3, 2), images).shape == images.shape
  assert outputs(Critic(len(sizes) - 1, 2), images).shape == (5,)


def test_linear_is_a_matrix_product():
  x = normal(0, 4, 3, 2, 2)
  params = {
    "kernel": np.arange(24, dtype=np.float32).reshape(12, 2),
    "bias": np.float32([1, -1]),
  }
  expected = x.reshape(4, 12) @ params["kernel"] + params["bias"][None]
  np.testing.assert_allclose(Linear(2).apply({"params": {"Dense_0": params}}, x), expected, rtol=1e-5)
