"""The plain convolutional GANs: generator and critic of one pyramid of image sizes.

Settings of Gulrajani et al. (2017): 28x28 halves as 28, 14, 7, 4, where the generator crops 8 to 7 on its
way up; 32x32 as 32, 16, 8, 4. The paper's Table 1 (64x64) is the same with features that stop growing at four times
the width.
"""

import flax.linen as nn

from asal_jax.networks.layers import Conv, ConvTranspose, batch_norm, leaky_relu

Sizes = tuple[tuple[int, int], ...]


def pyramid(height: int, width: int) -> Sizes:
  """Image sizes from the smallest map to the image: halved (rounding up) to at most 4, and at least twice."""
  sizes = [(height, width)]
  while max(sizes[0]) > 4 or len(sizes) < 3:
    h, w = sizes[0]
    sizes.insert(0, (-(-h // 2), -(-w // 2)))
  return tuple(sizes)


def doublings(width: int, depth: int) -> list[int]:
  """Features of `depth` layers: `width`, doubled from layer to layer up to four times `width`."""
  return [width * min(2**i, 4) for i in range(depth)]


class Generator(nn.Module):
  """Latents [b, z] to images [b, h, w, channels] in (0, 1): linear, then stride-2 transposed convolutions.

  ReLU between, after batch norm where asked for; sigmoid(`slope` x) at the end: on a pixel range of (-1, 1) a slope
  of 2 is tanh(x). `width` features before the last layer, more below (see `doublings`).
  """

  sizes: Sizes
  width: int
  channels: int
  batch_norm: bool = False
  slope: float = 1.0

  @nn.compact
  def __call__(self, z, train: bool = False):
    """f32[b, z] to f32[b, h, w, channels]."""
    normalise = lambda x: batch_norm()(x, use_running_average=not train) if self.batch_norm else x  # noqa: E731
    features = doublings(self.width, len(self.sizes) - 1)[::-1]
    h, w = self.sizes[0]
    x = nn.Dense(h * w * features[0], kernel_init=nn.initializers.glorot_uniform())(z)
    x = nn.relu(normalise(x.reshape(-1, h, w, features[0])))
    for (h, w), n in zip(self.sizes[1:-1], features[1:], strict=True):
      x = nn.relu(normalise(ConvTranspose(n)(x)[:, :h, :w]))
    h, w = self.sizes[-1]
    return nn.sigmoid(self.slope * ConvTranspose(self.channels)(x)[:, :h, :w])


class Critic(nn.Module):
  """Images [b, h, w, c] to scores [b]: stride-2 convolutions of `width`, 2 `width`, ..., then linear.

  With batch norm (DCGAN) every convolution but the first is normalised.
  """

  depth: int
  width: int
  batch_norm: bool = False

  def setup(self):
    """Layers, shared by scores and features."""
    self.convolutions = [Conv(n, stride=2) for n in doublings(self.width, self.depth)]
    self.norms = [batch_norm() for _ in range(self.depth - 1)] if self.batch_norm else []
    self.linear = nn.Dense(1, kernel_init=nn.initializers.glorot_uniform())

  def features(self, x, train: bool = False):
    """The flattened last convolution, f32[b, d]: the paper's discriminator features (section 4.2)."""
    for i, convolution in enumerate(self.convolutions):
      x = convolution(x)
      if i and self.batch_norm:
        x = self.norms[i - 1](x, use_running_average=not train)
      x = leaky_relu(x)
    return x.reshape(x.shape[0], -1)

  def scores_and_features(self, x, train: bool = False):
    """f32[b, h, w, c] to scores f32[b] and what the last layer sees, f32[b, d]."""
    x = self.features(x, train)
    return self.linear(x)[:, 0], x

  def __call__(self, x, train: bool = False):
    """f32[b, h, w, c] to f32[b]."""
    return self.scores_and_features(x, train)[0]
