"""WGAN-GP (Gulrajani et al. 2017) as pure functions. No label ever enters here.

`step` is one iteration: `critic_steps` updates of the critic on fresh batches, then one of the generator.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Key, UInt8
from ml_collections import ConfigDict

from asal_jax.networks import pure
from asal_jax.networks.plain import Critic, Generator, pyramid
from asal_jax.rng import stream
from asal_jax.types import GAN, Params, PixelRange, decode


class GANState(NamedTuple):
  """Parameters and optimiser states of both nets."""

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


def make_gan(config: ConfigDict, image_shape: tuple[int, int, int], pixel_range: PixelRange) -> GAN:
  """The WGAN-GP for images of `image_shape` (h, w, c), settings from `config.gan`."""
  sizes = pyramid(*image_shape[:2])
  generator = Generator(sizes, config.width, image_shape[2])
  critic = Critic(len(sizes) - 1, config.width)
  generator_apply, critic_apply = pure(generator), pure(critic)
  optimizer = optax.adam(config.learning_rate, b1=config.beta1, b2=config.beta2)
  batch, low, high = config.batch_size, *pixel_range

  def init(key: Key[Array, ""]) -> GANState:
    g = generator.init(stream(key, "generator"), jnp.zeros((1, config.latent_dim)))
    d = critic.init(stream(key, "critic"), jnp.zeros((1, *image_shape)))
    return GANState(g, d, optimizer.init(g), optimizer.init(d))

  def generate(params: Params, z: Float[Array, "b z"]) -> Float[Array, "b h w c"]:
    return low + (high - low) * generator_apply(params, z)

  def latents(key):
    return jax.random.normal(stream(key, "latents"), (batch, config.latent_dim))

  def critic_loss(params, fake, real, key):
    mix = jax.random.uniform(stream(key, "mix"), (batch, 1, 1, 1))
    scores = critic_apply(params, jnp.concatenate([fake, real]))
    distance = scores[batch:].mean() - scores[:batch].mean()
    penalty = gradient_penalty(lambda x: critic_apply(params, x), real, fake, mix)
    return config.penalty * penalty - distance, distance

  def generator_loss(params, critic_params, key):
    return -critic_apply(critic_params, generate(params, latents(key))).mean()

  def critic_step(state: GANState, key, images: UInt8[Array, "n h w c"]):
    rows = jax.random.randint(stream(key, "batch"), (batch,), 0, images.shape[0])
    real = decode(images[rows], pixel_range)
    fake = generate(state.generator, latents(key))
    (loss, distance), gradient = jax.value_and_grad(critic_loss, has_aux=True)(state.critic, fake, real, key)
    update, optimizer_state = optimizer.update(gradient, state.critic_optimizer)
    params = optax.apply_updates(state.critic, update)
    return state._replace(critic=params, critic_optimizer=optimizer_state), (loss, distance)

  def step(state: GANState, key: Key[Array, ""], images: UInt8[Array, "n h w c"]):
    keys = jax.vmap(lambda i: stream(key, "critic_step", i))(jnp.arange(config.critic_steps))
    state, (losses, distances) = lax.scan(lambda s, k: critic_step(s, k, images), state, keys)
    loss, gradient = jax.value_and_grad(generator_loss)(
      state.generator, state.critic, stream(key, "generator_step")
    )
    update, optimizer_state = optimizer.update(gradient, state.generator_optimizer)
    params = optax.apply_updates(state.generator, update)
    metrics = {"critic_loss": losses[-1], "wasserstein": distances[-1], "generator_loss": loss}
    return state._replace(generator=params, generator_optimizer=optimizer_state), metrics

  return GAN(init, step, generate, pure(critic, "features"), config.latent_dim)
