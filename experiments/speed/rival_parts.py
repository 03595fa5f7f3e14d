"""What the PyTorch rivals share: random images, decoding, memory layout, one optimiser step, entropy."""

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.speed.rows import precision

Work = Callable[[], None]
"""The timed work of a row, done once: `ROWS[name].units` iterations."""


def random_images(count: int, channels: int = 1, size: int = 28) -> Tensor:
  """Random uint8 images [count, channels, size, size], stored with the channels last."""
  return torch.randint(0, 256, (count, size, size, channels), dtype=torch.uint8).permute(0, 3, 1, 2)


def channels_last(net: nn.Module) -> nn.Module:
  """The net with its weights in the layout that the CPU's convolutions are fastest in."""
  return net.to(memory_format=torch.channels_last)


def autocast() -> contextlib.AbstractContextManager:
  """Around a forward pass and its loss: torch's, where this process works in bfloat16.

  Entered anew in each step, as it keeps the weights that it has cast until it is left.
  """
  if precision() == "bfloat16":
    return torch.autocast("cpu", torch.bfloat16)
  return contextlib.nullcontext()


def decode(images: Tensor, low: float = 0.0) -> Tensor:
  """Bytes to float32 from `low` to 1."""
  return images.float().mul_((1 - low) / 255).add_(low)


def draw(images: Tensor, batch: int, low: float = 0.0) -> Tensor:
  """`batch` random images as float32 in [low, 1]."""
  return decode(images[torch.randint(0, len(images), (batch,))], low)


def binary_entropy(logits: Tensor) -> Tensor:
  """Entropy in nats of the Bernoulli distribution with these logits."""
  p, q = torch.sigmoid(logits), torch.sigmoid(-logits)
  return -(p * functional.logsigmoid(logits) + q * functional.logsigmoid(-logits))


def update(adam: torch.optim.Optimizer, loss: Tensor) -> None:
  """One step; gradients only of the parameters of this optimiser."""
  adam.zero_grad()
  loss.backward(inputs=adam.param_groups[0]["params"])
  adam.step()
