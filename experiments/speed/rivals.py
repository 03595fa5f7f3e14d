"""The rivals of the benchmark: each row as a competent PyTorch user would write it, on the CPU with all its cores.

Batch sizes and arithmetic are those of the rows of this project: float32, uint8 images decoded in the timed work.
Written for `pip install torch==2.13.0 numpy faiss-cpu`; the two exact-search rows are faiss, the others PyTorch.
Channels-last and the batching of seeds are used where they were faster, and fused Adam. Time on an idle machine:
OpenMP's threads wait for each other in a loop, and beside another job two threads are slower than one.

`RIVALS[name]()` prepares a row (nets, random data) and returns the function that does its timed work once, which is
`ROWS[name].units` iterations. `max_entropy_mnist_two` reads the .npz named by the environment variable BENCH_MNIST_TWO:
pool_images u8 [n, 28, 28, 1], pool_labels i32 [n] in {0, 1}, test_images, test_labels.
"""

import functools
import os
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.speed.rows import ROWS

THREADS = os.cpu_count() or 1
torch.set_num_threads(THREADS)

Work = Callable[[], None]


def random_images(count: int) -> Tensor:
  """Random uint8 images [count, 1, 28, 28]."""
  return torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8)


def channels_last(net: nn.Module) -> nn.Module:
  """The net with its weights in the layout that the CPU's convolutions are fastest in."""
  return net.to(memory_format=torch.channels_last)


def draw(images: Tensor, batch: int) -> Tensor:
  """`batch` random images as float32 in [0, 1]."""
  return images[torch.randint(0, len(images), (batch,))].float().div_(255)


class Generator(nn.Module):
  """Latents [b, 128] to MNIST images [b, 1, 28, 28] in (0, 1)."""

  def __init__(self, width: int):
    super().__init__()
    self.width = width
    self.linear = nn.Linear(128, 4 * 4 * 4 * width)
    self.up1 = nn.ConvTranspose2d(4 * width, 2 * width, 5, 2, 2, 1)
    self.up2 = nn.ConvTranspose2d(2 * width, width, 5, 2, 2, 1)
    self.up3 = nn.ConvTranspose2d(width, 1, 5, 2, 2, 1)

  def forward(self, z: Tensor) -> Tensor:
    x = torch.relu(self.linear(z)).view(-1, 4 * self.width, 4, 4)
    x = torch.relu(self.up1(x))[:, :, :7, :7]
    return torch.sigmoid(self.up3(torch.relu(self.up2(x))))


def make_critic(width: int) -> nn.Sequential:
  """MNIST images [b, 1, 28, 28] to scores [b, 1]."""
  return nn.Sequential(
    nn.Conv2d(1, width, 5, 2, 2),
    nn.LeakyReLU(0.2),
    nn.Conv2d(width, 2 * width, 5, 2, 2),
    nn.LeakyReLU(0.2),
    nn.Conv2d(2 * width, 4 * width, 5, 2, 2),
    nn.LeakyReLU(0.2),
    nn.Flatten(),
    nn.Linear(4 * 4 * 4 * width, 1),
  )


class AutoEncoder(nn.Module):
  """MNIST images to a code of 4 x 4 x 4 values and back."""

  def __init__(self):
    super().__init__()
    self.down = nn.ModuleList(nn.Conv2d(a, b, 5, 2, 2) for a, b in ((1, 16), (16, 8), (8, 4)))
    self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 5, 2, 2, 1) for a, b in ((4, 8), (8, 16), (16, 1)))

  def forward(self, x: Tensor) -> Tensor:
    for layer in self.down:
      x = functional.leaky_relu(layer(x), 0.2)
    for layer, size in zip(self.up, (7, 14, 28), strict=True):
      x = functional.leaky_relu(layer(x)[:, :, :size, :size], 0.2)
    return x


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


def binary_entropy(logits: Tensor) -> Tensor:
  """Entropy in nats of the Bernoulli distribution with these logits."""
  p, q = torch.sigmoid(logits), torch.sigmoid(-logits)
  return -(p * functional.logsigmoid(logits) + q * functional.logsigmoid(-logits))


def update(adam: torch.optim.Optimizer, loss: Tensor) -> None:
  """One step; gradients only of the parameters of this optimiser."""
  adam.zero_grad()
  loss.backward(inputs=adam.param_groups[0]["params"])
  adam.step()


