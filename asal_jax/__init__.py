"""ASAL, Adversarial Sampling for Active Learning, in JAX/Flax."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from asal_jax.job import run
  from asal_jax.types import Data, InputError, Splits

__all__ = ["Data", "InputError", "Splits", "run"]


def __getattr__(name: str) -> Any:
  """Imports the public names when they are first used: `import asal_jax` alone stays light."""
  import importlib

  if name not in __all__:
    raise AttributeError(f"module 'asal_jax' has no attribute {name!r}")
  module = importlib.import_module("asal_jax.job" if name == "run" else "asal_jax.types")
  return getattr(module, name)
