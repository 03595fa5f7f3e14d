"""Features in which samples are matched: an extractor, PCA to few dimensions, one pass over the pool."""

import contextlib
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from asal_jax import devices
from asal_jax.pools.blocks import block_rows, block_size, fold_blocks, map_blocks, walk
from asal_jax.store.progress import Progress
from asal_jax.store.rows import Partial, RowWriter
from asal_jax.types import Extract, Index, Params, PixelRange, Pool, decode


class PCA(NamedTuple):
  """Principal components: x -> (x - mean) @ components."""

  mean: Float[Array, " d"]
  components: Float[Array, "d k"]


class FeatureSet(NamedTuple):
  """One way to compare samples: features of images, and the pool's in an index.

  project(params, images f32[b h w c]) -> f32[b k], jittable; `features` f32[n k] are the pool's, mapped from disk.
  """

  project: Extract
  params: Params
  features: Float32[np.ndarray, "n k"]
  index: Index


def pixels(params: Params, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
  """The raw pixel values (ASAL-Gray / ASAL-RGB): f32[b, h w c]. `params` is not used."""
  return images.reshape(images.shape[0], -1)


def fit_pca(
  extract: Extract,
  params: Params,
  pool: Pool,
  k: int,
  pixel_range: PixelRange,
  partial: Partial | None = None,
) -> PCA:
  """PCA of the features of all images, to `k` dimensions (fewer where the features are fewer).

  The covariance is summed block by block, so the features of the pool never exist at once; `partial` keeps the sums of
  a pass that is interrupted. Signs are fixed so that the largest entry of each component is positive.
  """

  def features(params, block):
    return extract(params, decode(block, pixel_range))

  @devices.jit
  def centre(params, images):
    # Sums are taken about the mean of the first block: single precision suffices then.
    return features(params, images).mean(axis=0)

  @devices.jit
  def finish(shift, sums):
    mean = sums[0] / len(pool)
    return shift + mean, sums[1] / len(pool) - jnp.outer(mean, mean)

  @devices.jit
  def moments(params, shift, sums, images, fresh):
    def add(sums, block, fresh):
      x = (features(params, block) - shift[None]) * fresh[:, None]
      return sums[0] + x.sum(axis=0), sums[1] + x.T @ x

    return fold_blocks(add, sums, images, fresh)

  shift = centre(params, pool.block(0, block_size(len(pool))))
  d = shift.shape[0]
  sums, done = (jnp.zeros(d), jnp.zeros((d, d))), 0
  if partial is not None and (found := partial.load()) is not None:
    sums, done = (jnp.asarray(found["first"]), jnp.asarray(found["second"])), int(found["blocks"])
  for i, block in enumerate(walk(pool, done), done):
    # Waited for: else all that is read while older blocks are added up is in memory.
    sums = jax.block_until_ready(moments(params, shift, sums, block.images, block.fresh - block.start))
    if partial is not None:
      partial.save(lambda sums=sums, i=i: {"first": sums[0], "second": sums[1], "blocks": i + 1})
  mean, covariance = finish(shift, sums)
  components = jnp.asarray(leading_eigenvectors(np.asarray(covariance), k))
  largest = jnp.argmax(jnp.abs(components), axis=0)
  signs = jnp.sign(components[largest, jnp.arange(components.shape[1])])
  return PCA(mean, components * signs[None])


def leading_eigenvectors(matrix: Float32[np.ndarray, "d d"], k: int) -> Float32[np.ndarray, "d k"]:
  """Eigenvectors of the k largest eigenvalues of a symmetric matrix (all d where k is larger), largest first."""
  from scipy.sparse.linalg import ArpackError, eigsh

  d = len(matrix)
  if 4 * k <= d:
    # Lanczos: for the 12,288 values of a 64x64 colour image seconds, where a whole decomposition takes minutes.
    # It has nowhere to begin where the matrix maps ones to zero, as that of a pool of one image does.
    with contextlib.suppress(ArpackError):
      return eigsh(matrix, k, v0=np.ones(d, np.float32))[1][:, ::-1]
  return np.linalg.eigh(matrix)[1][:, ::-1][:, :k]


def make_project(extract: Extract) -> Extract:
  """Images to PCA features: `project((extractor params, PCA), images f32[b h w c]) -> f32[b k]`."""

  def project(params, images):
    extractor, pca = params
    return (extract(extractor, images) - pca.mean[None]) @ pca.components

  return project


def make_features(project: Extract, pixel_range: PixelRange):
  """Jitted (params, images u8[n h w c]) -> f32[n k]: the features of every image, a block at a time."""

  @devices.jit
  def features(params, images):
    return map_blocks(lambda block: project(params, decode(block, pixel_range)), images)

  return features


def write_features(
  project: Extract, params: Params, pool: Pool, pixel_range: PixelRange, path: pathlib.Path
) -> None:
  """Writes the features of a pool as a .npy file, f32[n k]; an interrupted pass goes on behind its last block."""
  features = make_features(project, pixel_range)
  k = jax.eval_shape(features, params, pool.block(0, 1)).shape[1]
  with RowWriter(path, (len(pool), k), np.float32) as file, Progress(path.parent.name, len(pool)) as progress:
    size = block_rows(pool)
    done = file.rows // size
    file.keep(done * size)
    progress.update(file.rows)
    for block in walk(pool, done):
      rows = np.asarray(features(params, block.images))[block.fresh - block.start :]
      file.append(rows)
      progress.update(len(rows))
