"""WGAN-GP: the penalty against finite differences, one iteration against the formulas, no label anywhere."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from asal_jax.gan import GANState, gradient_penalty, make_gan
from asal_jax.networks.plain import Critic
from asal_jax.rng import stream
from configs.base import get_config

SHAPE = (8, 8, 1)
IMAGES = jnp.asarray(np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8))


def settings(**overrides):
  config = get_config().gan
  config.update({"width": 4, "latent_dim": 6, "batch_size": 5, "learning_rate": 1e-3, **overrides})
  return config


@pytest.fixture(scope="module")
def iteration():
  """(gan, state before, state after, metrics) of one iteration with one critic step."""
  gan = make_gan(settings(critic_steps=1), SHAPE, (0.0, 1.0))
  before = jax.jit(gan.init)(jax.random.key(1))
  return gan, before, *jax.jit(gan.step)(before, jax.random.key(2), IMAGES)


def test_penalty_of_a_linear_critic():
  w = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
  real, fake = jax.random.normal(jax.random.key(0), (2, 5, *SHAPE))
  mix = jnp.full((5, 1, 1, 1), 0.3)
  found = gradient_penalty(lambda x: jnp.sum(x * w[None], axis=(1, 2, 3)), real, fake, mix)
  np.testing.assert_allclose(found, (np.sqrt(np.sum(w.astype(float) ** 2)) - 1) ** 2, rtol=1e-5)


def test_penalty_where_the_gradient_vanishes():
  x = jnp.zeros((2, *SHAPE))

  def penalty(scale):
    return gradient_penalty(lambda x: scale * jnp.sum(x**2, axis=(1, 2, 3)), x, x, jnp.zeros((2, 1, 1, 1)))

  value, slope = jax.value_and_grad(penalty)(1.0)
  np.testing.assert_allclose(value, 1, atol=1e-5)
  assert np.isfinite(slope)


def test_penalty_against_finite_differences():
  rng = np.random.default_rng(3)
  with jax.enable_x64(True):
    critic = Critic(2, 2)
    params = jax.jit(critic.init)(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    params = jax.tree.map(lambda p: jnp.asarray(3 * p + 0.1, jnp.float64), params)
    apply = jax.jit(critic.apply)
    real, fake = jnp.asarray(rng.normal(size=(2, 3, *SHAPE)))
    mix = jnp.asarray(rng.random((3, 1, 1, 1)))
    points, small = real + mix * (fake - real), 1e-6
    moves = small * jnp.eye(64).reshape(64, *SHAPE)
    norms = []
    for point in points:
      up, down = (apply(params, point[None] + sign * moves) for sign in (1, -1))
      norms.append(np.linalg.norm((up - down) / (2 * small)))
    penalty = jax.jit(lambda p: gradient_penalty(lambda x: critic.apply(p, x), real, fake, mix))
    np.testing.assert_allclose(penalty(params), np.mean((np.array(norms) - 1) ** 2), rtol=1e-6)
    # Its own derivative, along a random direction in the parameters.
    direction = jax.tree.map(lambda p: rng.normal(size=p.shape), params)
    moved = [jax.tree.map(lambda p, d, s=s: p + s * small * d, params, direction) for s in (1, -1)]
    slope = optax.tree.vdot(jax.jit(jax.grad(penalty))(params), direction)
    np.testing.assert_allclose(slope, (penalty(moved[0]) - penalty(moved[1])) / (2 * small), rtol=1e-5)


def test_one_iteration_follows_the_formulas(iteration):
  gan, before, after, metrics = iteration
  config, critic = settings(), jax.jit(Critic(2, 4).apply)
  key = jax.vmap(lambda i: stream(jax.random.key(2), "critic_step", i))(jnp.arange(1))[0]
  real = IMAGES[jax.random.randint(stream(key, "batch"), (5,), 0, 20)] / 255
  generate = jax.jit(gan.generate)
  fake = generate(before.generator, jax.random.normal(stream(key, "latents"), (5, 6)))
  mix = jax.random.uniform(stream(key, "mix"), (5, 1, 1, 1))
  between = mix * fake + (1 - mix) * real

  def critic_loss(params):
    slopes = jax.vmap(jax.grad(lambda x: critic(params, x[None])[0]))(between).reshape(5, -1)
    penalty = jnp.mean((jnp.linalg.norm(slopes, axis=1) - 1) ** 2)
    return jnp.mean(critic(params, fake)) - jnp.mean(critic(params, real)) + 10 * penalty

  adam = optax.adam(config.learning_rate, b1=0.5, b2=0.9)

  def check_update(loss, params, updated, optimizer):
    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    # After one step Adam's first moment is (1 - beta1) times the gradient.
    found = jax.tree.map(lambda m: m / (1 - 0.5), optax.tree.get(optimizer, "mu"))
    expected = optax.apply_updates(params, adam.update(found, adam.init(params))[0])
    for pair in ((found, gradient), (updated, expected)):
      for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    return value

  value = check_update(critic_loss, before.critic, after.critic, after.critic_optimizer)
  np.testing.assert_allclose(metrics["critic_loss"], value, rtol=1e-4)
  distance = jnp.mean(critic(before.critic, real)) - jnp.mean(critic(before.critic, fake))
  np.testing.assert_allclose(metrics["wasserstein"], distance, atol=1e-5)
  z = jax.random.normal(stream(stream(jax.random.key(2), "generator_step"), "latents"), (5, 6))
  value = check_update(
    lambda p: -jnp.mean(critic(after.critic, generate(p, z))),
    before.generator, after.generator, after.generator_optimizer,
  )  # fmt: skip
  np.testing.assert_allclose(metrics["generator_loss"], value, atol=1e-5)


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_critic_steps(critic_steps, iteration):
  if critic_steps == 1:
    _, before, after, metrics = iteration
  else:
    gan = make_gan(settings(critic_steps=critic_steps), SHAPE, (0.0, 1.0))
    before = jax.jit(gan.init)(jax.random.key(1))
    after, metrics = jax.jit(gan.step)(before, jax.random.key(2), IMAGES)
  counts = [optax.tree.get(o, "count") for o in (after.critic_optimizer, after.generator_optimizer)]
  assert counts == [critic_steps, 1]
  for a, b in ((before.generator, after.generator), (before.critic, after.critic)):
    assert all(np.any(x != y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
  assert all(np.isfinite(value) for value in metrics.values())


def test_no_labels(iteration):
  gan = iteration[0]
  assert list(inspect.signature(gan.init).parameters) == ["key"]
  assert list(inspect.signature(gan.step).parameters) == ["state", "key", "images"]
  assert list(inspect.signature(gan.generate).parameters) == ["params", "z"]
  assert GANState._fields == ("generator", "critic", "generator_optimizer", "critic_optimizer")


def test_pixel_range(iteration):
  gan, state = iteration[:2]
  wide = make_gan(settings(), SHAPE, (-1.0, 1.0))
  z = 30 * jax.random.normal(jax.random.key(3), (40, 6))
  unit, both = (jax.jit(g.generate)(state.generator, z) for g in (gan, wide))
  assert both.shape == (40, *SHAPE)
  assert -1 <= both.min() < -0.5
  assert 0.5 < both.max() <= 1
  np.testing.assert_allclose(both, 2 * unit - 1, atol=1e-6)


def test_critic_features_feed_the_linear_layer(iteration):
  gan, state = iteration[:2]
  images = IMAGES / 255
  features = np.asarray(jax.jit(gan.critic_features)(state.critic, images))
  assert features.shape == (20, 2 * 2 * 8)
  linear = state.critic["params"]["linear"]
  scores = features @ np.asarray(linear["kernel"])[:, 0] + linear["bias"]
  np.testing.assert_allclose(scores, Critic(2, 4).apply(state.critic, images), atol=1e-5)
