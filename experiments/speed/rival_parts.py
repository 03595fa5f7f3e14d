"""What the PyTorch rivals share: device, form, random images, decoding, memory layout, an optimiser's step, entropy."""

import contextlib
from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.speed.rows import precision

Work = Callable[[], None]
"""The timed work of a row, done once: `ROWS[name].units` iterations."""

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

FORMS = {"eager": None, "compiled": "default", "compiled, CUDA graphs": "reduce-overhead"}
"""How a rival runs on a GPU, and torch.compile's mode for it; the harness times the fastest."""

T = TypeVar("T", bound=Callable)


class Form:
  """The form that rivals are made in, and whether one has asked for it since."""

  name, asked = "eager", False


def compiled(function: T) -> T:
  """`function` as torch.compile makes it in this form; itself in eager form."""
  Form.asked = True
  mode = FORMS[Form.name]
  return function if mode is None else cast(T, torch.compile(function, mode=mode))


def set_up() -> None:
  """GPU: TF32 where this process works in it, and the fastest of cuDNN's convolutions."""
  torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision() == "tensorfloat32"
  torch.backends.cudnn.benchmark = True


def synchronise() -> None:
  """Waits for the device."""
  if DEVICE.type == "cuda":
    torch.cuda.synchronize()


def random_images(count: int, channels: int = 1, size: int = 28) -> Tensor:
  """Random uint8 images [count, channels, size, size] on the device, stored with the channels last."""
  shape = (count, size, size, channels)
  return torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE).permute(0, 3, 1, 2)


def channels_last(net: nn.Module) -> nn.Module:
  """The net on the device with its weights in the layout that convolutions are fastest in."""
  return net.to(DEVICE, memory_format=torch.channels_last)


def autocast() -> contextlib.AbstractContextManager:
  """Around a forward pass and its loss: torch's, where this process works in bfloat16.

  Entered anew in each step, as it keeps the weights that it has cast until it is left.
  """
  if precision() == "bfloat16":
    return torch.autocast(DEVICE.type, torch.bfloat16)
  return contextlib.nullcontext()


def decode(images: Tensor, low: float = 0.0) -> Tensor:
  """Bytes to float32 from `low` to 1."""
  return images.float().mul_((1 - low) / 255).add_(low)


def draw(images: Tensor, batch: int, low: float = 0.0) -> Tensor:
  """`batch` random images as float32 in [low, 1]."""
  return decode(images[torch.randint(0, len(images), (batch,), device=DEVICE)], low)


def binary_entropy(logits: Tensor) -> Tensor:
  """Entropy in nats of the Bernoulli distribution with these logits."""
  p, q = torch.sigmoid(logits), torch.sigmoid(-logits)
  return -(p * functional.logsigmoid(logits) + q * functional.logsigmoid(-logits))


def update(adam: torch.optim.Optimizer, loss: Tensor) -> None:
  """One step; gradients only of the parameters of this optimiser."""
  adam.zero_grad()
  loss.backward(inputs=adam.param_groups[0]["params"])
  adam.step()
