"""The auto-encoder whose code is one of the feature sets (appendix B), as pure functions. It sees no labels."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int32, Key, UInt8
from ml_collections import ConfigDict

from asal_jax.models.train import descend
from asal_jax.networks import pure, training
from asal_jax.networks.autoencoders import AUTOENCODERS
from asal_jax.networks.plain import pyramid
from asal_jax.rng import stream
from asal_jax.types import AutoEncoder, Params, PixelRange, decode


class AutoEncoderState(NamedTuple):
  """Variables (parameters, running statistics) and optimiser state."""

  variables: Params
  optimizer: Any


def make_autoencoder(
  config: ConfigDict, image_shape: tuple[int, int, int], pixel_range: PixelRange
) -> AutoEncoder:
  """The auto-encoder for images of `image_shape` (h, w, c): mean squared error, Adam, from `config.autoencoder`."""
  low, high = pixel_range
  network = AUTOENCODERS[config.network](pyramid(*image_shape[:2]), image_shape[2], config.code_channels)
  network_apply, network_train = pure(network), training(network)
  optimizer = optax.adam(config.learning_rate)

  def init(key: Key[Array, ""]) -> AutoEncoderState:
    variables = network.init(stream(key, "autoencoder"), jnp.zeros((1, *image_shape)))
    return AutoEncoderState(variables, optimizer.init(variables["params"]))

  def reconstruct(variables, images):
    return low + (high - low) * network_apply(variables, images)

  def loss(params, variables, images, key):
    unit, variables = network_train({**variables, "params": params}, images, key)
    return jnp.mean(jnp.square(low + (high - low) * unit - images)), variables

  def batch_ids(key: Key[Array, ""], n: int) -> Int32[Array, " b"]:
    return jax.random.randint(stream(key, "batch"), (config.batch_size,), 0, n)

  def step(state: AutoEncoderState, key: Key[Array, ""], images: UInt8[Array, "b h w c"]):
    (value, variables), gradient = jax.value_and_grad(loss, has_aux=True)(
      state.variables["params"], state.variables, decode(images, pixel_range), stream(key, "dropout")
    )
    return AutoEncoderState(*descend(optimizer, gradient, variables, state.optimizer)), {"loss": value}

  return AutoEncoder(init, batch_ids, step, pure(network, "encode"), reconstruct)
