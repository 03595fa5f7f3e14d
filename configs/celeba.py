"""CelebA with one of its 40 attributes (appendix A): Tables 1 and 2; `celeba_hat` and its like name the attribute.

Arguments: `small` for 2 CPU cores: the GAN at an eighth of the width trained for 1,000 iterations, the auto-encoder for
1,000 instead of 50,000, 10 epochs of the judge, 50 samples a cycle to 500 labels, fewer strategies.
"""

from ml_collections import ConfigDict

from configs import base, variants


def get_config(argument: str = "", attribute: str = "Wearing_Hat") -> ConfigDict:
  """The paper's setting for one attribute, or the variant `small`."""
  config = base.get_config()
  config.name = f"CelebA {attribute.replace('_', ' ').lower()}"
  config.seeds = (0, 1, 2)
  config.strategies = base.STRATEGIES
  config.data.name = "celeb_a"
  config.data.attribute = attribute
  config.data.pixel_range = (-1.0, 1.0)
  config.classifier.network = "celeba"
  config.classifier.epochs = 30
  config.classifier.batch_size = 50
  config.judge.network = "celeba"
  config.judge.epochs = 30
  config.loop.start = 100
  config.loop.start_set = "stratified"
  config.loop.budget = 2_000
  config.gan.width = 64
  config.gan.critic_width = 128
  config.gan.batch_norm = "generator"
  config.gan.batch_size = config.gan.generator_batch_size = 64
  config.autoencoder.network = "celeba"
  config.autoencoder.code_channels = 16
  config.autoencoder.batch_size = 64
  config.autoencoder.iterations = 50_000
  config.autoencoder.learning_rate = 1e-4
  return variants.apply(
    config, argument, iterations={"wgan_gp": 100_000},
    small={
      "gan.width": 8, "gan.critic_width": 16, "gan.iterations": 1_000, "autoencoder.iterations": 1_000,
      "judge.epochs": 10, "loop.per_cycle": 50, "loop.budget": 500,
      "strategies": ("supervised", "random", "entropy", "subpool", "asal_pixels", "asal_autoencoder", "asal_critic"),
    },
  )  # fmt: skip
