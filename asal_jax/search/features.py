"""Features in which samples are matched: an extractor, PCA to few dimensions, one pass over the pool."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8
from scipy.sparse.linalg import eigsh

from asal_jax.pools.blocks import block_size, fold_blocks, map_blocks
from asal_jax.types import Extract, Index, Params, PixelRange, decode


class PCA(NamedTuple):
  """Principal components: x -> (x - mean) @ components."""

  mean: Float[Array, " d"]
  components: Float[Array, "d k"]


class FeatureSet(NamedTuple):
  """One way to compare samples: features of images, and the pool's in an index.

  project(params, pca, images f32[b h w c]) -> f32[b k], jittable.
  """

  project: Extract
  params: Params
  index: Index


def pixels(params: Params, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
  """The raw pixel values (ASAL-Gray / ASAL-RGB): f32[b, h w c]. `params` is not used."""
  return images.reshape(images.shape[0], -1)


def fit_pca(extract: Extract, params: Params, images: UInt8[Array, "n h w c"], k: int, pixel_range) -> PCA:
  """PCA of the features of all images, to `k` dimensions (fewer where the features are fewer).

  The covariance is summed block by block, so the features of the pool never exist at once. Signs are fixed so
  that the largest entry of each component is positive.
  """

  @jax.jit
  def moments(params, images):
    def features(block):
      return extract(params, decode(block, pixel_range))

    # Sums are taken about the mean of the first block: single precision suffices then.
    shift = features(images[: block_size(images.shape[0])]).mean(axis=0)

    def add(sums, block, fresh):
      x = (features(block) - shift[None]) * fresh[:, None]
      return sums[0] + x.sum(axis=0), sums[1] + x.T @ x

    d = shift.shape[0]
    first, second = fold_blocks(add, (jnp.zeros(d), jnp.zeros((d, d))), images)
    mean = first / images.shape[0]
    return shift + mean, second / images.shape[0] - jnp.outer(mean, mean)

  mean, covariance = moments(params, images)
  components = jnp.asarray(leading_eigenvectors(np.asarray(covariance), k))
  largest = jnp.argmax(jnp.abs(components), axis=0)
  signs = jnp.sign(components[largest, jnp.arange(components.shape[1])])
  return PCA(mean, components * signs[None])


def leading_eigenvectors(matrix: Float32[np.ndarray, "d d"], k: int) -> Float32[np.ndarray, "d k"]:
  """Eigenvectors of the k largest eigenvalues of a symmetric matrix (all d where k is larger), largest first."""
  d = len(matrix)
  if 4 * k > d:
    return np.linalg.eigh(matrix)[1][:, ::-1][:, :k]
  # Lanczos: for the 12,288 values of a 64x64 colour image seconds, where a whole decomposition takes minutes.
  _, vectors = eigsh(matrix, k, v0=np.ones(d, np.float32))
  return vectors[:, ::-1]


def make_project(extract: Extract) -> Extract:
  """Images to PCA features: `project((extractor params, PCA), images f32[b h w c]) -> f32[b k]`."""

  def project(params, images):
    extractor, pca = params
    return (extract(extractor, images) - pca.mean[None]) @ pca.components

  return project


def pool_features(
  project: Extract, params: Params, images: UInt8[Array, "n h w c"], pixel_range: PixelRange
) -> Float32[np.ndarray, "n k"]:
  """The features of every image, a block at a time."""

  @jax.jit
  def features(params, images):
    return map_blocks(lambda block: project(params, decode(block, pixel_range)), images)

  return np.asarray(features(params, images))
