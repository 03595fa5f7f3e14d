"""The residual GANs for 32x32 images: Gulrajani et al. (2017), and with dropout in the critic Wei et al. (2018).

As in the public code, shortcuts and the generator's last convolution start with Glorot's weights, the others with He's.
"""

import flax.linen as nn

from asal_jax.networks.layers import Conv, batch_norm, mean_pool, upsample


class UpBlock(nn.Module):
  """[norm, ReLU, up, conv3, norm, ReLU, conv3] beside [up, conv1]: [b, h, w, c] to [b, 2h, 2w, features]."""

  features: int

  @nn.compact
  def __call__(self, x, train: bool = False):
    """f32[b, h, w, c] to f32[b, 2h, 2w, features]."""
    y = nn.relu(batch_norm()(x, use_running_average=not train))
    y = Conv(self.features, size=3)(upsample(y))
    y = nn.relu(batch_norm()(y, use_running_average=not train))
    return Conv(self.features, size=3)(y) + Conv(self.features, size=1, he=False)(upsample(x))


class Generator(nn.Module):
  """Latents [b, z] to images [b, 32, 32, channels] in (0, 1): linear to 4x4, three up-blocks, conv3.

  Sigmoid(`slope` x) at the end: on a pixel range of (-1, 1) a slope of 2 is tanh(x).
  """

  width: int
  channels: int
  slope: float = 1.0

  @nn.compact
  def __call__(self, z, train: bool = False):
    """f32[b, z] to f32[b, 32, 32, channels]."""
    x = nn.Dense(16 * self.width, kernel_init=nn.initializers.glorot_uniform())(z)
    x = x.reshape(-1, 4, 4, self.width)
    for _ in range(3):
      x = UpBlock(self.width)(x, train)
    x = nn.relu(batch_norm()(x, use_running_average=not train))
    return nn.sigmoid(self.slope * Conv(self.channels, size=3, he=False)(x))


class FirstBlock(nn.Module):
  """[conv3, ReLU, conv3, pool] beside [pool, conv1]: no activation before the first convolution, it sees pixels."""

  features: int

  @nn.compact
  def __call__(self, x):
    """f32[b, h, w, c] to f32[b, h/2, w/2, features]."""
    y = Conv(self.features, size=3)(nn.relu(Conv(self.features, size=3)(x)))
    return mean_pool(y) + Conv(self.features, size=1, he=False)(mean_pool(x))


class Block(nn.Module):
  """[ReLU, conv3, ReLU, conv3] beside the identity, or both halved, then with a conv1 as shortcut."""

  features: int
  down: bool = False

  @nn.compact
  def __call__(self, x):
    """f32[b, h, w, features] to the same, or to f32[b, h/2, w/2, features]."""
    y = Conv(self.features, size=3)(nn.relu(x))
    y = Conv(self.features, size=3)(nn.relu(y))
    return mean_pool(y) + mean_pool(Conv(self.features, size=1, he=False)(x)) if self.down else x + y


class Critic(nn.Module):
  """Images [b, 32, 32, c] to scores [b]: four blocks, ReLU, global mean, linear.

  `dropout` are the rates after the second, third and fourth block: (0.2, 0.5, 0.5) in WGAN-CT, none in WGAN-GP.
  """

  width: int
  dropout: tuple[float, float, float] = (0.0, 0.0, 0.0)

  def setup(self):
    """Layers, shared by scores and features."""
    self.first = FirstBlock(self.width)
    self.blocks = [Block(self.width, down=True), Block(self.width), Block(self.width)]
    self.drops = [nn.Dropout(rate) for rate in self.dropout]
    self.linear = nn.Dense(1, kernel_init=nn.initializers.glorot_uniform())

  def last_map(self, x, train: bool = False):
    """f32[b, 32, 32, c] to the last block's output after ReLU, f32[b, 8, 8, width]."""
    x = self.first(x)
    for block, drop in zip(self.blocks, self.drops, strict=True):
      x = drop(block(x), deterministic=not train)
    return nn.relu(x)

  def features(self, x, train: bool = False):
    """The flattened last convolution, f32[b, d]: the paper's discriminator features (section 4.2)."""
    x = self.last_map(x, train)
    return x.reshape(x.shape[0], -1)

  def scores_and_features(self, x, train: bool = False):
    """f32[b, 32, 32, c] to scores f32[b] and what the last layer sees, f32[b, width]."""
    pooled = self.last_map(x, train).mean(axis=(1, 2))
    return self.linear(pooled)[:, 0], pooled

  def __call__(self, x, train: bool = False):
    """f32[b, 32, 32, c] to f32[b]."""
    return self.scores_and_features(x, train)[0]
