"""USPS two (appendix E): trained on MNIST two, tested on USPS. The arguments of `mnist_two.py`; shares its GAN."""

from ml_collections import ConfigDict

from configs import mnist_two


def get_config(argument: str = "") -> ConfigDict:
  """The paper's setting, or a variant."""
  config = mnist_two.get_config(argument)
  config.name = config.name.replace("MNIST two", "USPS two")
  config.data.test_set = "usps"
  return config
