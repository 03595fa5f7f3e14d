"""GANs as pure functions: DCGAN, WGAN-GP and WGAN-CT on plain or residual nets. No label ever enters here.

`step` is one iteration: `critic_steps` updates of the critic on fresh batches, then one of the generator.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int32, Key, UInt8
from ml_collections import ConfigDict

from asal_jax import devices
from asal_jax.models.train import descend
from asal_jax.networks import plain, pure, residual, training
from asal_jax.rng import stream
from asal_jax.types import GAN, Params, PixelRange, decode

RESIDUAL_SIZE = (32, 32)
CT_DROPOUT = (0.2, 0.5, 0.5)
"""Dropout rates after the critic's blocks 2, 3 and 4 (Wei et al. 2018)."""


class GANState(NamedTuple):
  """Variables (parameters, running statistics) and optimiser states of both nets."""

  generator: Params
  critic: Params
  generator_optimizer: Any
  critic_optimizer: Any


def gradient_penalty(critic, real: Float[Array, "b h w c"], fake: Float[Array, "b h w c"], mix) -> Array:
  """Mean of (||grad critic|| - 1)^2 at real + mix (fake - real), mix f32[b 1 1 1]: one point a sample."""
  gradient = jax.grad(lambda x: critic(x).sum())(real + mix * (fake - real))
  # The small number keeps the square root differentiable where the gradient vanishes.
  norm = jnp.sqrt(jnp.sum(jnp.square(gradient), axis=(1, 2, 3)) + 1e-12)
  return jnp.mean(jnp.square(norm - 1))


def consistency(
  first: tuple[Float[Array, " b"], Float[Array, "b d"]],
  second: tuple[Float[Array, " b"], Float[Array, "b d"]],
  weight: float,
  margin: float,
) -> Array:
  """The consistency term of Wei et al. (2018): mean of max(0, weight ((D - D')^2 + 0.1 mean (D_ - D_')^2) - margin).

  Two passes over one real batch with different dropout: scores D, D' and what the last layer sees, D_, D_'.
  """
  scores = jnp.square(first[0] - second[0])
  features = 0.1 * jnp.mean(jnp.square(first[1] - second[1]), axis=1)
  return jnp.mean(jnp.maximum(0, weight * (scores + features) - margin))


class Losses(NamedTuple):
  """Of scores f32[b]: what the critic minimises for (real, fake), and the generator for its own samples."""

  critic: Callable[[Float[Array, " b"], Float[Array, " b"]], Array]
  generator: Callable[[Float[Array, " b"]], Array]


WASSERSTEIN = Losses(lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean())
NON_SATURATING = Losses(
  lambda real, fake: jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean(),
  lambda fake: jax.nn.softplus(-fake).mean(),
)
"""Goodfellow et al. (2014): cross-entropy, the generator raises log D(G(z))."""

LOSSES = {"wgan_gp": WASSERSTEIN, "wgan_ct": WASSERSTEIN, "dcgan": NON_SATURATING}
NETWORKS = ("plain", "residual")


def make_networks(config: ConfigDict, image_shape: tuple[int, int, int], slope: float):
  """Generator and critic of `config.gan` for images of `image_shape` (h, w, c)."""
  channels = image_shape[2]
  if config.network == "residual":
    dropout = CT_DROPOUT if config.loss == "wgan_ct" else (0.0, 0.0, 0.0)
    return (
      residual.Generator(config.width, channels, slope),
      residual.Critic(config.critic_width, dropout),
    )
  sizes = plain.pyramid(*image_shape[:2])
  return (
    plain.Generator(sizes, config.width, channels, config.batch_norm != "none", slope),
    plain.Critic(len(sizes) - 1, config.critic_width, config.batch_norm == "both"),
  )


def make_optimizer(config: ConfigDict, steps: int) -> optax.GradientTransformation:
  """Adam; with `decay` its rate falls linearly to 0 over `steps`."""
  rate = optax.linear_schedule(config.learning_rate, 0.0, steps) if config.decay else config.learning_rate
  return optax.adam(rate, b1=config.beta1, b2=config.beta2)


