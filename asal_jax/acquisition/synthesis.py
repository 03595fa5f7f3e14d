"""Synthesis of uncertain samples: ascent of a score in the latent space of the generator (section 4.1, Eq. 3)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Key
from ml_collections import ConfigDict

from asal_jax import devices
from asal_jax.rng import stream
from asal_jax.types import GAN, Classifier, Score


def in_batches(
  function: Callable[[Float[Array, "m z"]], Float[Array, "m *d"]], z: Float[Array, "b z"], size: int
) -> Float[Array, "b *d"]:
  """`function` of every `size` latents in turn, of which there are a multiple; of all at once where `size` is 0."""
  if size in (0, len(z)):
    return function(z)
  found = lax.map(function, z.reshape(-1, size, z.shape[1]))
  return found.reshape(len(z), *found.shape[2:])


def make_synthesis(config: ConfigDict, gan: GAN, classifier: Classifier, score: Score, batch: int):
  """A function (keys [s], cycle, generator params, classifier params [s ...]) -> latents f32[s b z].

  Random latents ~ N(0, I) take `config.ascent_steps` Adam steps up score(classifier(G(z))), every `config.batch` of
  them in turn. The scores are summed and Adam works value by value, so the latents of a batch do not influence each
  other, unless the generator normalises by their statistics (`config.batch_norm` of 'reference').
  """
  optimizer = optax.adam(config.learning_rate)

  def synthesize(key: Key[Array, ""], cycle, generator, classifier_params) -> Float[Array, "b z"]:
    def descent(z):
      return -jnp.sum(score(classifier.logits(classifier_params, gan.generate(generator, z))))

    def step(_, carry):
      z, state = carry
      update, state = optimizer.update(jax.grad(descent)(z), state)
      return optax.apply_updates(z, update), state

    def ascended(z):
      return lax.fori_loop(0, config.ascent_steps, step, (z, optimizer.init(z)))[0]

    z = jax.random.normal(stream(key, "latents", cycle), (batch, gan.latent_dim))
    return in_batches(ascended, z, config.batch)

  axes = (0, None, None, 0)
  return devices.jit(devices.over_devices(jax.vmap(synthesize, axes), axes))
