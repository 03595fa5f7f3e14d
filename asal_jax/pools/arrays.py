"""Arrays in .npy files that people bring along."""

import os

import numpy as np

from asal_jax.errors import InputError


def open_npy(path: str | os.PathLike[str], field: str, needed: str) -> np.ndarray:
  """The memory map of an .npy file; nothing is unpickled, and no more is claimed than the file holds.

  Raises:
    InputError: it can not be read as one; `field` says whose it is, `needed` what it must hold.
  """
  try:
    # Not np.load: it takes other files, too, and unpickles where it is let.
    return np.lib.format.open_memmap(path, mode="r")
  except Exception as error:  # At a broken header numpy raises anything, tokenize's and OverflowError too.
    reason = (str(error).splitlines() or ["broken"])[0]
    raise InputError(f"{field}: can not read {path} ({reason:.200}); {needed}") from error