def wgan_gp_mnist(width: int, iterations: int, batch: int = 50) -> Work:
  """Iterations of WGAN-GP: 5 steps of the critic, 1 of the generator."""
  generator, critic = channels_last(Generator(width)), channels_last(make_critic(width))
  adam_g, adam_d = (
    torch.optim.Adam(net.parameters(), 1e-4, (0.5, 0.9), fused=True) for net in (generator, critic)
  )
  images = random_images(10_000)

  def critic_step():
    real = draw(images, batch)
    with torch.no_grad():
      fake = generator(torch.randn(batch, 128))
    between = torch.lerp(real, fake, torch.rand(batch, 1, 1, 1)).requires_grad_()
    (grad,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = ((grad.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean()
    scores = critic(torch.cat([fake, real]))
    update(adam_d, scores[:batch].mean() - scores[batch:].mean() + 10 * penalty)

  def work():
    for _ in range(iterations):
      for _ in range(5):
        critic_step()
      update(adam_g, -critic(generator(torch.randn(batch, 128))).mean())

  return work


def autoencoder_mnist() -> Work:
  """Training steps of the auto-encoder."""
  net = AutoEncoder()
  adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
  images = random_images(10_000)

  def work():
    for _ in range(ROWS["autoencoder_mnist"].units):
      batch = draw(images, 100)
      update(adam, functional.mse_loss(net(batch), batch))

  return work


def lenet_step() -> Work:
  """Training steps of LeNet-5."""
  net = channels_last(make_lenet())
  adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
  images, labels = random_images(10_000), torch.randint(0, 10, (10_000,))

  def work():
    for _ in range(ROWS["lenet_step"].units):
      ids = torch.randint(0, len(images), (50,))
      update(adam, functional.cross_entropy(net(images[ids].float().div_(255)), labels[ids]))

  return work


def score_pool_lenet(block: int = 500) -> Work:
  """Entropy of LeNet-5's prediction for 50,000 images."""
  net, images = channels_last(make_lenet()), random_images(50_000)

  @torch.inference_mode()
  def work():
    scores = torch.empty(len(images))
    for out, part in zip(scores.split(block), images.split(block), strict=True):
      log_p = functional.log_softmax(net(part.float().div_(255)), 1)
      torch.sum(log_p.exp().mul_(log_p), 1, out=out).neg_()

  return work


def synthesis_mnist_16(seeds: int = 5, latents: int = 10) -> Work:
  """100 Adam steps up the entropy of each seed's linear classifier, all latents of all seeds in one batch."""
  generator = Generator(16).requires_grad_(False)
  weights, bias = torch.randn(seeds, 784) / 28, torch.zeros(seeds, 1)

  def work():
    z = torch.randn(seeds * latents, 128, requires_grad=True)
    adam = torch.optim.Adam([z], 0.01, maximize=True, fused=True)
    for _ in range(100):
      logits = torch.einsum("sbd,sd->sb", generator(z).view(seeds, latents, 784), weights) + bias
      update(adam, binary_entropy(logits).sum())

  return work


def max_entropy_run(seeds: int, pool: Tensor, target: Tensor, test: Tensor, truth: Tensor) -> Tensor:
  """Test accuracies [46, seeds] of the linear models, all seeds in one batch, 50 to 500 labels, 10 a cycle."""

  def logits_of(images):
    return images @ weight[..., 0].T + bias[:, 0, 0]

  classes = [torch.where(target == c)[0] for c in (0, 1)]
  draws = [[ids[torch.randperm(len(ids))[:25]] for ids in classes] for _ in range(seeds)]
  labelled = torch.stack([torch.cat(of_seed) for of_seed in draws])
  accuracy = []
  while True:
    weight = torch.empty(seeds, 784, 1).uniform_(-1 / 28, 1 / 28).requires_grad_()
    bias = torch.empty(seeds, 1, 1).uniform_(-1 / 28, 1 / 28).requires_grad_()
    adam = torch.optim.Adam([weight, bias], 1e-3, fused=True)
    for _ in range(10):
      order = labelled.gather(1, torch.rand(labelled.shape).argsort(1))
      for rows in order.split(10, 1):
        logits = torch.baddbmm(bias, pool[rows], weight)[..., 0]
        losses = functional.binary_cross_entropy_with_logits(logits, target[rows], reduction="none")
        update(adam, losses.mean(1).sum())
    with torch.inference_mode():
      accuracy.append(((logits_of(test) > 0) == (truth > 0.5)[:, None]).float().mean(0))
      if labelled.shape[1] == 500:
        return torch.stack(accuracy)
      entropy = binary_entropy(logits_of(pool)).T.contiguous().scatter_(1, labelled, -1)
      new = entropy.topk(10, 1)[1]
    labelled = torch.cat([labelled, new], 1)


def max_entropy_mnist_two() -> Work:
  """Active learning by exhaustive max entropy: 5 seeds, 50 to 500 labels, 10 epochs from scratch a cycle."""
  with np.load(os.environ["BENCH_MNIST_TWO"]) as file:
    pool, test = (torch.tensor(file[f"{part}_images"]).flatten(1) for part in ("pool", "test"))
    target, truth = (torch.tensor(file[f"{part}_labels"]).float() for part in ("pool", "test"))

  def work():
    max_entropy_run(5, pool.float().div_(255), target, test.float().div_(255), truth)

  return work


def exact_search(millions: int) -> Work:
  """Ten nearest neighbours of 10 queries among `millions` million points of 50 dimensions."""
  import faiss

  faiss.omp_set_num_threads(THREADS)
  rng = np.random.default_rng(0)
  base = rng.standard_normal((millions * 1_000_000, 50), dtype=np.float32)
  queries = rng.standard_normal((10, 50), dtype=np.float32)

  def work():
    faiss.knn(queries, base, 10)

  return work


RIVALS: dict[str, Callable[[], Work]] = {
  **{
    f"wgan_gp_mnist_{width}": functools.partial(wgan_gp_mnist, width, ROWS[f"wgan_gp_mnist_{width}"].units)
    for width in (16, 32, 64)
  },
  "autoencoder_mnist": autoencoder_mnist,
  "lenet_step": lenet_step,
  "score_pool_lenet": score_pool_lenet,
  "synthesis_mnist_16": synthesis_mnist_16,
  "max_entropy_mnist_two": max_entropy_mnist_two,
  "exact_search_1m": functools.partial(exact_search, 1),
  "exact_search_4m": functools.partial(exact_search, 4),
}
"""Row name to a function that prepares the row and returns its timed work."""
