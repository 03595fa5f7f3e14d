"""The auto-encoders' nets: counts by appendix B and Table 2, maps layer by layer, codes and range."""

import jax
import numpy as np
import pytest
from shapes import conv, convolutions, describe, layer_shapes, normal, variables

from asal_jax.networks.autoencoders import AUTOENCODERS, AutoEncoder, celeba, cifar
from asal_jax.networks.plain import pyramid


@pytest.mark.parametrize(
  ("size", "channels", "code_channels", "code"),
  [((28, 28), 1, 4, 64), ((28, 28), 1, 12, 192), ((8, 8), 1, 4, 16), ((28, 20), 3, 4, 48)],
)
def test_plain(size, channels, code_channels, code):
  network = AutoEncoder(pyramid(*size), channels, code_channels)
  assert describe(network, 2, *size, channels, method="encode")[1] == (2, code)
  widths = [channels, *(code_channels * 2**i for i in reversed(range(len(pyramid(*size)) - 1)))]
  # The decoder mirrors the encoder.
  count = convolutions(5, widths) + convolutions(5, widths[::-1])
  assert describe(network, 2, *size, channels) == (count, (2, *size, channels))


def test_celeba():
  network, image = celeba(pyramid(64, 64), 3, 16), (2, 64, 64, 3)
  # Table 2: a norm after every layer but the code's and the image's.
  encoder = convolutions(5, [3, 128, 64, 32, 16]) + 2 * (128 + 64 + 32)
  decoder = convolutions(5, [16, 32, 64, 128, 3]) + 2 * (32 + 64 + 128)
  assert describe(network, *image) == (encoder + decoder, image)
  assert describe(network, *image, method="encode")[1] == (2, 256)
  assert layer_shapes(network, "encoder", *image) == [
    (2, 32, 32, 128), (2, 16, 16, 64), (2, 8, 8, 32), (2, 4, 4, 16),
  ]  # fmt: skip
  assert layer_shapes(network, "decoder", *image) == [(2, 8, 8, 32), (2, 16, 16, 64), (2, 32, 32, 128)]


def test_cifar():
  network, image = cifar(pyramid(32, 32), 3, 16), (2, 32, 32, 3)
  encoder = convolutions(3, [3, 64, 32, 16]) + 2 * (64 + 32 + 16)
  # A convolution and two transposed ones with norms, and the image's.
  decoder = conv(3, 16, 16) + convolutions(5, [16, 32, 64, 3]) + 2 * (16 + 32 + 64)
  assert describe(network, *image) == (encoder + decoder, image)
  assert describe(network, *image, method="encode")[1] == (2, 256)
  # Pooled behind every norm, so a code of 4x4x16.
  assert layer_shapes(network, "encoder_norms", *image) == [(2, 32, 32, 64), (2, 16, 16, 32), (2, 8, 8, 16)]
  assert layer_shapes(network, "decoder_norms", *image) == [(2, 4, 4, 16), (2, 8, 8, 32), (2, 16, 16, 64)]


@pytest.mark.parametrize(
  ("name", "size"), [("plain", (13, 6)), ("celeba", (13, 6)), ("celeba", (8, 8)), ("cifar", (16, 8))]
)
def test_images_and_codes(name, size):
  x, network = normal(0, 5, *size, 3), AUTOENCODERS[name](pyramid(*size), 3, 2)
  v = variables(network, x)
  images, codes = jax.jit(lambda v: (network.apply(v, x), network.apply(v, x, method="encode")))(v)
  assert images.shape == x.shape
  h, w = pyramid(*size)[0]
  assert codes.shape == (5, 2 * h * w)
  if name != "plain":
    assert 0 <= images.min() < 0.4
    assert 0.6 < images.max() <= 1
  # Row by row: running statistics, not the batch's.
  alone = jax.jit(lambda v: network.apply(v, x[3:4], method="encode"))(v)
  np.testing.assert_allclose(alone, codes[3:4], rtol=1e-4, atol=1e-4)
