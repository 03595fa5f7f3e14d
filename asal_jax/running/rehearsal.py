"""A rehearsal of the networks on shapes alone: what does not fit together is told before any data are read."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from ml_collections import ConfigDict

from asal_jax.acquisition import table
from asal_jax.acquisition.score import SCORES
from asal_jax.errors import InputError
from asal_jax.models.autoencoder import make_autoencoder
from asal_jax.models.classifier import make_classifier
from asal_jax.models.gan import make_gan
from asal_jax.models.judge import classifier_section
from asal_jax.store import space


def rehearse(config: ConfigDict, image_shape: tuple[int, int, int], classes: int) -> None:
  """Traces the networks that the strategies of a config use on images of `image_shape` (h, w, c); nothing is computed.

  Raises InputError with the section whose networks do not fit the images, or the machine's memory.
  """
  pixel_range = tuple(config.data.pixel_range)

  def classifier(section: ConfigDict, score: str):
    made = make_classifier(section, image_shape, classes, pixel_range)

    def trace(key, images):
      params = made.init(key)
      return params, SCORES[score](made.logits(params, images))

    return trace

  def gan(key, images):
    made = make_gan(config.gan, image_shape, pixel_range)
    state = made.init(key)
    generated = made.generate(state.generator, jnp.zeros((2, made.latent_dim)))
    return state, generated - images, made.critic_features(state.critic, generated)

  def autoencoder(key, images):
    made = make_autoencoder(config.autoencoder, image_shape, pixel_range)
    state = made.init(key)
    return state, made.reconstruct(state.variables, images) - images

  # Shapes alone: an array would be computed.
  key, images = jax.eval_shape(lambda: (jax.random.key(0), jnp.zeros((2, *image_shape))))
  needed = table.needs(config)
  sections = {
    "classifier": (classifier(config.classifier, config.score), True),
    "judge": (classifier(classifier_section(config), "entropy"), needed.gan),
    "gan": (gan, needed.gan),
    "autoencoder": (autoencoder, needed.autoencoder),
  }
  for section, (trace, used) in sections.items():
    if not used:
      continue
    try:
      made = jax.eval_shape(trace, key, images)
    except (TypeError, ValueError, OverflowError) as error:
      reason = str(error).strip().split("\n")[0]
      raise InputError(f"{section}: its networks do not fit images of {image_shape} ({reason})") from error
    _check_room(section, made)


def _check_room(section: str, made: PyTree) -> None:
  """InputError where the arrays are more than the machine's memory."""
  arrays = [x for x in jax.tree.leaves(made) if jnp.issubdtype(x.dtype, jnp.number)]
  needed, memory = sum(math.prod(x.shape) * x.dtype.itemsize for x in arrays), space.total_memory()
  if memory is not None and needed > memory:
    raise InputError(
      f"{section}: its networks and what trains them are {needed / space.GIB:,.0f} GiB, the machine has "
      f"{memory / space.GIB:,.0f} GiB of memory; make them smaller"
    )
