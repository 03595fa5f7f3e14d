"""Classifiers: images [b, h, w, c] to logits [b, k], with k = 1 (one sigmoid) for two classes.

`train=True` turns dropout on; it then needs a random key (`networks.training`). `hidden` are the inputs of the last
layer, without dropout.
"""

import flax.linen as nn

from asal_jax.networks.layers import Conv, Dense, max_pool


class Network(nn.Module):
  """What all have in common: `layers(images, train)` gives the last hidden layer f32[b, d] and the logits."""

  def layers(self, x, train: bool):
    """f32[b, h, w, c] to (f32[b, d], f32[b, outputs]); one compact method, so that both share their parameters."""
    raise NotImplementedError

  def __call__(self, x, train: bool = False):
    """f32[b, h, w, c] to f32[b, outputs]."""
    return self.layers(x, train)[1]

  def hidden(self, x):
    """f32[b, h, w, c] to f32[b, d]."""
    return self.layers(x, train=False)[0]


class Linear(Network):
  """One linear layer on the pixels, its hidden layer: 785 parameters for two classes of 28x28."""

  outputs: int

  @nn.compact
  def layers(self, x, train: bool):
    """Of images of any size."""
    x = x.reshape(x.shape[0], -1)
    return x, Dense(self.outputs)(x)


class LeNet(Network):
  """Two 5x5 convolutions with ReLU and max-pooling, then fully connected layers."""

  outputs: int
  convolutions: tuple[int, int]
  widths: tuple[int, ...]
  first_padding: str

  @nn.compact
  def layers(self, x, train: bool):
    """Of images of at least 16x16."""
    for features, padding in zip(self.convolutions, (self.first_padding, "VALID"), strict=True):
      x = max_pool(nn.relu(Conv(features, padding=padding)(x)))
    x = x.reshape(x.shape[0], -1)
    for width in self.widths:
      x = nn.relu(Dense(width)(x))
    return x, Dense(self.outputs)(x)


def lenet5(outputs: int) -> LeNet:
  """LeNet-5 with ReLU and max-pooling (LeCun et al. 1998): 61,706 parameters for ten classes of 28x28."""
  return LeNet(outputs, (6, 16), (120, 84), "SAME")


def lenet_20_50_500(outputs: int) -> LeNet:
  """The wider LeNet that came with Caffe (Jia et al. 2014): 431,080 parameters for ten classes of 28x28."""
  return LeNet(outputs, (20, 50), (500,), "VALID")


class AllCNN(Network):
  """All-CNN-C (Springenberg et al. 2015): 1,369,738 parameters for ten classes of 32x32 colour images.

  Its last layer is a 1x1 convolution; the hidden layer is what goes into it, averaged over the positions. The ReLU on
  the last layer is left out where that has one output (two classes): a sigmoid of what is never negative is no choice.
  """

  outputs: int

  @nn.compact
  def layers(self, x, train: bool):
    """Of images of at least 12x12."""
    drop = lambda x, rate: nn.Dropout(rate, deterministic=not train)(x)  # noqa: E731
    x = drop(x, 0.2)
    for features in (96, 192):
      for stride in (1, 1, 2):
        x = nn.relu(Conv(features, size=3, stride=stride)(x))
      x = drop(x, 0.5)
    x = nn.relu(Conv(192, size=3, padding="VALID")(x))
    x = nn.relu(Conv(192, size=1)(x))
    logits = Conv(self.outputs, size=1)(x)
    logits = nn.relu(logits) if self.outputs > 1 else logits
    return x.mean(axis=(1, 2)), logits.mean(axis=(1, 2))


class CelebACNN(Network):
  """The classifier of the paper's Table 1: 4,219,937 parameters for one logit of 64x64 colour images."""

  outputs: int

  @nn.compact
  def layers(self, x, train: bool):
    """Of images of at least 8x8."""
    for features in (16, 32, 64):
      # In this order a quarter of the ReLUs: the same values and gradients.
      x = nn.relu(max_pool(Conv(features, size=3)(x)))
    x = nn.relu(Dense(1024)(x.reshape(x.shape[0], -1)))
    return x, Dense(self.outputs)(nn.Dropout(0.5, deterministic=not train)(x))


CLASSIFIERS = {
  "linear": Linear,
  "lenet5": lenet5,
  "lenet_20_50_500": lenet_20_50_500,
  "all_cnn": AllCNN,
  "celeba": CelebACNN,
}
