"""MNIST ten (section 5.5): all digits, LeNet, 100 to 10,000 labels, 50 a cycle.

`configs/mnist_ten.py:small` trains a GAN of width 16 for 4,000 iterations and stops at 1,000 labels.
"""

from ml_collections import ConfigDict

from configs import base


def get_config(preset: str = "") -> ConfigDict:
  """The paper's setting, or the preset `small`."""
  config = base.get_config()
  config.name = "MNIST ten"
  # Min distance is for two classes.
  config.strategies = tuple(s for s in base.STRATEGIES if s != "min_distance")
  config.subpool = 1_000
  config.classifier.network = "lenet5"
  config.classifier.batch_size = 50
  config.loop.start = 100
  config.loop.per_cycle = 50
  config.loop.budget = 10_000
  config.gan.iterations = 100_000
  config.autoencoder.code_channels = 12
  if base.small_gan(config, preset):
    config.loop.budget = 1_000
  return config
