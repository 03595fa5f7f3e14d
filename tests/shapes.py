"""Counting parameters by hand, and shapes of networks without computing anything."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np


def linear(inputs, outputs):
  """Parameters of a linear layer."""
  return inputs * outputs + outputs


def conv(size, inputs, outputs):
  """Parameters of a convolution, transposed or not."""
  return size * size * inputs * outputs + outputs


def convolutions(size, channels):
  """Parameters of convolutions from each number of channels to the next."""
  return sum(conv(size, a, b) for a, b in itertools.pairwise(channels))


def describe(network, *shape, **method):
  """(number of parameters, output shape)."""
  outputs, variables = jax.eval_shape(
    lambda x: network.init_with_output(jax.random.key(0), x, **method), jnp.zeros(shape)
  )
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"])), outputs.shape


def layer_shapes(network, kind, *shape):
  """Output shapes of the layers whose names are `kind` and a number, in order."""
  _, variables = jax.eval_shape(
    lambda x: network.init_with_output(jax.random.key(0), x, capture_intermediates=True), jnp.zeros(shape)
  )
  found = {
    name: layer for name, layer in variables["intermediates"].items() if name.rsplit("_", 1)[0] == kind
  }
  return [found[f"{kind}_{i}"]["__call__"][0].shape for i in range(len(found))]


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def variables(network, x):
  """Normal weights, large enough to saturate a network; running variances are positive."""
  shapes = jax.eval_shape(network.init, jax.random.key(0), x)
  leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
  made = [normal(i, *leaf.shape) for i, (_, leaf) in enumerate(leaves)]
  return tree.unflatten(
    jnp.exp(value) if path[-1].key == "var" else value for (path, _), value in zip(leaves, made, strict=True)
  )


def outputs(network, x):
  """What the network makes of x with normal weights."""
  return jax.jit(network.apply)(variables(network, x), x)
