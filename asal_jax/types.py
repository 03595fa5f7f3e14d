"""Array aliases and the seams between rooms, each with its contract.

A seam is a record of pure functions: a maker binds numbers and functions, every array arrives as an argument.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, Key, PyTree, UInt8

Params = PyTree[Any]
PixelRange = tuple[float, float]
"""The values that black (0) and white (255) have for the networks, for instance (0.0, 1.0)."""

Score = Callable[[Float[Array, "n k"]], Float[Array, " n"]]
"""Logits to informativeness, larger = ask sooner; used on the pool and on generated images alike."""

Extract = Callable[[Params, Float[Array, "b h w c"]], Float[Array, "b d"]]
"""Images to the features in which synthetic and real samples are compared."""

Oracle = Callable[[Int32[np.ndarray, "*batch"]], Int32[np.ndarray, "*batch"]]
"""Pool ids to their labels."""

Labeller = Callable[[int, UInt8[np.ndarray, "s b h w c"]], Int32[np.ndarray, "s b"]]
"""(cycle, its images of all seeds) -> their labels, -1 where an image is rejected."""


class Data(NamedTuple):
  """Images uint8 [n, h, w, c] or a `Pool`, and labels int32 [n] in 0..k-1; -1 where people have yet to say it."""

  images: Any
  labels: Int32[np.ndarray, " n"]


class Splits(NamedTuple):
  """A benchmark's data. `class_names[k]` is how label k is shown; `validation` is never touched by a run.

  A test set of no images means that there is none. `files` and `test_files` are what the images are called, paths
  below `folder`; () where they have no names. `identity` tells these images, in this order and by these names, from
  others; '' where they have none. `pictures` (a `Pool`) and `test_pictures` are what people are shown where the data
  are no images, but embeddings of them.
  """

  pool: Data
  test: Data
  class_names: tuple[str, ...]
  validation: Data | None = None
  files: Sequence[str] = ()
  test_files: Sequence[str] = ()
  folder: str = ""
  identity: str = ""
  pictures: Any = None
  test_pictures: Any = None

  @property
  def shown(self) -> Any:
    """The `Pool` of what people are shown."""
    return self.pool.images if self.pictures is None else self.pictures


class GAN(NamedTuple):
  """An unconditional GAN as pure functions over a train state `S`.

  init(key) -> S; batch_ids(key, n) -> i32[critic steps, b]: the pool's samples that an iteration sees, of n;
  step(S, key, their images u8[critic steps, b h w c]) -> (S, metrics): one generator step and its critic steps;
  generate(variables of the generator, z f32[b latent]) -> f32[b h w c], by running statistics where the generator
  normalises by batches; generate_by_batch: the same by the statistics of this batch, as in training;
  critic_features(variables of the critic, images) -> f32[b d]: the flattened last convolution, dropout off.
  """

  init: Callable[[Key[Array, ""]], Any]
  batch_ids: Callable[[Key[Array, ""], int], Int32[Array, "steps b"]]
  step: Callable[[Any, Key[Array, ""], UInt8[Array, "steps b h w c"]], tuple[Any, dict[str, Array]]]
  generate: Callable[[Params, Float[Array, "b z"]], Float[Array, "b h w c"]]
  generate_by_batch: Callable[[Params, Float[Array, "b z"]], Float[Array, "b h w c"]]
  critic_features: Extract
  latent_dim: int


class AutoEncoder(NamedTuple):
  """An auto-encoder as pure functions over a train state `S`.

  init(key) -> S; batch_ids(key, n) -> i32[b]: the pool's samples that an iteration sees, of n; step(S, key, their
  images u8[b h w c]) -> (S, metrics); encode(variables, images f32[b h w c]) -> f32[b d]; reconstruct(variables,
  images) -> f32[b h w c].
  """

  init: Callable[[Key[Array, ""]], Any]
  batch_ids: Callable[[Key[Array, ""], int], Int32[Array, " b"]]
  step: Callable[[Any, Key[Array, ""], UInt8[Array, "b h w c"]], tuple[Any, dict[str, Array]]]
  encode: Extract
  reconstruct: Callable[[Params, Float[Array, "b h w c"]], Float[Array, "b h w c"]]


class Classifier(NamedTuple):
  """A classifier as pure functions; images come in the pixel range of the data, whichever the network itself sees.

  init(key) -> params; logits(params, images f32[n h w c]) -> f32[n k], k = 1 for two classes;
  training_logits(params, images, key): the same with dropout, where the network has any;
  loss(logits, labels i32[n]) -> f32[n]; hidden(params, images) -> f32[n d]: the input of the last layer, flat, dropout
  off.
  """

  init: Callable[[Key[Array, ""]], Params]
  logits: Callable[[Params, Float[Array, "n h w c"]], Float[Array, "n k"]]
  training_logits: Callable[[Params, Float[Array, "n h w c"], Key[Array, ""]], Float[Array, "n k"]]
  loss: Callable[[Float[Array, "n k"], Int32[Array, " n"]], Float[Array, " n"]]
  hidden: Extract


@runtime_checkable
class Pool(Protocol):
  """Unlabelled images by id 0..n-1, of which n may be any number: only what is read is in memory."""

  @property
  def image_shape(self) -> tuple[int, int, int]:
    """Height, width and channels."""
    ...

  @property
  def resident(self) -> UInt8[Array, "n h w c"] | None:
    """The whole pool on the device where it fits there, else None."""
    ...

  def __len__(self) -> int:
    """How many images there are."""
    ...

  def fingerprint(self) -> str:
    """A hash of what the images are (never of labels): equal pools have equal ones; made once, without a full read
    where the pool knows what it was made from."""
    ...

  def read(self, ids: Int32[np.ndarray, "*batch"]) -> UInt8[Any, "*batch h w c"]:
    """The images of `ids`, in that order; on the device where the pool is resident, else on the host."""
    ...

  def block(self, start: int, stop: int) -> UInt8[Any, "m h w c"]:
    """The images of ids start..stop-1, read in one go; where as `read`."""
    ...


@runtime_checkable
class Index(Protocol):
  """A nearest-neighbour index over pool features (Euclidean distance), ids 0..n-1 in the order given.

  `search` returns the k nearest neighbours of each query that are not excluded, nearest first, distances beside
  them; where fewer than k are left the rest of the row is id -1 at distance inf. No row holds an id twice.
  """

  @classmethod
  def build(
    cls, features: Float32[np.ndarray, "n d"], folder: pathlib.Path | None = None, **options: Any
  ) -> "Index":
    """Index `features`, which may be a memory map; `options` are the index's own numbers, from `config.index`.

    With a folder (existing) the index is kept there, part by part where building takes long: the same call goes on
    with what is missing.
    """
    ...

  @classmethod
  def load(cls, folder: pathlib.Path) -> "Index":
    """Read what `build` kept."""
    ...

  def __len__(self) -> int:
    """How many features there are."""
    ...

  def search(
    self, queries: Float32[np.ndarray, "m d"], k: int, excluded: Int32[np.ndarray, " e"]
  ) -> tuple[Float32[np.ndarray, "m k"], Int32[np.ndarray, "m k"]]:
    """The k nearest neighbours of each query whose ids are not among `excluded` (any order): (distances, ids)."""
    ...


class LabelledSet(NamedTuple):
  """What a strategy knows of the labelled, a row a seed: `ids` i32[s e] and `labels` i32[s e], -1 where rejected."""

  ids: Int32[np.ndarray, "s e"]
  labels: Int32[np.ndarray, "s e"]


class Choice(NamedTuple):
  """What a strategy asks for: `ids` i32[s b], distinct and unlabelled in each row, and what choosing them cost.

  `calls` i32[s]: how many images of the pool the classifier has scored for it.
  """

  ids: Int32[np.ndarray, "s b"]
  calls: Int32[np.ndarray, " s"]


Query = Callable[[Key[Array, " s"], int, Params, LabelledSet], Choice]
"""A strategy: (a key a seed, cycle, classifier params [s ...], what is labelled) -> what to ask for."""


def decode(images: UInt8[Array, "*n h w c"], pixel_range: PixelRange) -> Float[Array, "*n h w c"]:
  """Bytes as stored to the values that networks see; on device, inside jit."""
  low, high = pixel_range
  return low + images.astype(jax.numpy.float32) * ((high - low) / 255)


def rescale(images: Float[Array, "*n"], seen: PixelRange, wanted: PixelRange) -> Float[Array, "*n"]:
  """Images of one pixel range in another; the same array where both are equal."""
  if seen == wanted:
    return images
  return wanted[0] + (images - seen[0]) * ((wanted[1] - wanted[0]) / (seen[1] - seen[0]))


def encode(images: Float[Any, "*n h w c"], pixel_range: PixelRange) -> UInt8[np.ndarray, "*n h w c"]:
  """What networks see back to bytes, on the host: the inverse of `decode`."""
  low, high = pixel_range
  return np.clip(np.round((np.asarray(images) - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
