"""CIFAR-10 ten (section 5.5): all classes, All-CNN-C, 1,000 to 30,000 labels, 1,000 a cycle.

The latents of a cycle ascend in ten batches of 100.

Arguments: `gan=wgan_gp|dcgan|residual_gp|residual_ct`, and `small` for 2 CPU cores: nets of width 16 trained for 1,500
iterations, 5 epochs of the auto-encoder, LeNet-5 for 10 epochs instead of All-CNN-C for 150 as classifier and as judge,
3,000 labels.
"""

from ml_collections import ConfigDict

from configs import base, variants


def get_config(argument: str = "") -> ConfigDict:
  """The paper's setting, or a variant."""
  config = base.cifar(base.get_config())
  config.name = "CIFAR ten"
  config.seeds = (0, 1, 2)
  config.strategies = base.MULTICLASS
  config.subpool = 10_000
  config.classifier.update(base.ALL_CNN)
  config.synthesis.batch = 100
  config.loop.start = 1_000
  config.loop.per_cycle = 1_000
  config.loop.budget = 30_000
  return variants.apply(
    config, argument,
    iterations={"wgan_gp": 200_000, "dcgan": 200_000, "residual_gp": 100_000, "residual_ct": 100_000},
    small={
      "gan.width": 16, "gan.critic_width": 16, "gan.iterations": 1_500, "autoencoder.epochs": 5,
      **base.dotted("classifier", base.LENET), **base.dotted("judge", base.LENET), "loop.budget": 3_000,
    },
  )  # fmt: skip