def make_decode(config: ConfigDict, pixel_range: PixelRange):
  """(key, images u8[b h w c]) -> f32[b h w c], dequantised where the config says so."""
  low, high = pixel_range

  def decode_batch(key: Key[Array, ""], images: UInt8[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    if not config.dequantise:
      return decode(images, pixel_range)
    noise = jax.random.uniform(stream(key, "dequantise"), images.shape)
    return low + (images.astype(jnp.float32) + noise) * ((high - low) / 256)

  return decode_batch


def make_critic_loss(config: ConfigDict, critic_train):
  """(params, variables, real, fake, key) -> (loss, (metrics, variables)): the loss, penalties included."""
  losses, batch = LOSSES[config.loss], config.batch_size

  def critic_loss(params, variables, real, fake, key):
    variables = {**variables, "params": params}

    def score(images, name: str, variables):
      return critic_train(variables, images, stream(key, name))

    if config.loss == "dcgan":
      # Apart, because batch statistics of a mixed batch would tell real from fake.
      (fakes, _), variables = score(fake, "fake", variables)
      (reals, _), variables = score(real, "real", variables)
      loss = losses.critic(reals, fakes)
      return loss, ({"critic_loss": loss}, variables)
    (scores, features), _ = score(jnp.concatenate([fake, real]), "scores", variables)
    distance = -losses.critic(scores[batch:], scores[:batch])
    mix = jax.random.uniform(stream(key, "mix"), (batch, 1, 1, 1))
    penalty = gradient_penalty(lambda x: score(x, "penalty", variables)[0][0], real, fake, mix)
    loss = config.penalty * penalty - distance
    if config.loss == "wgan_ct":
      again, _ = score(real, "again", variables)
      first = scores[batch:], features[batch:]
      loss += consistency(first, again, config.consistency, config.margin)
    return loss, ({"critic_loss": loss, "wasserstein": distance}, variables)

  return critic_loss


def make_gan(config: ConfigDict, image_shape: tuple[int, int, int], pixel_range: PixelRange) -> GAN:
  """The GAN for images of `image_shape` (h, w, c), settings from `config.gan`."""
  low, high = pixel_range
  generator, critic = make_networks(config, image_shape, high - low)
  generator_train = training(generator)
  critic_train = training(critic, "scores_and_features")
  optimizers = (
    make_optimizer(config, config.iterations),
    make_optimizer(config, config.iterations * config.critic_steps),
  )
  decode_batch, critic_loss = make_decode(config, pixel_range), make_critic_loss(config, critic_train)

  def init(key: Key[Array, ""]) -> GANState:
    g = generator.init(stream(key, "generator"), jnp.zeros((1, config.latent_dim)))
    d = critic.init(stream(key, "critic"), jnp.zeros((1, *image_shape)))
    return GANState(g, d, optimizers[0].init(g["params"]), optimizers[1].init(d["params"]))

  def sample(variables, key, count: int):
    """Images as in training, by batch statistics, and the variables with new running statistics."""
    z = devices.spread(jax.random.normal(stream(key, "latents"), (count, config.latent_dim)))
    images, variables = generator_train(variables, z, stream(key, "generate"))
    return low + (high - low) * images, variables

  def generator_loss(params, state: GANState, key):
    fake, variables = sample({**state.generator, "params": params}, key, config.generator_batch_size)
    (scores, _), _ = critic_train(state.critic, fake, stream(key, "scores"))
    return LOSSES[config.loss].generator(scores), variables

  def critic_step(state: GANState, key, images: UInt8[Array, "b h w c"]):
    fake, _ = sample(state.generator, key, config.batch_size)
    (_, (metrics, variables)), gradient = jax.value_and_grad(critic_loss, has_aux=True)(
      state.critic["params"], state.critic, decode_batch(key, images), fake, key
    )
    critic, optimizer = descend(optimizers[1], gradient, variables, state.critic_optimizer)
    return state._replace(critic=critic, critic_optimizer=optimizer), metrics

  def critic_keys(key: Key[Array, ""]) -> Key[Array, " steps"]:
    return jax.vmap(lambda i: stream(key, "critic_step", i))(jnp.arange(config.critic_steps))

  def batch_ids(key: Key[Array, ""], n: int) -> Int32[Array, "steps b"]:
    return jax.vmap(lambda k: jax.random.randint(stream(k, "batch"), (config.batch_size,), 0, n))(
      critic_keys(key)
    )

  def step(state: GANState, key: Key[Array, ""], images: UInt8[Array, "steps b h w c"]):
    state, metrics = lax.scan(lambda s, x: critic_step(s, *x), state, (critic_keys(key), images))
    (loss, variables), gradient = jax.value_and_grad(generator_loss, has_aux=True)(
      state.generator["params"], state, stream(key, "generator_step")
    )
    updated, optimizer = descend(optimizers[0], gradient, variables, state.generator_optimizer)
    last = {name: values[-1] for name, values in metrics.items()} | {"generator_loss": loss}
    return state._replace(generator=updated, generator_optimizer=optimizer), last

  def generate(by_batch: bool):
    def images(variables: Params, z: Float[Array, "b z"]) -> Float[Array, "b h w c"]:
      unit = (
        generator_train(variables, z, jax.random.key(0))[0] if by_batch else pure(generator)(variables, z)
      )
      return low + (high - low) * unit

    return images

  return GAN(
    init, batch_ids, step, generate(False), generate(True), pure(critic, "features"), config.latent_dim
  )
