"""CelebA Bangs (appendix A): the networks of Table 1, 100 to 2,000 labels. Arguments as in `celeba.py`."""

from ml_collections import ConfigDict

from configs import celeba


def get_config(argument: str = "") -> ConfigDict:
  """The paper's setting, or the variant `small`."""
  return celeba.get_config(argument, "Bangs")
