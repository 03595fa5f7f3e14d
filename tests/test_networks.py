"""Parameter counts by the layer lists of the paper, shapes layer by layer, dropout, classifiers and plain GANs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import conv, convolutions, describe, layer_shapes, linear, normal, outputs

from asal_jax.networks.classifiers import AllCNN, CelebACNN, Linear, lenet5, lenet_20_50_500
from asal_jax.networks.plain import Critic, Generator, pyramid

CELEBA = conv(3, 3, 16) + conv(3, 16, 32) + conv(3, 32, 64) + linear(4_096, 1_024) + linear(1_024, 1)
ALL_CNN = (
  conv(3, 3, 96) + 2 * conv(3, 96, 96) + conv(3, 96, 192) + 3 * conv(3, 192, 192) + conv(1, 192, 192)
  + conv(1, 192, 10)
)  # fmt: skip


@pytest.mark.parametrize(
  ("network", "size", "count", "told"),
  [
    (Linear(1), (28, 28, 1), linear(784, 1), 785),
    (Linear(10), (28, 28, 1), linear(784, 10), 7_850),
    (Linear(1), (32, 32, 3), linear(3_072, 1), 3_073),
    (
      lenet5(10), (28, 28, 1),
      conv(5, 1, 6) + conv(5, 6, 16) + linear(400, 120) + linear(120, 84) + linear(84, 10), 61_706,
    ),
    (
      lenet_20_50_500(10), (28, 28, 1),
      conv(5, 1, 20) + conv(5, 20, 50) + linear(800, 500) + linear(500, 10), 431_080,
    ),
    (AllCNN(10), (32, 32, 3), ALL_CNN, 1_369_738),
    (CelebACNN(1), (64, 64, 3), CELEBA, 4_219_937),
  ],
)  # fmt: skip
def test_classifiers(network, size, count, told):
  # The layers by hand, and the sum that the literature tells.
  assert count == told
  assert describe(network, 3, *size) == (count, (3, network.outputs))


@pytest.mark.parametrize(
  ("network", "size", "convolved"),
  [
    (lenet5(10), (28, 28, 1), [(28, 28, 6), (10, 10, 16)]),
    (lenet_20_50_500(10), (28, 28, 1), [(24, 24, 20), (8, 8, 50)]),
    (
      AllCNN(10), (32, 32, 3),
      [*[(32, 32, 96)] * 2, (16, 16, 96), *[(16, 16, 192)] * 2, (8, 8, 192), *[(6, 6, 192)] * 2, (6, 6, 10)],
    ),
    (CelebACNN(1), (64, 64, 3), [(64, 64, 16), (32, 32, 32), (16, 16, 64)]),
  ],
)  # fmt: skip
def test_convolutions_of_classifiers(network, size, convolved):
  assert layer_shapes(network, "Conv", 3, *size) == [(3, *shape) for shape in convolved]


def dropped(network, x, inputs, outputs):
  """The share of non-zero values that a dropout layer sets to zero, and by how much it scales the others."""
  variables = jax.jit(network.init)(jax.random.key(0), x)
  _, found = jax.jit(
    lambda variables, key: network.apply(
      variables, x, train=True, rngs={"dropout": key}, capture_intermediates=True, mutable=["intermediates"]
    )
  )(variables, jax.random.key(1))
  layers = found["intermediates"]
  before = x if inputs is None else jax.nn.relu(layers[inputs]["__call__"][0])
  before, after = np.asarray(before), np.asarray(layers[outputs]["__call__"][0])
  seen, kept = before != 0, after != 0
  return np.mean(~kept[seen]), after[seen & kept] / before[seen & kept]


@pytest.mark.parametrize(
  ("network", "inputs", "outputs", "rate"),
  [
    (AllCNN(3), None, "Dropout_0", 0.2),
    (AllCNN(3), "Conv_2", "Dropout_1", 0.5),
    (AllCNN(3), "Conv_5", "Dropout_2", 0.5),
    (CelebACNN(1), "Dense_0", "Dropout_0", 0.5),
  ],
)
def test_dropout_rates(network, inputs, outputs, rate):
  share, scale = dropped(network, normal(0, 8, 12, 12, 3), inputs, outputs)
  # At least 1,500 values: four standard errors.
  assert abs(share - rate) < 0.05
  np.testing.assert_allclose(scale, 1 / (1 - rate), rtol=1e-5)


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


@pytest.mark.parametrize(
  ("side", "channels", "width", "critic_width", "norms", "generated", "judged"),
  [
    # MNIST and CIFAR-10 (Gulrajani et al. 2017), CelebA (Table 1): maps of the generator and of the critic, the
    # first of the generator's made by its linear layer. 8x8 is cropped to 7x7 in MNIST's.
    (28, 1, 64, 64, False, [256, 128, 64], [64, 128, 256]),
    (32, 3, 128, 128, True, [512, 256, 128], [128, 256, 512]),
    (64, 3, 64, 128, True, [256, 256, 128, 64], [128, 256, 512, 512]),
  ],
)
def test_plain_gans(side, channels, width, critic_width, norms, generated, judged):
  sizes = pyramid(side, side)
  generator = Generator(sizes, width, channels, norms)
  first = linear(128, 16 * generated[0])
  scales = 2 * sum(generated) if norms else 0
  count = first + convolutions(5, [*generated, channels]) + scales
  assert describe(generator, 3, 128) == (count, (3, side, side, channels))
  doubled = [(3, 2 * h, 2 * w) for h, w in sizes[:-1]]
  expected = [(*shape, n) for shape, n in zip(doubled, [*generated[1:], channels], strict=True)]
  assert layer_shapes(generator, "ConvTranspose", 3, 128) == expected

  critic, image = Critic(len(sizes) - 1, critic_width), (3, side, side, channels)
  values = 16 * judged[-1]
  count = convolutions(5, [channels, *judged]) + linear(values, 1)
  assert describe(critic, *image) == (count, (3,))
  # With batch norm every convolution but the first is normalised.
  assert describe(Critic(len(sizes) - 1, critic_width, True), *image)[0] == count + 2 * sum(judged[1:])
  expected = [(3, *size, n) for size, n in zip(sizes[-2::-1], judged, strict=True)]
  assert layer_shapes(critic, "convolutions", *image) == expected
  # The discriminator features are what goes into the linear layer.
  assert describe(critic, *image, method="features")[1] == (3, values)


@pytest.mark.parametrize(("size", "norms"), [((28, 28), False), ((8, 8), True), ((13, 6), False)])
def test_shapes_and_range_of_images(size, norms):
  sizes = pyramid(*size)
  images = outputs(Generator(sizes, 2, 3, norms), normal(0, 5, 7))
  assert images.shape == (5, *size, 3)
  assert 0 <= images.min() < 0.4
  assert 0.6 < images.max() <= 1
  assert outputs(Critic(len(sizes) - 1, 2, norms), images).shape == (5,)


def test_a_slope_of_two_is_tanh():
  sizes, z = pyramid(8, 8), normal(0, 5, 7)
  steep, plain = (outputs(Generator(sizes, 2, 1, slope=slope), z) for slope in (2.0, 1.0))
  # Both see the same weights: 2 sigmoid(2 x) - 1 = tanh(x), x = logit of sigmoid(x).
  x = np.log(plain / (1 - plain))
  inside = np.abs(x) < 5
  assert inside.sum() > 50
  np.testing.assert_allclose((2 * steep - 1)[inside], np.tanh(x)[inside], atol=1e-4)


def test_linear_is_a_matrix_product():
  x = normal(0, 4, 3, 2, 2)
  params = {
    "kernel": jnp.arange(24, dtype=jnp.float32).reshape(12, 2),
    "bias": jnp.array([1.0, -1.0]),
  }
  expected = x.reshape(4, 12) @ params["kernel"] + params["bias"][None]
  np.testing.assert_allclose(Linear(2).apply({"params": {"Dense_0": params}}, x), expected, rtol=1e-5)
