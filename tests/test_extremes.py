"""Scores, losses and penalties where numbers are extreme: finite, in their range, as float64 has them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from asal_jax.acquisition.score import SCORES
from asal_jax.models import classifier
from asal_jax.models.gan import NON_SATURATING, WASSERSTEIN, consistency, gradient_penalty, make_gan
from configs.base import get_config

ROWS = 6
LIMITS = (0.0, 1.0, 1e4, 1e30, 3e38)
many = settings(max_examples=40, deadline=None, derandomize=True, database=None)
values = st.sampled_from([sign * limit for limit in LIMITS for sign in (1, -1)]) | st.floats(
  -1e4, 1e4, width=32
)


def logits(*classes):
  """Logits f32[ROWS k], among them equal ones, k one of `classes`."""
  return st.sampled_from(classes).flatmap(
    lambda k: st_numpy.arrays(np.float32, (ROWS, k), elements=values) | equal(k)
  )


def equal(k):
  return st_numpy.arrays(np.float32, (ROWS, 1), elements=values).map(lambda x: np.repeat(x, k, axis=1))


labels = st_numpy.arrays(np.int32, (ROWS,), elements=st.integers(0, 1))
scores = st_numpy.arrays(np.float32, (ROWS,), elements=st.sampled_from([0.0, 1e4, -1e4, 1e30, -1e30]))


@jax.jit
def informative(x):
  """Every score that there is for so many classes, and its gradient."""
  names = [name for name in SCORES if name != "min_distance" or x.shape[1] == 1]
  return {name: (SCORES[name](x), jax.grad(lambda x, n=name: SCORES[n](x).sum())(x)) for name in names}


def exact(x):
  """Log-probabilities, entropies and the entropy's gradient in float64."""
  x = np.pad(x.astype(float), ((0, 0), (0, int(x.shape[1] == 1))))
  log_p = scipy.special.log_softmax(x, axis=1)
  p = np.exp(log_p)
  entropy = scipy.special.entr(p).sum(axis=1)
  return p, entropy, -p * np.where(p > 0, log_p, 0) - p * entropy[:, None]


@many
@given(logits(1, 2, 3, 10))
def test_scores_are_finite_and_in_their_range(x):
  p, entropy, slope = exact(x)
  second, first = np.sort(p, axis=1)[:, -2:].T
  expected = {"entropy": entropy, "margin": second - first, "least_confidence": 1 - first}
  k = max(2, x.shape[1])
  lowest = {"entropy": 0, "margin": -1, "least_confidence": 0, "min_distance": -np.inf}
  highest = {"entropy": np.log(k), "margin": 0, "least_confidence": 1 - 1 / k, "min_distance": 0}
  for name, (score, gradient) in informative(x).items():
    assert np.all(np.isfinite(score)), name
    assert np.all(np.isfinite(gradient)), name
    assert np.all((np.asarray(score) >= lowest[name] - 1e-6) & (np.asarray(score) <= highest[name] + 1e-5)), (
      name
    )
    if name in expected:
      # float32 logits of 1e4 are 1e-3 apart, which no function of them mends; these are exact as they stand.
      np.testing.assert_allclose(score, expected[name], atol=1e-5, err_msg=name)
    if name == "entropy":
      np.testing.assert_allclose(gradient, slope[:, : x.shape[1]], atol=2e-5)


def test_the_decision_value_keeps_its_order_and_its_gradient():
  x = np.array([[0.0], [-1.0], [3.0], [-1e4], [1e15], [-1e18]], np.float32)
  score, gradient = informative(x)["min_distance"]
  np.testing.assert_allclose(score, -(x[:, 0].astype(float) ** 2), rtol=1e-6)
  np.testing.assert_allclose(gradient, -2 * x, rtol=1e-6)


@jax.jit
def classified(x, labels):
  """The losses that there are for so many classes, and their gradients."""
  names = ["cross_entropy", *(["hinge"] if x.shape[1] == 1 else [])]
  losses = {name: classifier.LOSSES[name] for name in names}
  return {
    name: (loss(x, labels), jax.grad(lambda x, f=loss: f(x, labels).sum())(x))
    for name, loss in losses.items()
  }


@many
@given(logits(1, 3), labels)
def test_losses_of_the_classifier(x, labels):
  wide, sign, rows = x.astype(float), 2 * labels - 1, np.arange(ROWS)
  if x.shape[1] == 1:
    f = wide[:, 0]
    right = {"cross_entropy": np.logaddexp(0, -sign * f), "hinge": np.maximum(0, 1 - sign * f)}
    slope = {
      "cross_entropy": (scipy.special.expit(f) - labels)[:, None],
      "hinge": np.where(sign * f < 1, -sign, 0)[:, None],
    }
  else:
    right = {"cross_entropy": -scipy.special.log_softmax(wide, axis=1)[rows, labels]}
    slope = {"cross_entropy": scipy.special.softmax(wide, axis=1) - np.eye(x.shape[1])[labels]}
  for name, (loss, gradient) in classified(x, labels).items():
    # Values to the rounding of the logits, of which they are differences; which may leave float32 at its end.
    error = 1e-5 + 2 * np.finfo(np.float32).eps * np.abs(wide).max(axis=1)
    reached = np.abs(right[name]) < np.finfo(np.float32).max
    assert np.all(np.abs(loss - right[name])[reached] <= error[reached]), name
    kink = (name == "hinge") & (sign * wide[:, 0] == 1)
    np.testing.assert_allclose(gradient[~kink], slope[name][~kink], atol=1e-5, err_msg=name)
    assert np.all(np.isfinite(gradient)), name


