"""Layers with one parameter layout and, per back end, the fastest form: matrix products on CPU, native elsewhere.

XLA's CPU convolutions are several times slower than a gather of strided slices and one matrix product, above
all for strided and transposed ones and for their first and second derivatives.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _native() -> bool:
  """Whether the back end has fast convolutions of its own; the only place where that is decided."""
  return jax.default_backend() != "cpu"


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
  """Output size and zeros before the first pixel for padding 'SAME' along one side (TensorFlow's rule)."""
  out = -(-size // stride)
  return out, max((out - 1) * stride + kernel - size, 0) // 2


def conv(
  x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c n"], stride: int = 1, padding: str = "SAME"
) -> Float[Array, "b oh ow n"]:
  """Convolution, equal to `lax.conv_general_dilated` in values and derivatives of any order (to rounding)."""
  if _native():
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT)
  kh, kw, channels, features = kernel.shape
  (oh, top), (ow, left) = (
    _same_padding(size, k, stride) if padding == "SAME" else ((size - k) // stride + 1, 0)
    for size, k in ((x.shape[1], kh), (x.shape[2], kw))
  )
  rows, columns = (oh - 1) * stride + kh, (ow - 1) * stride + kw
  bottom, right = rows - x.shape[1] - top, columns - x.shape[2] - left
  # A negative amount crops: with padding 'VALID' or odd sizes the last pixels may not be reached.
  x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)))
  slices = [
    x[:, i : rows - kh + 1 + i : stride, j : columns - kw + 1 + j : stride]
    for i in range(kh)
    for j in range(kw)
  ]
  patches = jnp.concatenate(slices, axis=-1).reshape(-1, kh * kw * channels)
  return (patches @ kernel.reshape(-1, features)).reshape(x.shape[0], oh, ow, features)


def conv_transpose(
  x: Float[Array, "b h w n"], kernel: Float[Array, "kh kw c n"], stride: int = 2
) -> Float[Array, "b sh sw c"]:
  """The transpose of the 'SAME' convolution with this kernel: [b, h, w, n] to [b, stride h, stride w, c].

  On CPU the linear transpose of `conv`: one matrix product, whose columns are added into the image.
  """
  if _native():
    return lax.conv_transpose(
      x, kernel, (stride, stride), "SAME", dimension_numbers=_LAYOUT, transpose_kernel=True
    )
  batch, h, w, _ = x.shape
  image = jax.ShapeDtypeStruct((batch, stride * h, stride * w, kernel.shape[2]), x.dtype)
  return jax.linear_transpose(lambda y: conv(y, kernel, stride), image)(x)[0]


def max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
  """2x2 max-pooling with stride 2, an odd last row or column dropped."""
  b, h, w, c = x.shape
  return x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


def leaky_relu(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
  """Leaky ReLU of slope 0.2, the one of the GAN code bases the paper builds on."""
  return jnp.maximum(x, 0.2 * x)


def he_uniform(fan_in: float, fan_out: float):
  """Uniform with variance 4 / (fan_in + fan_out): He's for the mean fan (Gulrajani 2017's plain nets)."""
  bound = math.sqrt(12 / (fan_in + fan_out))
  return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


class Conv(nn.Module):
  """Convolution with bias; the fans of its initial weights count each output once per `stride`^2 inputs."""

  features: int
  size: int = 5
  stride: int = 1
  padding: str = "SAME"

  @nn.compact
  def __call__(self, x):
    """[b, h, w, c] to [b, oh, ow, features]."""
    area, channels = self.size**2, x.shape[-1]
    init = he_uniform(area * channels, area * self.features / self.stride**2)
    kernel = self.param("kernel", init, (self.size, self.size, channels, self.features))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return conv(x, kernel, self.stride, self.padding) + bias[None, None, None]


class ConvTranspose(nn.Module):
  """Transposed 'SAME' convolution of stride 2 with bias; kernel layout [size, size, out, in]."""

  features: int
  size: int = 5

  @nn.compact
  def __call__(self, x):
    """[b, h, w, c] to [b, 2 h, 2 w, features]."""
    area, channels = self.size**2, x.shape[-1]
    init = he_uniform(area * channels / 4, area * self.features)
    kernel = self.param("kernel", init, (self.size, self.size, self.features, channels))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return conv_transpose(x, kernel) + bias[None, None, None]
