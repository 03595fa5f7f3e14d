"""Who computes what: a mesh of all devices of all processes. On one device everything here is the plain thing.

Results that the host reads lie whole on every device, so that each process has them.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding
from jaxtyping import Array, Int, Int32, UInt8

ALL = "devices"
"""The mesh axis of all devices."""


def several() -> bool:
  """Whether there is more than one device."""
  return jax.device_count() > 1


@functools.cache
def mesh() -> Mesh:
  """All devices in a row."""
  return Mesh(np.array(jax.devices()), (ALL,))


def everywhere() -> Sharding:
  """Where what every device has whole lies."""
  return NamedSharding(mesh(), PartitionSpec()) if several() else SingleDeviceSharding(jax.devices()[0])


def jit(function: Callable[..., Any], **options: Any) -> Any:
  """jax.jit; its results lie whole on every device. Under jax_debug_nans a NaN in them is followed to its operation."""
  if several():
    options["out_shardings"] = everywhere()
  debugged = jax.config.jax_debug_nans  # pyrefly: ignore[missing-attribute] (jax adds its flags as it starts)
  return followed(function, options) if debugged else jax.jit(function, **options)


def followed(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
  """jax.jit; where a result has a NaN the call is done again, operation by operation.

  jax_debug_nans alone names no operation inside a loop, only the loop. Under it jax donates nothing.
  """
  compiled = jax.jit(function, **options)

  @functools.wraps(function)
  def call(*args: Any) -> Any:
    try:
      return compiled(*args)
    except FloatingPointError:
      with jax.disable_jit():
        function(*args)
      # By the single operations there was none: the compiler's rounding made it.
      raise

  return call


def splits(n: int) -> int:
  """Over how many devices a batch of n is split: JAX wants equal parts; the other devices have copies."""
  return math.gcd(n, jax.device_count())


def split(n: int, axis: int = 0) -> Sharding:
  """The sharding of an array whose `axis`, of length n, is split over `splits(n)` devices."""
  devices = np.array(jax.devices()).reshape(splits(n), -1)
  return NamedSharding(Mesh(devices, ("batch", "copies")), PartitionSpec(*[None] * axis, "batch"))


def spread(batch: Array) -> Array:
  """The same batch, split over the devices; inside jit."""
  return lax.with_sharding_constraint(batch, split(len(batch))) if several() else batch


def place(read: Callable[[tuple[slice, ...]], Any], shape: tuple[int, ...], sharding: Sharding) -> Array:
  """The array whose part at `index` is `read(index)`; each process reads those of its devices, each part once."""
  parts: dict[str, np.ndarray] = {}

  def part(index: Any) -> np.ndarray:
    if (key := str(index)) not in parts:
      parts[key] = np.asarray(read(index))
    return parts[key]

  return jax.make_array_from_callback(shape, sharding, part)


def place_batches(
  read: Callable[[Int32[np.ndarray, "*ids"]], UInt8[Any, "*ids h w c"]], ids: Int32[np.ndarray, "*ids"],
  image_shape: tuple[int, ...],
) -> UInt8[Array, "*ids h w c"]:  # fmt: skip
  """`read(ids)` on the devices, the last axis of ids split over them."""
  if not several():
    return jnp.asarray(read(ids))
  sharding = split(ids.shape[-1], ids.ndim - 1)
  return place(lambda index: read(ids[index[: ids.ndim]]), (*ids.shape, *image_shape), sharding)


def place_rows(
  read: Callable[[int, int], UInt8[Any, "m *rest"]], shape: tuple[int, ...]
) -> UInt8[Array, "n *rest"]:
  """`read(0, n)` of `shape` on the devices: rows start..stop-1 each, or all where their number does not divide them."""
  n = shape[0]
  if not several():
    return jax.device_put(read(0, n), may_alias=False)
  sharding = NamedSharding(mesh(), PartitionSpec(ALL)) if n % jax.device_count() == 0 else everywhere()
  return place(lambda index: read(*index[0].indices(n)[:2]), shape, sharding)


def own_rows(n: int) -> tuple[int, Int[Array, ""], Int[Array, ""]]:
  """Of n rows, how many each device takes, this one's first, and its first that no device before it takes.

  Inside `jax.shard_map` over ALL. Where n can not be divided the last devices' rows overlap.
  """
  share = -(-n // jax.device_count())
  fresh = lax.axis_index(ALL) * share
  return share, jnp.minimum(fresh, n - share), fresh


def over_devices(function: Callable[..., Any], in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
  """`function` of arguments of which those with axis 0 have rows [n ...], row by row independent, as have its results.

  Each device computes its share of the rows; inside jit.
  """
  if not several():
    return function
  count = jax.device_count()

  @functools.wraps(function)
  def call(*args: Any) -> Any:
    rows = next(jax.tree.leaves(arg) for arg, axis in zip(args, in_axes, strict=True) if axis == 0)
    n = rows[0].shape[0]
    even = n % count == 0

    def local(*args: Any) -> Any:
      share, start, _ = own_rows(n)
      cut = lambda x: lax.dynamic_slice_in_dim(x, start, share)  # noqa: E731
      if not even:
        args = tuple(
          arg if axis is None else jax.tree.map(cut, arg) for arg, axis in zip(args, in_axes, strict=True)
        )
      return function(*args)

    specs = tuple(PartitionSpec(ALL) if even and axis == 0 else PartitionSpec() for axis in in_axes)
    found = jax.shard_map(local, mesh=mesh(), in_specs=specs, out_specs=PartitionSpec(ALL), check_vma=False)(
      *args
    )
    if even:
      return found
    share = -(-n // count)
    device = np.arange(n) // share
    # A device's rows begin where the last share still fits.
    at = device * share + np.arange(n) - np.minimum(device * share, n - share)
    return jax.tree.map(lambda x: x[at], found)

  return call
