"""Layers with one parameter layout and, per back end, the fastest form: matrix products on CPU, native elsewhere.

XLA's CPU convolutions are several times slower than a gather of strided slices and one matrix product, above
all for strided and transposed ones and for their first and second derivatives.
"""

import functools
import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")

GATHERED = 56
"""Multiply-additions in the time in which a CPU gathers one value of a window (measured on a Zen 4)."""


def _native() -> bool:
  """Whether the back end has fast convolutions of its own; the only place where that is decided."""
  return jax.default_backend() != "cpu"


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
  """Output size and zeros before the first pixel for padding 'SAME' along one side (TensorFlow's rule)."""
  out = -(-size // stride)
  return out, max((out - 1) * stride + kernel - size, 0) // 2


def precision() -> str | None:
  """What products are asked for in: `config.precision`, where `jax.default_matmul_precision` sets it."""
  settings: Any = jax.config  # Its fields are made at run time.
  return settings.jax_default_matmul_precision


def _reduced() -> bool:
  """Whether factors become bfloat16; the only place where that is decided."""
  return precision() == "bfloat16"


def _factor(x: Array) -> Array:
  """x as a factor of a product: bfloat16 where that is asked for, else as it is."""
  return x.astype(jnp.bfloat16) if _reduced() else x


def _product(a: Array, b: Array, contract: tuple[int, int]) -> Float[Array, "i j"]:
  """The product over one axis of each, summed in float32 or better whatever the factors are."""
  sums = jnp.promote_types(a.dtype, jnp.float32)
  return lax.dot_general(a, b, (((contract[0],), (contract[1],)), ((), ())), preferred_element_type=sums)


def conv(
  x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c n"], stride: int = 1, padding: str = "SAME"
) -> Float[Array, "b oh ow n"]:
  """Convolution, equal to `lax.conv_general_dilated` in values and derivatives of any order (to rounding)."""
  if _native():
    factors = _factor(x), _factor(kernel)
    y = lax.conv_general_dilated(*factors, (stride, stride), padding, dimension_numbers=_LAYOUT)
    return y.astype(x.dtype)
  if stride == 1 and _tiles_pay(*kernel.shape):
    return _conv_by_tiles(x, kernel, padding)
  (oh, top), (ow, left) = _output_sizes(x, kernel, stride, padding)
  return _gather(x, kernel, _Windows(kernel.shape[:2], (top, left), (oh, ow), stride, x.shape[1:3]))


def _tiles_pay(kh: int, kw: int, channels: int, features: int) -> bool:
  """Whether 2x2 outputs from one window take less time than four windows, which hold more values but fewer products.

  Where the ratio of a machine is another, it is wrong only where both take about the same time.
  """
  window, shared = kh * kw, (kh + 1) * (kw + 1)
  return GATHERED * (window - shared / 4) > features * (shared - window)


class _Windows(NamedTuple):
  """Which windows of an image a convolution takes: size, zeros before the first pixel, how many, how far apart."""

  size: tuple[int, ...]
  before: tuple[int, ...]
  count: tuple[int, ...]
  stride: int
  image: tuple[int, ...]


# A convolution, its transpose and its kernel's gradient: each one's derivatives are the other two, to any order.
@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _gather(x, kernel, windows: _Windows):
  """[b h w c], [kh kw c n] to [b oh ow n]."""
  features = kernel.shape[3]
  y = _product(_patches(windows, _factor(x)), _factor(kernel).reshape(-1, features), (1, 0))
  return y.reshape(x.shape[0], *windows.count, features)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _scatter(y, kernel, windows: _Windows):
  """[b oh ow n], [kh kw c n] to [b h w c]: the transpose of `_gather`, added up in float32."""
  channels, features = kernel.shape[2:]
  columns = _product(_factor(y).reshape(-1, features), _factor(kernel).reshape(-1, features), (1, 1))
  image = jax.ShapeDtypeStruct((y.shape[0], *windows.image, channels), columns.dtype)
  return jax.linear_transpose(functools.partial(_patches, windows), image)(columns)[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x, y, windows: _Windows):
  """[b h w c], [b oh ow n] to [kh kw c n]: the gradient by the kernel."""
  channels, features = x.shape[3], y.shape[3]
  if not _reduced():
    kernel = _product(_patches(windows, x), y.reshape(-1, features), (0, 0))
    return kernel.reshape(*windows.size, channels, features)
  # XLA has no fast bfloat16 product over the rows of both factors; moved in four dimensions, y's stay columns.
  rows = _factor(y).transpose(3, 0, 1, 2).reshape(features, -1)
  kernel = _product(rows, _patches(windows, _factor(x)), (1, 0))
  return kernel.reshape(features, *windows.size, channels).transpose(1, 2, 3, 0)


_gather.defvjp(
  lambda x, kernel, windows: (_gather(x, kernel, windows), (x, kernel)),
  lambda windows, saved, g: (_scatter(g, saved[1], windows), _correlate(saved[0], g, windows)),
)
_scatter.defvjp(
  lambda y, kernel, windows: (_scatter(y, kernel, windows), (y, kernel)),
  lambda windows, saved, g: (_gather(g, saved[1], windows), _correlate(g, saved[0], windows)),
)
_correlate.defvjp(
  lambda x, y, windows: (_correlate(x, y, windows), (x, y)),
  lambda windows, saved, g: (_scatter(saved[1], g, windows), _gather(saved[0], g, windows)),
)


def _output_sizes(x, kernel, stride: int, padding: str) -> tuple[tuple[int, int], ...]:
  """For rows and columns: the output's size and the zeros before the first pixel."""
  if padding == "SAME":
    return tuple(_same_padding(x.shape[i + 1], kernel.shape[i], stride) for i in range(2))
  return tuple(((x.shape[i + 1] - kernel.shape[i]) // stride + 1, 0) for i in range(2))


def _patches(windows: _Windows, x: Array) -> Array:
  """The windows of x, each a row: [b oh ow, kh kw c].

  First x is taken apart into its stride^2 phases (every stride-th row and column), so that the windows are kh kw plain
  slices of them: the transposed operation then adds plain slices, twice as fast as strided ones.
  """
  if x.dtype == jnp.bfloat16:
    # As words: XLA's CPU back end would join the slices of bfloat16 in float32.
    words = _patches(windows, lax.bitcast_convert_type(x, jnp.uint16))
    return lax.bitcast_convert_type(words, jnp.bfloat16)
  (kh, kw), before, out, stride, image = windows
  channels = x.shape[-1]
  sizes = [-(-((n - 1) * stride + k) // stride) * stride for n, k in zip(out, (kh, kw), strict=True)]
  # A negative amount crops: with padding 'VALID' or odd sizes the last pixels may not be reached.
  after = [size - image[i] - before[i] for i, size in enumerate(sizes)]
  x = lax.pad(
    x, jnp.zeros((), x.dtype), ((0, 0, 0), (before[0], after[0], 0), (before[1], after[1], 0), (0, 0, 0))
  )
  # Neighbouring columns are side by side in memory: where they divide a window they stay together.
  joined = stride if kw % stride == 0 else 1
  x = x.reshape(*x.shape[:2], -1, joined * x.shape[3])
  step = stride // joined
  phases = [[x[:, i::stride, j::step] for j in range(step)] for i in range(stride)]
  slices = [
    phases[i % stride][j % step][:, i // stride : i // stride + out[0], j // step : j // step + out[1]]
    for i in range(kh)
    for j in range(kw // joined)
  ]
  return jnp.concatenate(slices, axis=-1).reshape(-1, kh * kw * channels)


def _conv_by_tiles(x, kernel, padding: str):
  """Stride-1 convolution that makes 2x2 outputs from each window of (kh + 1) x (kw + 1).

  With few channels the gather of windows, not the product, takes the time: it shrinks from 4 kh kw values for
  four outputs to (kh + 1)(kw + 1).
  """
  kh, kw, _, features = kernel.shape
  (oh, top), (ow, left) = _output_sizes(x, kernel, 1, padding)
  tiles = -(-oh // 2), -(-ow // 2)
  shifts = [jnp.pad(kernel, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i in range(2) for j in range(2)]
  shifted = jnp.stack(shifts, axis=3).reshape(kh + 1, kw + 1, -1, 4 * features)
  y = _gather(x, shifted, _Windows((kh + 1, kw + 1), (top, left), tiles, 2, x.shape[1:3]))
  y = y.reshape(x.shape[0], *tiles, 2, 2, features).transpose(0, 1, 3, 2, 4, 5)
  return y.reshape(x.shape[0], 2 * tiles[0], 2 * tiles[1], features)[:, :oh, :ow]


def conv_transpose(
  x: Float[Array, "b h w n"], kernel: Float[Array, "kh kw c n"], stride: int = 2
) -> Float[Array, "b sh sw c"]:
  """The transpose of the 'SAME' convolution with this kernel: [b, h, w, n] to [b, stride h, stride w, c].

  On CPU one matrix product, whose columns are added into the image.
  """
  if _native():
    factors = _factor(x), _factor(kernel)
    y = lax.conv_transpose(
      *factors, (stride, stride), "SAME", dimension_numbers=_LAYOUT, transpose_kernel=True
    )
    return y.astype(x.dtype)
  count, image = x.shape[1:3], tuple(stride * size for size in x.shape[1:3])
  before = tuple(_same_padding(image[i], kernel.shape[i], stride)[1] for i in range(2))
  return _scatter(x, kernel, _Windows(kernel.shape[:2], before, count, stride, image))


@jax.custom_vjp
def matmul(x: Float[Array, "b i"], kernel: Float[Array, "i o"]) -> Float[Array, "b o"]:
  """x @ kernel, whose gradient by the kernel is made as [i, o].

  jax's own rule makes it as [o, i] and turns it, which below vmap XLA leaves to whoever reads it: strided reads in
  every line of Adam, a third of a step of the CelebA classifier. In float32 always: below vmap a CPU's products of
  bfloat16 were slower at the sizes of LeNet-5 and CelebA; an accelerator's follow jax's own precision.
  """
  return x @ kernel


def _matmul_backward(saved, gradient):
  x, kernel = saved
  return _product(gradient, kernel, (1, 1)), _product(x, gradient, (0, 0))


matmul.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _matmul_backward)


def max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
  """2x2 max-pooling with stride 2, an odd last row or column dropped."""
  b, h, w, c = x.shape
  x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c)
  # Not x.max(axis=(2, 4)): its gradient divides by the number of values that equal the maximum, which is zero where XLA
  # computes x twice and rounds it differently.
  larger = lambda a, b: jnp.where(a >= b, a, b)  # noqa: E731
  x = larger(x[:, :, 0], x[:, :, 1])
  return larger(x[:, :, :, 0], x[:, :, :, 1])


def leaky_relu(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
  """Leaky ReLU of slope 0.2, the one of the GAN code bases the paper builds on."""
  return jnp.maximum(x, 0.2 * x)


def batch_norm() -> nn.BatchNorm:
  """Batch normalisation over all axes but the last; call it with (x, use_running_average=...)."""
  return nn.BatchNorm(momentum=0.9)


def mean_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
  """The mean of every 2x2 pixels; even height and width."""
  b, h, w, c = x.shape
  return x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def upsample(x: Float[Array, "b h w c"]) -> Float[Array, "b 2*h 2*w c"]:
  """Every pixel four times: nearest-neighbour up-sampling by two."""
  return x.repeat(2, axis=1).repeat(2, axis=2)


def fan_uniform(fan_in: float, fan_out: float, he: bool = True):
  """Uniform with variance 4 / (fan_in + fan_out), He's for the mean fan (Gulrajani 2017), or half of it: Glorot's."""
  bound = math.sqrt((12 if he else 6) / (fan_in + fan_out))
  return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


class Dense(nn.Module):
  """linen's Dense on `matmul`: Lecun's initial weights, a bias of zero."""

  features: int

  @nn.compact
  def __call__(self, x):
    """[b, i] to [b, features]."""
    kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.features))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return matmul(x, kernel) + bias[None]


class Conv(nn.Module):
  """Convolution with bias; the fans of its initial weights count each output once per `stride`^2 inputs.

  These are He's, or with `he` of False Glorot's.
  """

  features: int
  size: int = 5
  stride: int = 1
  padding: str = "SAME"
  he: bool = True

  @nn.compact
  def __call__(self, x):
    """[b, h, w, c] to [b, oh, ow, features]."""
    area, channels = self.size**2, x.shape[-1]
    init = fan_uniform(area * channels, area * self.features / self.stride**2, self.he)
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
    init = fan_uniform(area * channels / 4, area * self.features)
    kernel = self.param("kernel", init, (self.size, self.size, self.features, channels))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return conv_transpose(x, kernel) + bias[None, None, None]
