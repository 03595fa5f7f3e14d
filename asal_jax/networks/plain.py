"""The plain convolutional nets: generator, critic and auto-encoder of one pyramid of image sizes.

Settings of Gulrajani et al. (2017): 28x28 halves as 28, 14, 7, 4, where the generator crops 8 to 7 on its
way up; 32x32 as 32, 16, 8, 4.
"""

import flax.linen as nn

from asal_jax.networks.layers import Conv, ConvTranspose, leaky_relu

Sizes = tuple[tuple[int, int], ...]


def pyramid(height: int, width: int) -> Sizes:
  """Image sizes from the smallest map to the image: halved (rounding up) to at most 4, and at least twice."""
  sizes = [(height, width)]
  while max(sizes[0]) > 4 or len(sizes) < 3:
    h, w = sizes[0]
    sizes.insert(0, (-(-h // 2), -(-w // 2)))
  return tuple(sizes)


class Generator(nn.Module):
  """Latents [b, z] to images [b, h, w, channels] in (0, 1): linear, then stride-2 transposed convolutions.

  ReLU between, sigmoid at the end, no normalisation; `width` features before the last layer, doubled downwards.
  """

  sizes: Sizes
  width: int
  channels: int

  @nn.compact
  def __call__(self, z):
    """f32[b, z] to f32[b, h, w, channels]."""
    features = [self.width * 2**i for i in reversed(range(len(self.sizes) - 1))]
    h, w = self.sizes[0]
    x = nn.Dense(h * w * features[0], kernel_init=nn.initializers.glorot_uniform())(z)
    x = nn.relu(x).reshape(-1, h, w, features[0])
    for (h, w), n in zip(self.sizes[1:-1], features[1:], strict=True):
      x = nn.relu(ConvTranspose(n)(x)[:, :h, :w])
    h, w = self.sizes[-1]
    return nn.sigmoid(ConvTranspose(self.channels)(x)[:, :h, :w])


class Critic(nn.Module):
  """Images [b, h, w, c] to scores [b]: stride-2 convolutions of `width`, 2 `width`, ..., then linear."""

  depth: int
  width: int

  def setup(self):
    """Layers, shared by scores and features."""
    self.convolutions = [Conv(self.width * 2**i, stride=2) for i in range(self.depth)]
    self.linear = nn.Dense(1, kernel_init=nn.initializers.glorot_uniform())

  def features(self, x):
    """The flattened last convolution, f32[b, d]: the paper's discriminator features (section 4.2)."""
    for convolution in self.convolutions:
      x = leaky_relu(convolution(x))
    return x.reshape(x.shape[0], -1)

  def __call__(self, x):
    """f32[b, h, w, c] to f32[b]."""
    return self.linear(self.features(x))[:, 0]


class AutoEncoder(nn.Module):
  """Stride-2 convolutions down to `code_channels` at the smallest size, transposed ones back (appendix B).

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

  def encode(self, x):
    """Images f32[b, h, w, c] to codes f32[b, d]."""
    for layer in self.encoder:
      x = leaky_relu(layer(x))
    return x.reshape(x.shape[0], -1)

  def __call__(self, x):
    """Images f32[b, h, w, c] to their reconstructions."""
    h, w = self.sizes[0]
    x = self.encode(x).reshape(-1, h, w, self.code_channels)
    for layer, (h, w) in zip(self.decoder, self.sizes[1:], strict=True):
      x = leaky_relu(layer(x)[:, :h, :w])
    return x
