"""Classifiers: images [b, h, w, c] to logits [b, k], with k = 1 (one sigmoid) for two classes."""

import flax.linen as nn

from asal_jax.networks.layers import Conv, max_pool


class Linear(nn.Module):
  """One linear layer on the pixels: 785 parameters for two classes of 28x28."""

  outputs: int

  @nn.compact
  def __call__(self, x):
    """f32[b, h, w, c] to f32[b, outputs]."""
    return nn.Dense(self.outputs)(x.reshape(x.shape[0], -1))


class LeNet5(nn.Module):
  """LeNet-5 with ReLU and max-pooling (LeCun et al. 1998): 61,706 parameters for ten classes of 28x28."""

  outputs: int

  @nn.compact
  def __call__(self, x):
    """f32[b, h, w, c] to f32[b, outputs]; images of at least 16x16."""
    x = max_pool(nn.relu(Conv(6)(x)))
    x = max_pool(nn.relu(Conv(16, padding="VALID")(x)))
    x = x.reshape(x.shape[0], -1)
    for width in (120, 84):
      x = nn.relu(nn.Dense(width)(x))
    return nn.Dense(self.outputs)(x)


CLASSIFIERS = {"linear": Linear, "lenet5": LeNet5}
