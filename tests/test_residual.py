"""The residual nets: counts by the layer list, maps block by block, and each block against XLA's convolutions."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from jax import lax
from shapes import conv, describe, layer_shapes, linear, normal, variables

from asal_jax.networks import pure, training
from asal_jax.networks.residual import Block, Critic, FirstBlock, Generator, UpBlock

WIDTH = 128
CT = (0.2, 0.5, 0.5)


def test_generator():
  # A norm has a scale and an offset a channel; the shortcut of a block is a 1x1 convolution.
  block = 2 * conv(3, WIDTH, WIDTH) + conv(1, WIDTH, WIDTH) + 2 * 2 * WIDTH
  count = linear(128, 4 * 4 * WIDTH) + 3 * block + 2 * WIDTH + conv(3, WIDTH, 3)
  generator = Generator(WIDTH, 3)
  assert describe(generator, 5, 128) == (count, (5, 32, 32, 3))
  assert layer_shapes(generator, "Dense", 5, 128) == [(5, 2_048)]
  assert layer_shapes(generator, "UpBlock", 5, 128) == [(5, n, n, WIDTH) for n in (8, 16, 32)]


@pytest.mark.parametrize("dropout", [(0.0, 0.0, 0.0), CT])
def test_critic(dropout):
  block = 2 * conv(3, WIDTH, WIDTH)
  first = conv(3, 3, WIDTH) + conv(3, WIDTH, WIDTH) + conv(1, 3, WIDTH)
  critic = Critic(WIDTH, dropout)
  count = first + 3 * block + conv(1, WIDTH, WIDTH) + linear(WIDTH, 1)
  assert describe(critic, 5, 32, 32, 3) == (count, (5,))
  assert layer_shapes(critic, "blocks", 5, 32, 32, 3) == [(5, 8, 8, WIDTH)] * 3
  assert describe(critic, 5, 32, 32, 3, method="last_map")[1] == (5, 8, 8, WIDTH)
  # The discriminator features are that map.
  assert describe(critic, 5, 32, 32, 3, method="features")[1] == (5, 8 * 8 * WIDTH)
  assert describe(FirstBlock(WIDTH), 5, 32, 32, 3) == (first, (5, 16, 16, WIDTH))


def test_initial_weights_are_he_s_but_glorot_s_on_shortcuts_and_output():
  """Uniform within sqrt(6 gain / (fan in + fan out)), gain 2 or 1."""
  nets = {"generator": (Generator(WIDTH, 3), (1, 128)), "critic": (Critic(WIDTH, CT), (1, 32, 32, 3))}
  glorot = {"generator": 0, "critic": 0}
  for name, (net, shape) in nets.items():
    params = jax.jit(net.init)(jax.random.key(0), normal(0, *shape))["params"]
    for path, kernel in jax.tree_util.tree_leaves_with_path(params):
      if kernel.ndim != 4:
        continue
      kh, kw, inputs, outputs = kernel.shape
      shortcut_or_output = kh == 1 or (name == "generator" and outputs == 3)
      glorot[name] += shortcut_or_output
      bound = np.sqrt((6 if shortcut_or_output else 12) / (kh * kw * (inputs + outputs)))
      # The largest of many uniform draws is just below their bound.
      assert 0.95 * bound < np.abs(kernel).max() <= bound, path
  assert glorot == {"generator": 4, "critic": 2}


def native(x, params):
  """A 'SAME' convolution with bias by XLA's own."""
  y = lax.conv_general_dilated(
    x, params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
  )
  return y + params["bias"][None, None, None]


def halved(x):
  return nn.avg_pool(x, (2, 2), strides=(2, 2))


def doubled(x):
  return jax.image.resize(x, (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]), "nearest")


def normalised(x, variables, name):
  p, s = variables["params"][name], variables["batch_stats"][name]
  z = (x - s["mean"][None, None, None]) / jax.numpy.sqrt(s["var"] + 1e-5)[None, None, None]
  return z * p["scale"][None, None, None] + p["bias"][None, None, None]


def up_block(x, v):
  first, second, shortcut = (v["params"][f"Conv_{i}"] for i in range(3))
  y = native(doubled(jax.nn.relu(normalised(x, v, "BatchNorm_0"))), first)
  y = native(jax.nn.relu(normalised(y, v, "BatchNorm_1")), second)
  return y + native(doubled(x), shortcut)


