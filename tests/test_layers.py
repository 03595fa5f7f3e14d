"""The CPU forms of the layers against the native XLA convolutions: values, first and second derivatives."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from asal_jax.networks import layers

LAYOUT = ("NHWC", "HWIO", "NHWC")


def native_conv(x, kernel, stride, padding):
  return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=LAYOUT)


def native_transpose(x, kernel, stride):
  return lax.conv_transpose(
    x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT, transpose_kernel=True
  )


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def derivatives(function):
  """Jitted (x, kernel) -> values, both gradients, and both gradients of a gradient penalty."""

  def total(x, kernel):
    return jnp.sum(jnp.tanh(function(x, kernel)))

  def penalty(x, kernel):
    gradient = jax.grad(total)(x, kernel)
    return jnp.mean(jnp.square(jnp.sqrt(jnp.sum(jnp.square(gradient), axis=(1, 2, 3))) - 1))

  def everything(x, kernel):
    both = (0, 1)
    return function(x, kernel), jax.grad(total, both)(x, kernel), jax.grad(penalty, both)(x, kernel)

  return jax.jit(everything)


def check_equal(ours, truth, x, kernel):
  found, expected = derivatives(ours)(x, kernel), derivatives(truth)(x, kernel)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, float(np.abs(b).max())))


# Few features go by tiles, many do not.
@pytest.mark.parametrize("features", [4, 96])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_conv_equals_native(stride, padding, kernel, features):
  # Odd and even, not square.
  x, weights = normal(0, 2, 7, 10, 3), normal(1, kernel, kernel, 3, features) / kernel**2
  check_equal(
    lambda x, k: layers.conv(x, k, stride, padding),
    lambda x, k: native_conv(x, k, stride, padding),
    x,
    weights,
  )


@pytest.mark.parametrize(("kernel", "channels", "features", "tiled"), [
  (5, 1, 6, True), (5, 20, 50, True), (3, 16, 32, True), (3, 32, 64, False), (3, 3, 96, False), (1, 192, 10, False),
])  # fmt: skip
def test_form_of_a_convolution_goes_by_its_features(kernel, channels, features, tiled):
  x, weights = jnp.zeros((2, 8, 8, channels)), jnp.zeros((kernel, kernel, channels, features))
  product = str(jax.make_jaxpr(layers.conv)(x, weights)).split("dot_general")[0]
  columns = (kernel + 1) ** 2 * channels if tiled else kernel**2 * channels
  assert f",{columns}] " in product


@pytest.mark.parametrize(("stride", "kernel"), [(1, 3), (1, 5), (2, 2), (2, 3), (2, 4), (2, 5)])
def test_conv_transpose_equals_native(stride, kernel):
  x, weights = normal(0, 2, 3, 4, 4), normal(1, kernel, kernel, 3, 4) / kernel**2
  check_equal(
    lambda x, k: layers.conv_transpose(x, k, stride), lambda x, k: native_transpose(x, k, stride), x, weights
  )


def test_conv_transpose_is_the_transpose_of_conv():
  x, y, kernel = normal(0, 2, 10, 6, 3), normal(1, 2, 5, 3, 4), normal(2, 5, 5, 3, 4)
  # <conv x, y> = <x, conv^T y>, in the layout of one kernel.
  left = np.sum(np.asarray(native_conv(x, kernel, 2, "SAME"), float) * y)
  right = np.sum(np.asarray(layers.conv_transpose(y, kernel), float) * x)
  np.testing.assert_allclose(left, right, rtol=1e-4)


def test_native_form_is_behind_the_same_functions(monkeypatch):
  x, y = normal(0, 2, 6, 6, 3), normal(1, 2, 3, 3, 4)
  kernel = normal(2, 5, 5, 3, 4)

  def programs():
    calls = lambda x, k: layers.conv(x, k, 2, "SAME"), lambda y, k: layers.conv_transpose(y, k, 2)
    return [str(jax.make_jaxpr(f)(v, kernel)) for f, v in zip(calls, (x, y), strict=True)]

  if jax.default_backend() == "cpu":
    assert all("conv_general_dilated" not in program for program in programs())
  monkeypatch.setattr(layers, "_native", lambda: True)
  assert all("conv_general_dilated" in program for program in programs())
  np.testing.assert_array_equal(layers.conv(x, kernel, 2), native_conv(x, kernel, 2, "SAME"))
  np.testing.assert_array_equal(layers.conv_transpose(y, kernel), native_transpose(y, kernel, 2))


def test_vmap_over_kernels():
  x, kernels = normal(0, 2, 6, 5, 3), normal(1, 4, 3, 3, 3, 2)
  found = jax.vmap(layers.conv, (None, 0))(x, kernels)
  expected = np.stack([native_conv(x, kernel, 1, "SAME") for kernel in kernels])
  np.testing.assert_allclose(found, expected, atol=1e-5)
  y = normal(2, 2, 3, 4, 2)
  found = jax.vmap(layers.conv_transpose, (None, 0))(y, kernels)
  expected = np.stack([native_transpose(y, kernel, 2) for kernel in kernels])
  np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("batched", [False, True])
def test_matmul_equals_the_plain_product(batched):
  def derivatives(product):
    def total(x, kernel):
      return jnp.sum(jnp.tanh(product(x, kernel)))

    def penalty(x, kernel):
      return jnp.sum(jnp.square(jax.grad(total)(x, kernel)))

    both = (0, 1)
    function = lambda x, k: (product(x, k), jax.grad(total, both)(x, k), jax.grad(penalty, both)(x, k))  # noqa: E731
    return jax.jit(jax.vmap(function) if batched else function)

  lead = (3,) if batched else ()
  x, kernel = normal(0, *lead, 6, 5), normal(1, *lead, 5, 4)
  found, expected = derivatives(layers.matmul)(x, kernel), derivatives(jnp.matmul)(x, kernel)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_dense_equals_linens():
  x, key = normal(0, 6, 5), jax.random.key(0)
  ours, linens = layers.Dense(4), nn.Dense(4)
  params = ours.init(key, x)
  jax.tree.map(np.testing.assert_array_equal, params, linens.init(key, x))
  np.testing.assert_allclose(ours.apply(params, x), linens.apply(params, x), atol=1e-6)


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
def test_max_pool(size):
  x = normal(0, 2, *size, 3)
  np.testing.assert_array_equal(layers.max_pool(x), nn.max_pool(x, (2, 2), strides=(2, 2)))


def test_leaky_relu():
  np.testing.assert_allclose(layers.leaky_relu(jnp.array([-5.0, 0.0, 3.0])), [-1.0, 0.0, 3.0])


@pytest.mark.parametrize(
  ("layer", "fan_in", "fan_out"),
  [
    (layers.Conv(16, stride=2), 25 * 8, 25 * 16 / 4),
    (layers.Conv(16), 25 * 8, 25 * 16),
    (layers.ConvTranspose(16), 25 * 8 / 4, 25 * 16),
  ],
)
def test_initial_weights(layer, fan_in, fan_out):
  # Uniform of variance 4 / (fan_in + fan_out), a stride counting once (Gulrajani et al. 2017, their code).
  params = layer.init(jax.random.key(0), jnp.zeros((1, 4, 4, 8)))["params"]
  variance = 4 / (fan_in + fan_out)
  kernel = np.asarray(params["kernel"])
  assert kernel.size == 25 * 8 * 16
  np.testing.assert_allclose(kernel.var(), variance, rtol=0.1)
  assert np.abs(kernel).max() <= np.sqrt(3 * variance)
  np.testing.assert_array_equal(params["bias"], np.zeros(16))


def test_bias_is_added():
  layer = layers.ConvTranspose(2, size=3)
  params = {"params": {"kernel": jnp.zeros((3, 3, 2, 3)), "bias": jnp.array([1.0, -2.0])}}
  out = layer.apply(params, jnp.ones((1, 2, 3, 3)))
  np.testing.assert_array_equal(out, np.broadcast_to([1.0, -2.0], (1, 4, 6, 2)))


def bfloat16(function):
  """The function, traced where products are asked for in bfloat16."""

  def traced(*arguments):
    with jax.default_matmul_precision("bfloat16"):
      return function(*arguments)

  return traced


def relative_error(found, truth) -> float:
  """The distance of two arrays, as a share of the second's length."""
  return float(jnp.linalg.norm(jnp.ravel(found - truth)) / jnp.linalg.norm(jnp.ravel(truth)))


