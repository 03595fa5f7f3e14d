"""The PyTorch rivals of one classifier: LeNet-5 steps and scores, steps of the CelebA classifier."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.speed.rival_parts import Work, autocast, channels_last, decode, random_images, update
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


def training(row: str, net: nn.Module, images: Tensor, labels: Tensor, low: float, loss) -> Work:
  """Steps of Adam on batches of 50."""
  net = channels_last(net)
  adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)

  def work():
    for _ in range(ROWS[row].units):
      ids = torch.randint(0, len(images), (50,))
      with autocast():
        value = loss(net(decode(images[ids], low)).float(), labels[ids])
      update(adam, value)

  return work


def lenet_step() -> Work:
  """Training steps of LeNet-5."""
  labels = torch.randint(0, 10, (10_000,))
  return training("lenet_step", make_lenet(), random_images(10_000), labels, 0.0, functional.cross_entropy)


def celeba_step() -> Work:
  """Training steps of the CelebA classifier."""
  labels, images = torch.randint(0, 2, (10_000, 1)).float(), random_images(10_000, 3, 64)
  loss = functional.binary_cross_entropy_with_logits
  return training("celeba_step", make_celeba(), images, labels, -1.0, loss)


BLOCK = 500
"""Images of a forward pass without gradients."""


def entropies(net: nn.Module, images: Tensor) -> Tensor:
  """f32[n] of uint8 images [n, c, h, w], BLOCK at a time."""
  scores = torch.empty(len(images))
  for out, part in zip(scores.split(BLOCK), images.split(BLOCK), strict=True):
    log_p = functional.log_softmax(net(decode(part)).float(), 1)
    torch.sum(log_p.exp().mul_(log_p), 1, out=out).neg_()
  return scores


def score_pool_lenet() -> Work:
  """Entropy of LeNet-5's prediction for 50,000 images."""
  net, images = channels_last(make_lenet()), random_images(50_000)

  @torch.inference_mode()
  def work():
    with autocast():
      entropies(net, images)

  return work
