"""The PyTorch rivals of one classifier: LeNet-5 steps and scores, steps of the CelebA classifier and of All-CNN-C."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.speed.rival_parts import (
  DEVICE,
  Work,
  autocast,
  channels_last,
  compiled,
  decode,
  random_images,
  update,
)
from experiments.speed.rows import ROWS


def make_lenet() -> nn.Sequential:
  """LeNet-5: MNIST images to ten logits, 61,706 parameters."""
  return nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(400, 120),
    nn.ReLU(),
    nn.Linear(120, 84),
    nn.ReLU(),
    nn.Linear(84, 10),
  )


def make_celeba() -> nn.Sequential:
  """The classifier of Table 1: 64x64x3 to one logit."""
  layers = []
  for a, b in ((3, 16), (16, 32), (32, 64)):
    layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
  return nn.Sequential(
    *layers, nn.Flatten(), nn.Linear(4096, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 1)
  )


class Same(nn.Module):
  """TensorFlow's padding for a 3x3 kernel of stride 2 and an even side: the one zero comes last."""

  def forward(self, x: Tensor) -> Tensor:
    return functional.pad(x, (0, 1, 0, 1))


def make_all_cnn() -> nn.Sequential:
  """All-CNN-C: CIFAR-10 images to ten logits, 1,369,738 parameters."""
  layers, before = [nn.Dropout(0.2)], 3
  for width in (96, 192):
    for stride in (1, 1, 2):
      pad, padding = ((), 1) if stride == 1 else ((Same(),), 0)
      layers += [*pad, nn.Conv2d(before, width, 3, stride, padding), nn.ReLU()]
      before = width
    layers.append(nn.Dropout(0.5))
  for width, size in ((192, 3), (192, 1), (10, 1)):
    layers += [nn.Conv2d(192, width, size), nn.ReLU()]
  return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


ADAM = functools.partial(torch.optim.Adam, lr=1e-3, fused=True)


def training(
  row: str,
  net: nn.Module,
  images: Tensor,
  labels: Tensor,
  low: float,
  loss,
  make: Callable[..., torch.optim.Optimizer] = ADAM,
  batch: int = 50,
) -> Work:
  """Steps of an optimiser on random batches."""
  net = channels_last(net)
  optimizer = make(net.parameters())

  @compiled
  def of_batch(images, labels):
    return loss(net(decode(images, low)).float(), labels)

  def work():
    for _ in range(ROWS[row].units):
      ids = torch.randint(0, len(images), (batch,), device=DEVICE)
      with autocast():
        value = of_batch(images[ids], labels[ids])
      update(optimizer, value)

  return work


def lenet_step() -> Work:
  """Training steps of LeNet-5."""
  labels = torch.randint(0, 10, (10_000,), device=DEVICE)
  return training("lenet_step", make_lenet(), random_images(10_000), labels, 0.0, functional.cross_entropy)


def celeba_step() -> Work:
  """Training steps of the CelebA classifier."""
  labels, images = torch.randint(0, 2, (10_000, 1), device=DEVICE).float(), random_images(10_000, 3, 64)
  loss = functional.binary_cross_entropy_with_logits
  return training("celeba_step", make_celeba(), images, labels, -1.0, loss)


def all_cnn_step() -> Work:
  """Training steps of All-CNN-C."""
  labels, images = torch.randint(0, 10, (10_000,), device=DEVICE), random_images(10_000, 3, 32)
  sgd = functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9, weight_decay=1e-3, fused=True)
  return training(
    "all_cnn_step", make_all_cnn(), images, labels, -1.0, functional.cross_entropy, sgd, batch=128
  )


BLOCK = 500
"""Images of a forward pass without gradients."""
GPU_BLOCK = 10_000
"""The same where memory is no matter."""


def make_entropies(net: nn.Module) -> Callable[[Tensor], Tensor]:
  """uint8 images [n, c, h, w] of the net's device -> f32[n], BLOCK at a time, on a GPU GPU_BLOCK."""

  @compiled
  def of_block(images):
    log_p = functional.log_softmax(net(decode(images)).float(), 1)
    return log_p.exp().mul_(log_p).sum(1).neg_()

  def entropies(images):
    scores = torch.empty(len(images), device=DEVICE)
    block = BLOCK if DEVICE.type == "cpu" else GPU_BLOCK
    for out, part in zip(scores.split(block), images.split(block), strict=True):
      out.copy_(of_block(part))
    return scores

  return entropies


def score_pool_lenet() -> Work:
  """Entropy of LeNet-5's prediction for 50,000 images."""
  entropies, images = make_entropies(channels_last(make_lenet())), random_images(50_000)

  @torch.inference_mode()
  def work():
    with autocast():
      entropies(images)

  return work
