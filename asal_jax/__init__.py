"""ASAL, Adversarial Sampling for Active Learning, in JAX/Flax."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from asal_jax.errors import InputError
  from asal_jax.job import run
  from asal_jax.types import Data, Splits

__all__ = ["Data", "InputError", "Splits", "run"]

_ROOMS = {"Data": "types", "InputError": "errors", "Splits": "types", "run": "job"}


def __getattr__(name: str) -> Any:
  """Imports the public names when they are first used: `import asal_jax` alone stays light."""
  if name not in _ROOMS:
    raise AttributeError(f"module 'asal_jax' has no attribute {name!r}")
  return getattr(importlib.import_module(f"asal_jax.{_ROOMS[name]}"), name)
