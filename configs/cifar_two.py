"""CIFAR-10 two (section 5.4): automobile & horse, a linear model, 50 to 1,000 labels.

Arguments: `gan=wgan_gp|dcgan|residual_gp|residual_ct`, `score=entropy|min_distance` (with hinge loss) and `small`: nets
of width 16 trained for 1,500 iterations, 5 epochs of the auto-encoder and LeNet-5 for 10 epochs as the judge instead of
All-CNN-C for 150, for 2 CPU cores.
"""

from ml_collections import ConfigDict

from configs import base, variants


def get_config(argument: str = "") -> ConfigDict:
  """The paper's setting, or a variant."""
  config = base.cifar(base.get_config())
  config.name = "CIFAR two"
  config.data.classes = (1, 7)
  config.strategies = (*base.STRATEGIES, "gaal_stand_in")
  config.classifier.batch_size = 50
  config.loop.budget = 1_000
  return variants.apply(
    config, argument, scores=("entropy", "min_distance"),
    iterations={"wgan_gp": 200_000, "dcgan": 100_000, "residual_gp": 100_000, "residual_ct": 100_000},
    small={
      "gan.width": 16, "gan.critic_width": 16, "gan.iterations": 1_500, "autoencoder.epochs": 5,
      **base.dotted("judge", base.LENET),
    },
  )  # fmt: skip
