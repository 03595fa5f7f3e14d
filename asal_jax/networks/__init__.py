"""The networks; the only room that imports flax.linen."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Key

Variables = dict[str, Any]
"""What linen's init returns: `params`, and `batch_stats` where a network normalises by batches."""


def pure(network: nn.Module, method: str = "__call__") -> Callable[..., Any]:
  """A method of the network as a pure function of (variables, inputs): running statistics, no dropout."""

  def apply(variables: Variables, inputs: Array) -> Any:
    return network.apply(variables, inputs, method=method)

  return apply


def training(network: nn.Module, method: str = "__call__") -> Callable[..., tuple[Any, Variables]]:
  """The same with batch statistics and dropout: (variables, inputs, key) -> (outputs, variables to go on with)."""

  def apply(variables: Variables, inputs: Array, key: Key[Array, ""]) -> tuple[Any, Variables]:
    outputs, changed = network.apply(
      variables, inputs, train=True, method=method, mutable=["batch_stats"], rngs={"dropout": key}
    )
    return outputs, {**variables, **changed}

  return apply
