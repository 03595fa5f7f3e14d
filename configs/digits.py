"""The 8x8 digits inside scikit-learn, ten classes: the main job in minutes on a laptop, no download."""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
  """A linear model, 50 to 300 of 1,437 labels; a small WGAN-GP."""
  config = base.get_config()
  config.name = "digits"
  config.data.name = "digits"
  # Min distance is for two classes.
  config.strategies = tuple(s for s in base.STRATEGIES if s != "min_distance")
  config.classifier.epochs = 50
  config.classifier.learning_rate = 3e-3
  config.loop.budget = 300
  config.gan.width = 32
  config.gan.iterations = 3_000
  config.gan.learning_rate = 2e-4
  config.autoencoder.batch_size = 50
  # Numba's first compilation for pynndescent takes longer than this whole job.
  config.index.name = "exact"
  return config
