"""The auto-encoder whose code is one of the feature sets (appendix B), as pure functions. It sees no labels."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, UInt8
from ml_collections import ConfigDict

from asal_jax.networks import plain, pure
from asal_jax.rng import stream
from asal_jax.types import Extract, Params, PixelRange, decode


class AutoEncoderState(NamedTuple):
  """Parameters and optimiser state."""

  params: Params
  optimizer: Any


class AutoEncoder(NamedTuple):
  """init(key) -> S; step(S, key, images u8[n h w c]) -> (S, metrics); encode(params, images f32) -> f32[b d]."""

  init: Callable[[Key[Array, ""]], AutoEncoderState]
  step: Callable[[AutoEncoderState, Key[Array, ""], UInt8[Array, "n h w c"]], tuple[AutoEncoderState, dict]]
  encode: Extract
  reconstruct: Callable[[Params, Float[Array, "b h w c"]], Float[Array, "b h w c"]]


def make_autoencoder(
  config: ConfigDict, image_shape: tuple[int, int, int], pixel_range: PixelRange
) -> AutoEncoder:
  """The auto-encoder for images of `image_shape` (h, w, c): mean squared error, Adam, from `config.autoencoder`."""
  low, high = pixel_range
  sizes = plain.pyramid(*image_shape[:2])
  network = plain.AutoEncoder(sizes, image_shape[2], config.code_channels)
  network_apply = pure(network)
  optimizer = optax.adam(config.learning_rate)

  def init(key: Key[Array, ""]) -> AutoEncoderState:
    params = network.init(stream(key, "autoencoder"), jnp.zeros((1, *image_shape)))
    return AutoEncoderState(params, optimizer.init(params))

  def reconstruct(params, images):
    return low + (high - low) * network_apply(params, images)

  def loss(params, images):
    return jnp.mean(jnp.square(reconstruct(params, images) - images))

  def step(state: AutoEncoderState, key: Key[Array, ""], images: UInt8[Array, "n h w c"]):
    rows = jax.random.randint(stream(key, "batch"), (config.batch_size,), 0, images.shape[0])
    value, gradient = jax.value_and_grad(loss)(state.params, decode(images[rows], pixel_range))
    update, optimizer_state = optimizer.update(gradient, state.optimizer)
    return AutoEncoderState(optax.apply_updates(state.params, update), optimizer_state), {"loss": value}

  return AutoEncoder(init, step, pure(network, "encode"), reconstruct)
