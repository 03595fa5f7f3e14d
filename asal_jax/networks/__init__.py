"""The networks; the only room that imports flax.linen."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jaxtyping import Array


def pure(network: nn.Module, method: str = "__call__") -> Callable[..., Array]:
  """A method of the network as a pure function of (params, inputs)."""

  def apply(params: Any, inputs: Array) -> Array:
    outputs: Any = network.apply(params, inputs, method=method)
    return outputs

  return apply