def first_block(x, v):
  # Of two layers in one expression Flax names the outer first.
  second, first, shortcut = (v["params"][f"Conv_{i}"] for i in range(3))
  return halved(native(jax.nn.relu(native(x, first)), second)) + native(halved(x), shortcut)


def plain_block(x, v):
  first, second = (v["params"][f"Conv_{i}"] for i in range(2))
  return x + native(jax.nn.relu(native(jax.nn.relu(x), first)), second)


def down_block(x, v):
  return halved(plain_block(x, v) - x) + halved(native(x, v["params"]["Conv_2"]))


@pytest.mark.parametrize(
  ("block", "rendering"),
  [
    (UpBlock(3), up_block),
    (FirstBlock(3), first_block),
    (Block(4), plain_block),
    (Block(4, down=True), down_block),
  ],
)
def test_blocks(block, rendering):
  x = normal(0, 2, 4, 6, 4)
  weights = variables(block, x)
  expected = jax.jit(rendering)(x, weights)
  np.testing.assert_allclose(jax.jit(block.apply)(weights, x), expected, rtol=1e-4, atol=1e-3)


def of(variables, name):
  """The variables of one child."""
  return {kind: values[name] for kind, values in variables.items() if name in values}


def rendered_generator(z, v):
  dense = v["params"]["Dense_0"]
  x = (z @ dense["kernel"] + dense["bias"][None]).reshape(2, 4, 4, 2)
  for i in range(3):
    x = up_block(x, of(v, f"UpBlock_{i}"))
  return jax.nn.sigmoid(native(jax.nn.relu(normalised(x, v, "BatchNorm_0")), v["params"]["Conv_0"]))


def rendered_critic(x, v):
  x = first_block(x, of(v, "first"))
  for i, block in enumerate((down_block, plain_block, plain_block)):
    x = block(x, of(v, f"blocks_{i}"))
  pooled = jax.nn.relu(x).mean(axis=(1, 2))
  return pooled @ v["params"]["linear"]["kernel"][:, 0] + v["params"]["linear"]["bias"], pooled


def test_generator_is_its_blocks():
  z, generator = normal(0, 2, 5), Generator(2, 3)
  v = variables(generator, z)
  found, expected = jax.jit(generator.apply)(v, z), jax.jit(rendered_generator)(z, v)
  np.testing.assert_allclose(found, expected, atol=1e-3)
  assert 0 <= found.min() < 0.4
  assert 0.6 < found.max() <= 1


def test_critic_is_its_blocks():
  # Without training there is no dropout.
  x, critic = normal(1, 2, 32, 32, 3), Critic(2, CT)
  v = variables(critic, x)
  found, expected = jax.jit(pure(critic, "scores_and_features"))(v, x), jax.jit(rendered_critic)(x, v)
  for a, b in zip(found, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3)


def test_dropout_of_the_critic():
  x, critic = normal(0, 4, 32, 32, 3), Critic(8, CT)
  v = variables(critic, x)
  _, found = jax.jit(
    lambda key: critic.apply(
      v, x, train=True, rngs={"dropout": key}, capture_intermediates=True, mutable=["intermediates"]
    )
  )(jax.random.key(0))
  for i, rate in enumerate(CT):
    before, after = (found["intermediates"][f"{kind}_{i}"]["__call__"][0] for kind in ("blocks", "drops"))
    kept = np.asarray(after != 0)
    # 2,048 values: four standard errors.
    assert abs(np.mean(~kept) - rate) < 0.045
    np.testing.assert_allclose(after[kept], before[kept] / (1 - rate), rtol=1e-5)


def test_dropout_differs_from_pass_to_pass():
  x, critic = normal(0, 4, 32, 32, 3), Critic(2, CT)
  v = variables(critic, x)
  score = jax.jit(lambda key: training(critic)(v, x, key)[0])
  first, again, other = (score(jax.random.key(seed)) for seed in (0, 0, 1))
  np.testing.assert_array_equal(first, again)
  assert np.all(first != other)
  sure = jax.jit(lambda key: training(Critic(2))(v, x, key)[0])
  np.testing.assert_array_equal(sure(jax.random.key(0)), sure(jax.random.key(1)))
