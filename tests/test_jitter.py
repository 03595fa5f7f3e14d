"""The jittered pool against the same map written plainly, and against SciPy's interpolation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from asal_jax.pools import jitter
from asal_jax.pools.jitter import JitteredPool, affine_maps
from asal_jax.pools.kinds import ArrayPool

N, SIZE = 20, 5_000
SHAPES = [(8, 8, 1), (9, 7, 3), (28, 28, 1)]


def smooth(shape):
  noise = np.random.default_rng(0).uniform(0, 255, (N, *shape))
  return np.round(ndimage.gaussian_filter(noise, (0, 1, 1, 0))).astype(np.uint8)


@pytest.fixture(params=SHAPES)
def images(request):
  return smooth(request.param)


def drawn(pool, i):
  """The map, shifts and flip of id i, by which the pool is to be."""
  h, w, _ = pool.image_shape
  one = jitter.draw_jitter(pool.key, jnp.array([i]), h, w, pool.flips)
  return affine_maps(pool.seed)[int(one.maps[0])], np.asarray(one.shifts)[0], int(one.flipped[0])


def test_the_first_are_the_originals_and_the_others_differ(images):
  pool = JitteredPool(ArrayPool(images), SIZE, seed=3, flips=True)
  block = np.asarray(pool.block(0, 5 * N)).reshape(5, N, *images.shape[1:])
  np.testing.assert_array_equal(block[0], images)
  assert all(np.any(copy != images, axis=(1, 2, 3)).all() for copy in block[1:])
  assert len({copy.tobytes() for copy in block.reshape(5 * N, -1)}) == 5 * N


def test_an_image_is_the_same_whatever_it_is_read_with(images):
  pool = JitteredPool(ArrayPool(images), SIZE, seed=3)
  ids = np.random.default_rng(1).integers(0, SIZE, 37)
  read = pool.read(ids)
  for i, image in zip(ids, read, strict=True):
    np.testing.assert_array_equal(pool.read(np.array([i]))[0], image)
  np.testing.assert_array_equal(np.asarray(pool.block(4_000, 4_100))[17], pool.read(np.array(4_017)))
  # Of a larger pool it is one of the first.
  np.testing.assert_array_equal(JitteredPool(ArrayPool(images), 2 * SIZE, seed=3).read(ids), read)
  assert np.any(JitteredPool(ArrayPool(images), SIZE, seed=4).read(ids) != read)


def test_the_arithmetic_is_exact(images):
  """The same in Python's own integers, pixel by pixel."""
  pool = JitteredPool(ArrayPool(images), SIZE, seed=5, flips=True)
  _, h, w, c = images.shape
  for i in (N, 1_234, SIZE - 1):
    (maps, shifts, flipped), image = drawn(pool, i), images[i % N].astype(int)
    made = pool.read(np.array(i))
    for row in range(0, h, 3):
      for column in range(w):
        u, v = 2 * row - (h - 1), (2 * column - (w - 1)) * (-1 if flipped else 1)
        places = []
        for axis, size in ((0, h), (1, w)):
          moved = int(maps[axis, 0]) * u + int(maps[axis, 1]) * v
          place = (moved >> 7) + (size - 1) * 128 + int(shifts[axis])
          places.append(min(max(place, 0), (size - 1) * 256))
        (top, down), (left, right) = (divmod(place, 256) for place in places)
        below, beside = min(top + 1, h - 1), min(left + 1, w - 1)
        for k in range(c):
          upper = image[top, left, k] * (256 - right) + image[top, beside, k] * right
          lower = image[below, left, k] * (256 - right) + image[below, beside, k] * right
          assert made[row, column, k] == (upper * (256 - down) + lower * down + 2**15) // 2**16


def test_it_is_the_affine_map_of_scipy_but_for_rounding(images):
  pool = JitteredPool(ArrayPool(images), SIZE, seed=6)
  _, h, w, c = images.shape
  centre = np.array([h - 1, w - 1]) / 2
  for i in (N + 1, 999, 4_321):
    maps, shifts, _ = drawn(pool, i)
    matrix = maps / 2**14
    offset = centre - matrix @ centre + shifts / 256
    wanted = np.stack(
      [
        ndimage.affine_transform(images[i % N, ..., k].astype(float), matrix, offset, order=1, mode="nearest")
        for k in range(c)
      ],
      axis=-1,
    )
    assert np.abs(pool.read(np.array(i)) - wanted).max() < 2.0


def test_maps_stay_small_and_the_first_changes_nothing():
  maps = affine_maps(0) / 2**14
  np.testing.assert_array_equal(maps[0], np.eye(2))
  determinants = np.linalg.det(maps)
  assert 0.8 < determinants.min() < 0.85
  assert 1.2 < determinants.max() < 1.25
  assert len(np.unique(maps.reshape(-1, 4), axis=0)) == len(maps)


def test_half_are_flipped_where_that_is_asked_for():
  key, ids = jax.random.key(0), jnp.arange(4_000)
  flipped = np.asarray(jitter.draw_jitter(key, ids, 8, 8, True).flipped)
  assert 0.47 < flipped.mean() < 0.53
  assert not np.asarray(jitter.draw_jitter(key, ids, 8, 8, False).flipped).any()


def test_shifts_fill_their_range():
  shifts = np.asarray(jitter.draw_jitter(jax.random.key(0), jnp.arange(9_999), 28, 64, False).shifts)
  np.testing.assert_array_equal(shifts.min(axis=0), [-512, -(64 * 256 // 14)])
  np.testing.assert_array_equal(shifts.max(axis=0), [512, 64 * 256 // 14])


def test_reading_compiles_once_for_similar_numbers_of_ids():
  pool = JitteredPool(ArrayPool(smooth((8, 8, 1))), SIZE, seed=0)
  pool.read(np.arange(64))
  before = jitter.jitter._cache_size()
  for count in (33, 50, 63):
    pool.read(np.arange(count))
  assert jitter.jitter._cache_size() == before
