"""MNIST two (section 5.3): digits 5 & 7, a linear model with cross-entropy, 50 to 500 labels.

`configs/mnist_two.py:small` trains a GAN of width 16 for 4,000 iterations instead of 64 for 40,000: 2 CPU cores.
"""

from ml_collections import ConfigDict

from configs import base


def get_config(preset: str = "") -> ConfigDict:
  """The paper's setting, or the preset `small`."""
  config = base.get_config()
  config.name = "MNIST two"
  config.data.classes = (5, 7)
  base.small_gan(config, preset)
  return config
