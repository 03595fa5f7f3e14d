"""USPS ten (appendix E): trained on MNIST ten, tested on USPS. The arguments of `mnist_ten.py`; shares its GAN.

The classifier sees pixels in [0, 1]: LeNet-5 with all labels is right on 92 % of USPS (experiments/usps_ten).
"""

from ml_collections import ConfigDict

from configs import mnist_ten


def get_config(argument: str = "") -> ConfigDict:
  """The paper's setting, or a variant."""
  config = mnist_ten.get_config(argument)
  config.name = config.name.replace("MNIST ten", "USPS ten")
  config.data.test_set = "usps"
  return config
