"""The first epochs of All-CNN-C on CIFAR-10 here and in PyTorch, from the same weights on the same batches.

Ours is the project's own `make_fit`. Dropout is off on both sides, as its masks can not be the same: what is compared
is the network (padding above all), the loss, weight decay, SGD with momentum, and the decay of its rate. Needs CIFAR-10
in TFDS_DATA_DIR and `pip install torch==2.13.0`.

  python -m experiments.all_cnn.compare [IMAGES] [EPOCHS]
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from asal_jax.models.classifier import make_classifier, make_fit, shuffle
from asal_jax.pools import data
from asal_jax.rng import seed_keys, stream
from asal_jax.running.workdir import surroundings
from asal_jax.types import decode
from configs import cifar_ten

RANGE, SHAPE, CLASSES = (-1.0, 1.0), (32, 32, 3), 10
KEYS, CYCLE = seed_keys((0,)), 0


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


def ours(config, images, labels):
  """(loss of every step, parameters at the end) of `make_fit`, from its own initial weights and on its own batches."""
  classifier, losses = make_classifier(config, SHAPE, CLASSES, RANGE), []

  def heard(logits, labels):
    values = classifier.loss(logits, labels)
    jax.debug.callback(lambda mean: losses.append(float(mean)), values.mean())
    return values

  without_dropout = classifier._replace(
    loss=heard, training_logits=lambda params, images, key: classifier.logits(params, images)
  )
  fit = make_fit(without_dropout, config, RANGE, shared=True)
  params = fit(KEYS, CYCLE, images, labels[None], np.int32(len(labels)))
  jax.effects_barrier()
  return losses, jax.tree.map(lambda p: p[0], params)


def theirs(config, images, labels):
  """The same in PyTorch, from the same weights on the same batches; the parameters are the net's."""
  key, n = KEYS[0], len(labels)
  weights = stream(key, "weights", CYCLE)
  net = AllCNN(make_classifier(config, SHAPE, CLASSES, RANGE).init(weights))
  sgd = torch.optim.SGD(
    net.parameters(), config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
  )
  decay = torch.optim.lr_scheduler.MultiStepLR(sgd, list(config.decay_epochs))
  losses = []
  for epoch in range(config.epochs):
    order = np.asarray(shuffle(stream(key, "batches", CYCLE, epoch), n, jnp.int32(n)))
    for rows in order.reshape(-1, config.batch_size):
      x = torch.tensor(np.asarray(decode(jnp.asarray(images[rows]), RANGE))).permute(0, 3, 1, 2)
      loss = functional.cross_entropy(net(x), torch.tensor(labels[rows]).long())
      sgd.zero_grad()
      loss.backward()
      sgd.step()
      losses.append(loss.item())
    decay.step()
  return losses, net


def furthest(params, net: AllCNN) -> float:
  """The largest distance of a layer's kernels, relative to their norm."""
  found = []
  for i, conv in enumerate(net.layers):
    kernel = conv.weight.detach().permute(2, 3, 1, 0).numpy()
    found.append(np.linalg.norm(params["params"][f"Conv_{i}"]["kernel"] - kernel) / np.linalg.norm(kernel))
  return float(max(found))


def main(images: int = 1_280, epochs: int = 3) -> None:
  """Both on `images` of the pool, a multiple of the batch size; the rate falls before the last epoch."""
  config = cifar_ten.get_config().classifier
  config.epochs, config.decay_epochs = epochs, (epochs - 1,)
  pool = data.load("cifar10").pool
  seen, labels = np.asarray(pool.images[:images]), np.asarray(pool.labels[:images], np.int32)
  (a, params), (b, net) = (f(config, seen, labels) for f in (ours, theirs))
  record = {
    "images": images, "epochs": epochs, "steps": len(a), "first_loss": a[0], "last_loss": a[-1],
    "largest_relative_difference": float(np.abs(np.array(a) / np.array(b) - 1).max()),
    "largest_relative_distance_of_kernels": furthest(params, net), "ours": a, "pytorch": b,
  }  # fmt: skip
  print(json.dumps({k: v for k, v in record.items() if k not in ("ours", "pytorch")}))
  path = pathlib.Path(__file__).parent / "compare.json"
  path.write_text(json.dumps(record | surroundings()) + "\n")


if __name__ == "__main__":
  main(*map(int, sys.argv[1:]))
