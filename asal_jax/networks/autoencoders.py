"""The auto-encoders of appendix B: images [b, h, w, c] in (0, 1) to codes [b, d] and back."""

import flax.linen as nn

from asal_jax.networks.layers import Conv, ConvTranspose, batch_norm, leaky_relu, max_pool
from asal_jax.networks.plain import Sizes


class AutoEncoder(nn.Module):
  """Stride-2 convolutions down to `code_channels` at the smallest size, transposed ones back (appendix B, MNIST).

  28x28 gives 4 x 4 x code_channels values: 64 for MNIST two (4), 192 for ten (12). The activation, which the
  paper does not name, is a leaky ReLU on every layer: with a sigmoid on the image three of four seeds collapsed
  to black.
  """

  sizes: Sizes
  channels: int
  code_channels: int

  def setup(self):
    """Encoder and decoder, mirrored."""
    depth = len(self.sizes) - 1
    features = [self.code_channels * 2**i for i in range(depth)]
    self.encoder = [Conv(n, stride=2) for n in reversed(features)]
    self.decoder = [ConvTranspose(n) for n in [*features[1:], self.channels]]

  def encode(self, x, train: bool = False):
    """Images f32[b, h, w, c] to codes f32[b, d]."""
    for layer in self.encoder:
      x = leaky_relu(layer(x))
    return x.reshape(x.shape[0], -1)

  def __call__(self, x, train: bool = False):
    """Images f32[b, h, w, c] to their reconstructions."""
    h, w = self.sizes[0]
    x = self.encode(x).reshape(-1, h, w, self.code_channels)
    for layer, (h, w) in zip(self.decoder, self.sizes[1:], strict=True):
      x = leaky_relu(layer(x)[:, :h, :w])
    return x


class NormalisedAutoEncoder(nn.Module):
  """With batch norm and ReLU, and tanh on the image: CelebA's (Table 2), or CIFAR's, whose encoder pools.

  `pool` takes 3x3 convolutions with max-pooling in place of 5x5 ones of stride 2, normalises the code as well and puts
  a convolution before the decoder. `code_channels` double from the code outwards: 16, 32, 64, 128 in Table 2; the
  paper does not name CIFAR's. The image is not normalised in either (a decision: it must reach black and white).
  """

  sizes: Sizes
  channels: int
  code_channels: int
  pool: bool

  def setup(self):
    """Encoder and decoder, mirrored."""
    features = [self.code_channels * 2**i for i in range(len(self.sizes) - 1)]
    size, stride = (3, 1) if self.pool else (5, 2)
    self.encoder = [Conv(n, size, stride) for n in reversed(features)]
    self.encoder_norms = [batch_norm() for _ in range(len(features) - (not self.pool))]
    self.before = [Conv(self.code_channels, size=3)] if self.pool else []
    self.decoder = [*self.before, *(ConvTranspose(n) for n in features[1:])]
    self.decoder_norms = [batch_norm() for _ in self.decoder]
    self.last = ConvTranspose(self.channels)

  def encode(self, x, train: bool = False):
    """Images f32[b, h, w, c] to codes f32[b, d]."""
    for i, layer in enumerate(self.encoder):
      x = layer(x)
      if i < len(self.encoder_norms):
        x = nn.relu(self.encoder_norms[i](x, use_running_average=not train))
      x = max_pool(x) if self.pool else x
    return x.reshape(x.shape[0], -1)

  def __call__(self, x, train: bool = False):
    """Images f32[b, h, w, c] to their reconstructions, in (0, 1): (1 + tanh) / 2."""
    x = self.encode(x, train).reshape(-1, *self.sizes[0], self.code_channels)
    sizes = self.sizes[:-1] if self.pool else self.sizes[1:-1]
    for layer, norm, (h, w) in zip(self.decoder, self.decoder_norms, sizes, strict=True):
      x = nn.relu(norm(layer(x)[:, :h, :w], use_running_average=not train))
    h, w = self.sizes[-1]
    return nn.sigmoid(2 * self.last(x)[:, :h, :w])


def cifar(sizes: Sizes, channels: int, code_channels: int) -> NormalisedAutoEncoder:
  """CIFAR's: 3 x [conv, norm, ReLU, max-pool] to 4x4x16 = 256 values; back by conv and transposed convolutions."""
  return NormalisedAutoEncoder(sizes, channels, code_channels, pool=True)


def celeba(sizes: Sizes, channels: int, code_channels: int) -> NormalisedAutoEncoder:
  """CelebA's (Table 2): 64x64 to 4x4x16 = 256 values."""
  return NormalisedAutoEncoder(sizes, channels, code_channels, pool=False)


AUTOENCODERS = {"plain": AutoEncoder, "cifar": cifar, "celeba": celeba}