@jax.jit
def judged(real, fake):
  """The losses of both kinds of GAN, and their gradients."""
  return {
    name: (
      jax.value_and_grad(losses.critic, argnums=(0, 1))(real, fake),
      jax.value_and_grad(losses.generator)(fake),
    )
    for name, losses in {"wasserstein": WASSERSTEIN, "dcgan": NON_SATURATING}.items()
  }


@many
@given(scores, scores)
def test_losses_of_the_gans(real, fake):
  r, f, n = real.astype(float), fake.astype(float), ROWS
  sigmoid, softplus = scipy.special.expit, lambda x: np.logaddexp(0, x)
  expected = {
    "wasserstein": (f.mean() - r.mean(), (-np.ones(n) / n, np.ones(n) / n), -f.mean(), -np.ones(n) / n),
    "dcgan": (
      softplus(-r).mean() + softplus(f).mean(),
      (-sigmoid(-r) / n, sigmoid(f) / n),
      softplus(-f).mean(),
      -sigmoid(-f) / n,
    ),
  }
  for name, ((critic, slopes), (generator, slope)) in judged(real, fake).items():
    wanted = expected[name]
    for a, b in zip((critic, *slopes, generator, slope), (wanted[0], *wanted[1], *wanted[2:]), strict=True):
      # Sums of opposite large numbers: to the rounding of their size.
      size = max(1.0, np.abs(np.concatenate([r, f])).max()) if np.ndim(b) == 0 else 1.0
      assert np.all(np.isfinite(a)), name
      np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * size, err_msg=name)


SHAPE = (2, 2, 1)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-6, 1.0, 1e4])
@pytest.mark.parametrize("same", [False, True])
def test_penalty_and_its_gradient(scale, same):
  rng = np.random.default_rng(0)
  real, fake = jnp.asarray(rng.random((2, 3, *SHAPE)), jnp.float32)
  fake = real if same else fake
  mix = jnp.asarray(rng.random((3, 1, 1, 1)), jnp.float32)
  weights = jnp.asarray(scale * rng.normal(size=SHAPE), jnp.float32)

  def penalty(weights):
    # Of quadratic scores: the gradient at x is 2 w x.
    return gradient_penalty(lambda x: jnp.sum(weights[None] * x**2, axis=(1, 2, 3)), real, fake, mix)

  found, slope = jax.jit(jax.value_and_grad(penalty))(weights)
  real, fake, mix, w = (np.asarray(a, np.float64) for a in (real, fake, mix, weights))
  at = 2 * (real + mix * (fake - real))
  norm = np.sqrt(np.sum((w * at) ** 2, axis=(1, 2, 3)) + 1e-12)
  np.testing.assert_allclose(found, np.mean((norm - 1) ** 2), rtol=1e-4, atol=1e-5)
  expected = np.mean((2 * (norm - 1) / norm)[:, None, None, None] * w * at**2, axis=0)
  np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_consistency_and_its_gradient(scale, same, margin):
  rng = np.random.default_rng(1)
  first, second = ((scale * rng.normal(size=5), scale * rng.normal(size=(5, 3))) for _ in range(2))
  second = first if same else second
  single = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (first, second))
  found, slopes = jax.jit(jax.value_and_grad(lambda a: consistency(a, single[1], 2.0, margin)))(single[0])
  (a, b), (c, d) = jax.tree.map(np.float64, single)
  terms = 2 * ((a - c) ** 2 + 0.1 * np.mean((b - d) ** 2, axis=1)) - margin
  on = terms > 0
  np.testing.assert_allclose(found, np.mean(np.maximum(0, terms)), rtol=1e-5)
  np.testing.assert_allclose(slopes[0], on * 4 * (a - c) / 5, rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(slopes[1], on[:, None] * 0.4 * (b - d) / 15, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("native_convolutions")
@pytest.mark.parametrize(("loss", "batch_norm"), [("wgan_gp", "generator"), ("dcgan", "both")])
@pytest.mark.parametrize("weights", [0.0, 1.0, 100.0])
def test_an_iteration_on_identical_images(loss, batch_norm, weights):
  config = get_config().gan
  config.update(
    {
      "loss": loss, "batch_norm": batch_norm, "width": 2, "critic_width": 2, "latent_dim": 3, "batch_size": 4,
      "generator_batch_size": 4, "critic_steps": 1,
    }
  )  # fmt: skip
  gan = make_gan(config, (8, 8, 1), (0.0, 1.0))
  state = jax.jit(gan.init)(jax.random.key(0))
  # Weights of 0: every gradient of the critic vanishes and every score is the same.
  scaled = lambda v: {**v, "params": jax.tree.map(lambda x: weights * x, v["params"])}  # noqa: E731
  state = state._replace(generator=scaled(state.generator), critic=scaled(state.critic))
  images = np.full((1, 4, 8, 8, 1), 128, np.uint8)
  found = jax.jit(gan.step)(state, jax.random.key(1), images)
  assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(found))