BY_FORM = {
  "strided": lambda x, k: layers.conv(x, k, 2),
  "tiles": lambda x, k: layers.conv(x, k),
  "transposed": lambda x, k: layers.conv_transpose(x, k, 2),
}


def image_and_kernel(form: str):
  channels = 16 if form == "tiles" else 24
  x = normal(0, 8, 9, 10, 6 if form == "transposed" else channels)
  return x, normal(1, 5, 5, channels, 6) / 25


@pytest.mark.parametrize("form", BY_FORM)
def test_bfloat16_rounds_the_factors_and_sums_in_float32(form):
  x, kernel = image_and_kernel(form)
  rounded = (x.astype(jnp.bfloat16).astype(jnp.float32), kernel.astype(jnp.bfloat16).astype(jnp.float32))
  found = jax.jit(bfloat16(BY_FORM[form]))(x, kernel)
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found, BY_FORM[form](*rounded), atol=1e-5)
  assert relative_error(found, BY_FORM[form](x, kernel)) > 1e-4


@pytest.mark.parametrize("form", BY_FORM)
def test_bfloat16_derivatives_are_near_those_of_float32(form):
  # A factor has 8 bits, each off by up to 0.4 %; the gradient of a penalty is made of three products in a row.
  x, kernel = image_and_kernel(form)
  found = jax.tree.leaves(bfloat16(derivatives(BY_FORM[form]))(x, kernel))
  for a, b in zip(found, jax.tree.leaves(derivatives(BY_FORM[form])(x, kernel)), strict=True):
    assert a.dtype == jnp.float32
    assert relative_error(a, b) < 0.02


@pytest.mark.parametrize("form", BY_FORM)
def test_bfloat16_below_vmap_and_of_one_feature(form):
  x, kernel = image_and_kernel(form)
  several = jnp.stack([kernel, -kernel])
  loss = lambda k: jnp.sum(jnp.tanh(BY_FORM[form](x, k)))  # noqa: E731
  found = jax.jit(bfloat16(jax.vmap(jax.grad(loss))))(several)
  assert relative_error(found, jax.vmap(jax.grad(loss))(several)) < 0.02
  one = (x[..., :1], kernel[..., :1]) if form == "transposed" else (x, kernel[..., :1])
  grads = jax.jit(bfloat16(jax.grad(lambda x, k: jnp.sum(jnp.tanh(BY_FORM[form](x, k))), (0, 1))))(*one)
  truth = jax.grad(lambda x, k: jnp.sum(jnp.tanh(BY_FORM[form](x, k))), (0, 1))(*one)
  for a, b in zip(grads, truth, strict=True):
    assert relative_error(a, b) < 0.02
