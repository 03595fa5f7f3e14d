"""MNIST two (section 5.3): digits 5 & 7, a linear model, 50 to 500 labels.

Arguments: `gan=wgan_gp|dcgan`, `score=entropy|min_distance` (with hinge loss), and `small`: a GAN of width 16 trained
for 4,000 iterations instead of 64 for 40,000, for 2 CPU cores.
"""

from ml_collections import ConfigDict

from configs import base, variants


def get_config(argument: str = "") -> ConfigDict:
  """The paper's setting, or a variant."""
  config = base.get_config()
  config.name = "MNIST two"
  config.data.classes = (5, 7)
  config.strategies = (*base.STRATEGIES, "gaal_stand_in")
  return variants.apply(
    config, argument, iterations={"wgan_gp": 40_000, "dcgan": 40_000}, scores=("entropy", "min_distance"),
    small={"gan.width": 16, "gan.critic_width": 16, "gan.iterations": 4_000},
  )  # fmt: skip
