"""The PyTorch rivals with a generator: WGAN-GP iterations of three sets of nets, the auto-encoder, the ascent."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.speed.rival_parts import (
  DEVICE,
  Work,
  autocast,
  binary_entropy,
  channels_last,
  compiled,
  draw,
  random_images,
  update,
)
from experiments.speed.rows import ROWS


class Nets(NamedTuple):
  """One set of GAN nets: image size and channels, features of the generator's and the critic's layers, batch.

  `normalised`: batch norm in the generator and images in [-1, 1], else neither and images in [0, 1].
  """

  size: int
  channels: int
  generator: tuple[int, ...]
  critic: tuple[int, ...]
  batch: int
  normalised: bool


def mnist_nets(width: int) -> Nets:
  """The nets of Gulrajani et al. for 28x28x1."""
  return Nets(28, 1, (4 * width, 2 * width, width), (width, 2 * width, 4 * width), 50, False)


def cifar_nets(width: int) -> Nets:
  """The plain nets of Gulrajani et al. for 32x32x3."""
  return Nets(32, 3, (4 * width, 2 * width, width), (width, 2 * width, 4 * width), 64, True)


CELEBA_NETS = Nets(64, 3, (64, 64, 32, 16), (32, 64, 128, 128), 64, True)
"""Table 1 of the paper at a quarter of its width, for 64x64x3."""
CELEBA_FULL = Nets(64, 3, (256, 256, 128, 64), (128, 256, 512, 512), 64, True)


class Generator(nn.Module):
  """Latents [b, 128] to images: linear, then transposed convolutions of stride 2, batch norm on batch statistics."""

  def __init__(self, nets: Nets):
    super().__init__()
    widths, norm = nets.generator, nn.BatchNorm2d if nets.normalised else nn.Identity
    self.first, self.size, self.end = widths[0], nets.size, torch.tanh if nets.normalised else torch.sigmoid
    self.linear = nn.Linear(128, 4 * 4 * widths[0])
    pairs = zip(widths, (*widths[1:], nets.channels), strict=True)
    self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 5, 2, 2, 1) for a, b in pairs)
    self.norms = nn.ModuleList(norm(width) for width in widths)

  def forward(self, z: Tensor) -> Tensor:
    x = self.linear(z).view(-1, 4, 4, self.first).permute(0, 3, 1, 2)
    for norm, up in zip(self.norms, self.up, strict=True):
      # 28x28 comes from 4, 7 (cropped from 8), 14; the other sizes are powers of two.
      side = 7 if (self.size, x.shape[2]) == (28, 8) else x.shape[2]
      x = up(torch.relu(norm(x))[:, :, :side, :side])
    return self.end(x)


def make_critic(nets: Nets) -> nn.Sequential:
  """Images to scores [b, 1], without normalisation."""
  layers = []
  for a, b in zip((nets.channels, *nets.critic), nets.critic, strict=False):
    layers += [nn.Conv2d(a, b, 5, 2, 2), nn.LeakyReLU(0.2)]
  return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 4 * nets.critic[-1], 1))


def input_gradient(critic: nn.Module, images: Tensor) -> Tensor:
  """The gradient of the scores' sum, through which one can differentiate again."""
  if torch.compiler.is_compiling():  # It can not take a tape's second derivative, but traces this.
    return torch.func.grad(lambda x: critic(x).sum())(images)
  images = images.requires_grad_()
  return torch.autograd.grad(critic(images).sum(), images, create_graph=True)[0]


def critic_loss(generator: nn.Module, critic: nn.Module, real: Tensor, z: Tensor, mix: Tensor) -> Tensor:
  """Wasserstein loss with the gradient penalty at images between; scores, means and the penalty are float32."""
  with torch.no_grad():
    fake = generator(z).float()
  between = torch.lerp(real, fake, mix)
  grad = input_gradient(critic, between)
  penalty = ((grad.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean()
  fake_scores, real_scores = critic(torch.cat([fake, real])).float().chunk(2)
  return fake_scores.mean() - real_scores.mean() + 10 * penalty


def wgan_gp(row: str, nets: Nets) -> Work:
  """Iterations of WGAN-GP: 5 steps of the critic, 1 of the generator."""
  generator, critic = channels_last(Generator(nets)), channels_last(make_critic(nets))
  adam_g, adam_d = (
    torch.optim.Adam(net.parameters(), 1e-4, (0.5, 0.9), fused=True) for net in (generator, critic)
  )
  batch, low = nets.batch, -1.0 if nets.normalised else 0.0
  images = random_images(10_000, nets.channels, nets.size)

  critics = compiled(lambda real, z, mix: critic_loss(generator, critic, real, z, mix))
  generators = compiled(lambda z: -critic(generator(z)).float().mean())

  def critic_step():
    real, z = draw(images, batch, low), torch.randn(batch, 128, device=DEVICE)
    with autocast():
      loss = critics(real, z, torch.rand(batch, 1, 1, 1, device=DEVICE))
    update(adam_d, loss)

  def generator_step():
    z = torch.randn(batch, 128, device=DEVICE)
    with autocast():
      loss = generators(z)
    update(adam_g, loss)

  def work():
    for _ in range(ROWS[row].units):
      for _ in range(5):
        critic_step()
      generator_step()

  return work


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


def autoencoder_mnist() -> Work:
  """Training steps of the auto-encoder."""
  net = AutoEncoder().to(DEVICE)
  adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
  images, loss_of = random_images(10_000), compiled(lambda batch: functional.mse_loss(net(batch), batch))

  def work():
    for _ in range(ROWS["autoencoder_mnist"].units):
      batch = draw(images, 100)
      with autocast():
        loss = loss_of(batch)
      update(adam, loss)

  return work


def synthesis_mnist_16(seeds: int = 5, latents: int = 10) -> Work:
  """100 Adam steps up the entropy of each seed's linear classifier, all latents of all seeds in one batch."""
  generator = Generator(mnist_nets(16)).to(DEVICE).requires_grad_(False)
  weights, bias = torch.randn(seeds, 784, device=DEVICE) / 28, torch.zeros(seeds, 1, device=DEVICE)

  @compiled
  def entropy_of(z):
    images = generator(z).reshape(seeds, latents, 784)
    return binary_entropy((torch.einsum("sbd,sd->sb", images, weights) + bias).float()).sum()

  def work():
    z = torch.randn(seeds * latents, 128, requires_grad=True, device=DEVICE)
    adam = torch.optim.Adam([z], 0.01, maximize=True, fused=True)
    for _ in range(100):
      with autocast():
        entropy = entropy_of(z)
      update(adam, entropy)

  return work
