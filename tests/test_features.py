"""PCA and the features of a pool against scikit-learn and NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from asal_jax.pools import blocks
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.search import features
from asal_jax.search.features import fit_pca, make_features, make_project, pixels, write_features
from asal_jax.store.rows import Partial

RANGE = (-1.0, 1.0)


def images(n=50, seed=0):
  """Bytes with a spectrum of distinct variances, far from their mean of zero: uint8 [n, 3, 4, 1]."""
  rng = np.random.default_rng(seed)
  mixing = np.linalg.qr(rng.normal(size=(12, 12)))[0] * np.geomspace(30, 1, 12)[:, None]
  values = 150 + rng.normal(size=(n, 12)) @ mixing
  return np.clip(np.round(values), 0, 255).astype(np.uint8).reshape(n, 3, 4, 1)


def project(extract, params, x):
  return np.asarray(make_features(make_project(extract), RANGE)(params, jnp.asarray(x)))


def flat(x):
  return x.reshape(len(x), -1) * (2 / 255) - 1


@pytest.fixture(params=[16, 25, 1024])
def block(request, monkeypatch):
  """50 images: the last block overlaps, or fits, or is the only one."""
  monkeypatch.setattr(blocks, "block_size", lambda n: min(n, request.param))
  monkeypatch.setattr(features, "block_size", lambda n: min(n, request.param))


@pytest.mark.usefixtures("block")
def test_pca_equals_scikit_learn():
  x = images()
  truth = PCA(5, svd_solver="full").fit(flat(x))
  pca = fit_pca(pixels, (), ArrayPool(x), 5, RANGE)
  components = np.asarray(pca.components).T
  signs = np.sign(np.sum(components * truth.components_, axis=1))[:, None]
  np.testing.assert_allclose(pca.mean, truth.mean_, atol=1e-5)
  np.testing.assert_allclose(components, signs * truth.components_, atol=2e-3)
  projected = project(pixels, ((), pca), x)
  assert projected.dtype == np.float32
  np.testing.assert_allclose(projected, truth.transform(flat(x)) * signs.T, atol=2e-3)
  # Most variance first.
  np.testing.assert_allclose(projected.var(axis=0, ddof=1), truth.explained_variance_, rtol=1e-3)


def test_signs_are_fixed():
  components = np.asarray(fit_pca(pixels, (), ArrayPool(images()), 5, RANGE).components)
  assert np.all(components[np.argmax(np.abs(components), axis=0), np.arange(5)] > 0)


@pytest.mark.parametrize("n", [50, 8])
def test_fewer_features_than_dimensions(n):
  x = images(n)
  pca = fit_pca(pixels, (), ArrayPool(x), 50, RANGE)
  assert pca.components.shape == (12, 12)
  projected = project(pixels, ((), pca), x)

  def distances(values):
    return np.linalg.norm(values[:, None] - values[None], axis=2)

  # All components: a rotation.
  np.testing.assert_allclose(distances(projected), distances(flat(x)), atol=1e-4)


def test_precision_of_a_small_spread_far_from_zero():
  rng = np.random.default_rng(1)
  x = (250 + rng.integers(0, 3, (3_000, 2, 2, 1)) * np.array([2, 1]).reshape(1, 1, 2, 1)).astype(np.uint8)
  truth = PCA(4, svd_solver="full").fit(flat(x))
  projected = project(pixels, ((), fit_pca(pixels, (), ArrayPool(x), 4, RANGE)), x)
  np.testing.assert_allclose(projected.var(axis=0, ddof=1), truth.explained_variance_, rtol=1e-3)


@pytest.mark.usefixtures("block")
def test_extractor_and_its_parameters_are_used():
  weights = np.random.default_rng(2).normal(size=(12, 7)).astype(np.float32)

  def extract(params, x):
    return jnp.tanh(x.reshape(x.shape[0], -1) @ params)

  x = images()
  expected = np.tanh(flat(x) @ weights)
  pca = fit_pca(extract, weights, ArrayPool(x), 3, RANGE)
  np.testing.assert_allclose(pca.mean, expected.mean(axis=0), atol=1e-5)
  projected = project(extract, (weights, pca), x)
  centered = (expected - expected.mean(axis=0)) @ np.asarray(pca.components)
  np.testing.assert_allclose(projected, centered, atol=1e-4)
  truth = PCA(3, svd_solver="full").fit(expected)
  np.testing.assert_allclose(projected.var(axis=0, ddof=1), truth.explained_variance_, rtol=1e-3)


class Killed(Exception):
  pass


class Flaky(MappedPool):
  """A pool on disk whose reading ends at a block, and which counts what is read."""

  def __init__(self, images, dies_at=None):
    super().__init__(images)
    self.dies_at, self.reads = dies_at, []

  def block(self, start, stop):
    if stop - start > 8:
      self.reads.append(start)
      if start == self.dies_at:
        raise Killed
    return super().block(start, stop)


@pytest.fixture
def small_reads(monkeypatch):
  """50 images in four reads, the last one overlapping, of blocks of 8."""
  monkeypatch.setattr(blocks, "READ", 16)
  for module in (blocks, features):
    monkeypatch.setattr(module, "block_size", lambda n: min(n, 8))


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize("dies_at", [0, 16, 34])
def test_passes_over_a_pool_on_disk_go_on_where_they_were_killed(tmp_path, dies_at):
  x = images()
  truth = fit_pca(pixels, (), ArrayPool(x), 5, RANGE)
  partial = Partial(tmp_path / "sums.npz", seconds=0)
  with pytest.raises(Killed):
    fit_pca(pixels, (), Flaky(x, dies_at), 5, RANGE, partial)
  pool = Flaky(x)
  pca = fit_pca(pixels, (), pool, 5, RANGE, partial)
  assert pool.reads == [start for start in (0, 16, 32, 34) if start >= min(dies_at, 34)] or dies_at == 0
  np.testing.assert_allclose(pca.components, truth.components, atol=1e-4)
  np.testing.assert_allclose(pca.mean, truth.mean, atol=1e-6)

  path, arguments = tmp_path / "pool.npy", (make_project(pixels), ((), truth))
  with pytest.raises(Killed):
    write_features(*arguments, Flaky(x, dies_at), RANGE, path)
  assert not path.exists()
  # What a kill leaves of the block that was being written.
  with path.with_name("pool.npy.part").open("ab") as file:
    file.write(b"torn")
  pool = Flaky(x)
  write_features(*arguments, pool, RANGE, path)
  assert pool.reads == [start for start in (0, 16, 32, 34) if start >= dies_at]
  np.testing.assert_allclose(np.load(path), project(pixels, ((), truth), x), atol=1e-5)
