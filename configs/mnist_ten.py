"""MNIST ten (section 5.5): all digits, LeNet, 100 to 10,000 labels, 50 a cycle.

Arguments: `gan=wgan_gp|dcgan`, and `small`: a GAN of width 16 trained for 4,000 iterations instead of 64 for 100,000,
5 epochs of the auto-encoder and 2,000 labels, for 2 CPU cores.
"""

from ml_collections import ConfigDict

from configs import base, variants


def get_config(argument: str = "") -> ConfigDict:
  """The paper's setting, or a variant."""
  config = base.get_config()
  config.name = "MNIST ten"
  config.strategies = base.MULTICLASS
  config.subpool = 1_000
  config.classifier.network = "lenet5"
  config.classifier.batch_size = 50
  config.loop.start = 100
  config.loop.per_cycle = 50
  config.loop.budget = 10_000
  config.autoencoder.code_channels = 12
  return variants.apply(
    config, argument, iterations={"wgan_gp": 100_000, "dcgan": 100_000},
    small={
      "gan.width": 16, "gan.critic_width": 16, "gan.iterations": 4_000,
      "autoencoder.epochs": 5, "loop.budget": 2_000,
    },
  )  # fmt: skip
