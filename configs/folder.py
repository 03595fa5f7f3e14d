"""Images of one's own, labelled by people: --config.data.folder=photos --config.data.class_names=cat,dog."""

from ml_collections import ConfigDict

from configs import base, variants


def get_config(argument: str = "") -> ConfigDict:
  """LeNet-5, 20 to 300 labels by a page in the browser; a small WGAN-GP where a strategy needs one."""
  config = base.get_config()
  config.name = "Your images"
  config.seeds = (0,)
  config.strategies = ("balanced_walk50",)
  config.labeller = "page"
  config.data.name = "folder"
  config.classifier.network = "lenet5"  # and 30 epochs: measured in experiments/your_images
  config.classifier.epochs = 30
  config.judge.network = "celeba"
  config.judge.epochs = 30
  config.loop.start = 20
  config.loop.start_set = "random"
  config.loop.budget = 300
  config.gan.critic_width = 32
  config.gan.width = 16
  config.gan.batch_norm = "generator"
  config.gan.checkpoint_every = 100
  config.autoencoder.network = "celeba"
  config.autoencoder.code_channels = 16
  config.autoencoder.batch_size = 64
  config.autoencoder.iterations = 2_000
  config.index.name = "auto"
  return variants.apply(config, argument, iterations={"wgan_gp": 4_000, "dcgan": 4_000}, small={})
