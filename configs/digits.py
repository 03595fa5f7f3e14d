"""The 8x8 digits inside scikit-learn, ten classes: the main job in minutes on a laptop, no download."""

from ml_collections import ConfigDict

from configs import base, variants


def get_config(argument: str = "") -> ConfigDict:
  """A linear model, 50 to 300 of 1,437 labels; a small WGAN-GP. `gan=dcgan` is the other GAN."""
  config = base.get_config()
  config.name = "digits"
  config.data.name = "digits"
  config.strategies = base.MULTICLASS
  config.classifier.epochs = 50
  config.classifier.learning_rate = 3e-3
  # LeNet's windows are too large for 8x8.
  config.judge.network = "celeba"
  config.judge.epochs = 30
  config.loop.budget = 300
  config.gan.width = config.gan.critic_width = 32
  config.autoencoder.batch_size = 50
  # Numba's first compilation for pynndescent takes longer than this whole job.
  config.index.name = "exact"
  # It is small as it is.
  variants.apply(config, argument, iterations={"wgan_gp": 3_000, "dcgan": 3_000}, small={})
  config.gan.learning_rate = 2e-4
  return config
