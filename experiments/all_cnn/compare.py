"""The first epochs of All-CNN-C on CIFAR-10 here and in PyTorch, from the same weights on the same batches.

Dropout is off, as its masks can not be the same: what is compared is the network (padding above all), the loss, weight
decay, and SGD with momentum. Needs CIFAR-10 in TFDS_DATA_DIR and `pip install torch==2.13.0`.

  python -m experiments.all_cnn.compare [IMAGES] [EPOCHS]
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch import nn
from torch.nn import functional

from asal_jax.job import surroundings
from asal_jax.models.classifier import make_classifier, make_optimizer
from asal_jax.pools import data
from asal_jax.types import decode
from configs import cifar_ten

RANGE = (-1.0, 1.0)


class AllCNN(nn.Module):
  """All-CNN-C without dropout: images [b, 3, 32, 32] to logits [b, 10]."""

  def __init__(self, variables):
    super().__init__()
    layers = variables["params"]
    self.layers = nn.ModuleList()
    for name in sorted(layers, key=lambda name: int(name.split("_")[1])):
      kernel, bias = (torch.tensor(np.asarray(layers[name][part])) for part in ("kernel", "bias"))
      conv = nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[0])
      conv.weight, conv.bias = nn.Parameter(kernel.permute(3, 2, 0, 1).contiguous()), nn.Parameter(bias)
      self.layers.append(conv)

  def forward(self, x):
    strides = (1, 1, 2, 1, 1, 2, 1, 1, 1)
    for i, (conv, stride) in enumerate(zip(self.layers, strides, strict=True)):
      if i < 6:
        # TensorFlow's SAME: where the stride is 2 and the side even, the one zero comes last.
        x = functional.pad(x, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))
      x = torch.relu(functional.conv2d(x, conv.weight, conv.bias, stride))
    return x.mean((2, 3))


def ours(variables, config, batches):
  """Loss of every step."""
  classifier, optimizer = make_classifier(config, (32, 32, 3), 10), make_optimizer(config)

  @jax.jit
  def step(params, state, images, labels):
    def loss(params):
      return classifier.loss(classifier.logits(params, decode(images, RANGE)), labels).mean()

    value, gradient = jax.value_and_grad(loss)(params)
    update, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, update), state, value

  state, losses = optimizer.init(variables), []
  for images, labels in batches:
    variables, state, value = step(variables, state, images, labels)
    losses.append(float(value))
  return losses


def theirs(variables, config, batches):
  """Loss of every step, in PyTorch."""
  net = AllCNN(variables)
  sgd = torch.optim.SGD(
    net.parameters(), config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
  )
  losses = []
  for images, labels in batches:
    x = torch.tensor(np.asarray(decode(jnp.asarray(images), RANGE))).permute(0, 3, 1, 2)
    loss = functional.cross_entropy(net(x), torch.tensor(labels).long())
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    losses.append(loss.item())
  return losses


def main(images: int = 2_560, epochs: int = 3) -> None:
  config = cifar_ten.get_config().classifier
  pool = data.load("cifar10").pool
  rng, size = np.random.default_rng(0), config.batch_size
  batches = []
  for _ in range(epochs):
    order = rng.permutation(images)
    batches += [(pool.images[rows], pool.labels[rows]) for rows in order.reshape(-1, size)[: images // size]]
  variables = make_classifier(config, (32, 32, 3), 10).init(jax.random.key(0))
  a, b = (np.array(f(variables, config, batches)) for f in (ours, theirs))
  record = {
    "images": images, "epochs": epochs, "steps": len(batches), "first_loss": a[0], "last_loss": a[-1],
    "largest_relative_difference": float(np.abs(a / b - 1).max()), "ours": a.tolist(), "pytorch": b.tolist(),
  }  # fmt: skip
  print(json.dumps({k: v for k, v in record.items() if k not in ("ours", "pytorch")}))
  path = pathlib.Path(__file__).parent / "compare.json"
  path.write_text(json.dumps(record | surroundings()) + "\n")


if __name__ == "__main__":
  main(*map(int, sys.argv[1:]))
