"""Scores against SciPy and NumPy, and their gradients where the classifier is certain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from asal_jax.acquisition.score import SCORES, entropy, least_confidence, margin, min_distance

LOGITS = np.random.default_rng(0).normal(scale=3, size=(50, 1)).astype(np.float32)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_entropy_of_a_softmax(k):
  logits = np.random.default_rng(k).normal(scale=3, size=(50, k)).astype(np.float32)
  expected = scipy.stats.entropy(scipy.special.softmax(logits.astype(float), axis=1), axis=1)
  np.testing.assert_allclose(entropy(jnp.asarray(logits)), expected, rtol=1e-4, atol=1e-6)


def test_entropy_of_a_sigmoid():
  p = scipy.special.expit(LOGITS.astype(float))
  expected = scipy.stats.entropy(np.concatenate([p, 1 - p], axis=1), axis=1)
  np.testing.assert_allclose(entropy(jnp.asarray(LOGITS)), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("k", "outcomes"), [(1, 2), (3, 3), (10, 10)])
def test_entropy_is_largest_at_equal_logits(k, outcomes):
  np.testing.assert_allclose(entropy(jnp.zeros((1, k))), np.log(outcomes), rtol=1e-6)


def test_min_distance():
  np.testing.assert_allclose(min_distance(jnp.asarray(LOGITS)), -(LOGITS[:, 0] ** 2), rtol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_margin_and_least_confidence(k):
  logits = np.random.default_rng(k).normal(scale=3, size=(50, k)).astype(np.float32)
  p = scipy.special.softmax(np.pad(logits.astype(float), ((0, 0), (0, int(k == 1)))), axis=1)
  second, first = np.sort(p, axis=1)[:, -2:].T
  np.testing.assert_allclose(margin(jnp.asarray(logits)), second - first, atol=1e-6)
  np.testing.assert_allclose(least_confidence(jnp.asarray(logits)), 1 - first, atol=1e-6)


@pytest.mark.parametrize(("k", "outcomes"), [(1, 2), (3, 3), (10, 10)])
def test_margin_and_least_confidence_at_equal_logits(k, outcomes):
  assert margin(jnp.zeros((1, k)))[0] == 0
  np.testing.assert_allclose(least_confidence(jnp.zeros((1, k))), 1 - 1 / outcomes, rtol=1e-6)


def test_all_rank_binary_samples_equally():
  orders = [np.argsort(score(jnp.asarray(LOGITS)), kind="stable") for score in SCORES.values()]
  nearest_last = np.argsort(-np.abs(LOGITS[:, 0]), kind="stable")
  for order in orders:
    np.testing.assert_array_equal(order, nearest_last)


@pytest.mark.parametrize("logits", [[[1e4]], [[-1e4]], [[200.0]], [[1e4, -1e4, 0.0]], [[0.0, 0.0, -1e4]]])
def test_saturated_logits(logits):
  value, gradient = jax.value_and_grad(lambda x: entropy(x).sum())(jnp.array(logits))
  p = scipy.special.softmax(np.array(logits if len(logits[0]) > 1 else [[*logits[0], 0.0]]), axis=1)
  np.testing.assert_allclose(value, scipy.stats.entropy(p, axis=1)[0], atol=1e-6)
  assert np.all(np.isfinite(gradient))
