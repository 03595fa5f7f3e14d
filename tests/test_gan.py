"""The GANs: penalties and losses against formulas, one iteration of each kind, dequantisation, no label anywhere."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from shapes import variables

from asal_jax.models.gan import GANState, consistency, gradient_penalty, make_decode, make_gan, make_optimizer
from asal_jax.networks.plain import Critic, Generator, pyramid
from asal_jax.rng import stream
from asal_jax.types import decode
from configs.base import get_config

pytestmark = pytest.mark.usefixtures("native_convolutions")

SHAPE = (8, 8, 1)
SIZES = pyramid(8, 8)
IMAGES = jnp.asarray(np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8))


def batches(gan, key):
  """The images of an iteration."""
  return IMAGES[gan.batch_ids(key, len(IMAGES))]


KINDS = {
  "wgan_gp": {"loss": "wgan_gp", "batch_norm": "generator"},
  "dcgan": {"loss": "dcgan", "batch_norm": "both"},
}


def settings(**overrides):
  config = get_config().gan
  small = {
    "width": 4, "critic_width": 4, "latent_dim": 6, "batch_size": 5, "generator_batch_size": 7, "learning_rate": 1e-3,
  }  # fmt: skip
  config.update(small | overrides)
  return config


def check_equal(found, expected, **tolerance):
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_allclose(a, b, **tolerance)


@functools.cache
def iteration(kind):
  """(GAN, state before, state after, metrics) of one iteration with one critic step."""
  gan = make_gan(settings(critic_steps=1, **KINDS[kind]), SHAPE, (0.0, 1.0))
  before = jax.jit(gan.init)(jax.random.key(1))
  return gan, before, *jax.jit(gan.step)(before, jax.random.key(2), batches(gan, jax.random.key(2)))


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
  rng, critic = np.random.default_rng(3), Critic(2, 2)
  params = jax.jit(critic.init)(jax.random.key(0), jnp.zeros((1, *SHAPE)))
  with jax.enable_x64(True):
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


@pytest.mark.parametrize("margin", [0.0, 0.5, 100.0])
def test_consistency_equals_loops(margin):
  rng = np.random.default_rng(4)
  scores, features = rng.normal(size=(2, 6)).astype(np.float32), rng.normal(size=(2, 6, 3)).astype(np.float32)
  total = 0.0
  for i in range(6):
    apart = sum((features[0, i, j] - features[1, i, j]) ** 2 for j in range(3)) / 3
    total += max(0.0, 2 * (scores[0, i] - scores[1, i]) ** 2 + 0.2 * apart - margin)
  found = consistency(*zip(jnp.asarray(scores), jnp.asarray(features), strict=True), 2.0, margin)
  np.testing.assert_allclose(found, total / 6, rtol=1e-5)
  # Each margin another case: nothing, some, all of the samples are cut off.
  assert (total > 0) == (margin < 100)


def judge(variables, images):
  """Scores of a critic in training, and its running statistics afterwards."""
  network = Critic(2, 4, "batch_stats" in variables)
  scores, changed = network.apply(variables, images, train=True, mutable=["batch_stats"])
  return scores, {**variables, **changed}


def generate(variables, z):
  return Generator(SIZES, 4, 1, True).apply(variables, z, train=True, mutable=["batch_stats"])


def check_update(loss, params, updated, optimizer):
  """`updated` is one step of Adam from `params` down the gradient of the loss, whose value is returned."""
  value, gradient = jax.jit(jax.value_and_grad(loss))(params)
  # After one step Adam's first moment is (1 - beta1) times the gradient.
  found = jax.tree.map(lambda m: m / (1 - 0.5), optax.tree.get(optimizer, "mu"))
  check_equal(found, gradient, rtol=1e-4, atol=1e-5)
  adam = optax.adam(1e-3, b1=0.5, b2=0.9)
  check_equal(updated, optax.apply_updates(params, adam.update(found, adam.init(params))[0]), atol=1e-5)
  return value


@pytest.mark.parametrize("kind", KINDS)
def test_one_iteration_follows_the_formulas(kind):
  _, before, after, metrics = iteration(kind)
  key = jax.vmap(lambda i: stream(jax.random.key(2), "critic_step", i))(jnp.arange(1))[0]
  real = IMAGES[jax.random.randint(stream(key, "batch"), (5,), 0, 20)] / 255
  fake, _ = jax.jit(generate)(before.generator, jax.random.normal(stream(key, "latents"), (5, 6)))
  mix = jax.random.uniform(stream(key, "mix"), (5, 1, 1, 1))

  def wasserstein(params):
    critic = lambda x: judge({"params": params}, x)[0]  # noqa: E731
    slopes = jax.vmap(jax.grad(lambda x: critic(x[None])[0]))(mix * fake + (1 - mix) * real).reshape(5, -1)
    penalty = jnp.mean((jnp.linalg.norm(slopes, axis=1) - 1) ** 2)
    return jnp.mean(critic(fake)) - jnp.mean(critic(real)) + 10 * penalty

  def cross_entropy(params):
    # Real and fake images are normalised apart.
    sure = [jax.nn.sigmoid(judge({**before.critic, "params": params}, x)[0]) for x in (real, fake)]
    return -jnp.mean(jnp.log(sure[0])) - jnp.mean(jnp.log(1 - sure[1]))

  critic_loss = {"wgan_gp": wasserstein, "dcgan": cross_entropy}[kind]
  value = check_update(critic_loss, before.critic["params"], after.critic["params"], after.critic_optimizer)
  np.testing.assert_allclose(metrics["critic_loss"], value, rtol=1e-4)
  if kind == "wgan_gp":
    scores = [jax.jit(judge)(before.critic, x)[0] for x in (real, fake)]
    np.testing.assert_allclose(metrics["wasserstein"], jnp.mean(scores[0]) - jnp.mean(scores[1]), atol=1e-5)

  z = jax.random.normal(stream(stream(jax.random.key(2), "generator_step"), "latents"), (7, 6))

  def generator_loss(params):
    scores, _ = judge(after.critic, generate({**before.generator, "params": params}, z)[0])
    return -jnp.mean(scores) if kind == "wgan_gp" else -jnp.mean(jnp.log(jax.nn.sigmoid(scores)))

  value = check_update(
    generator_loss, before.generator["params"], after.generator["params"], after.generator_optimizer
  )
  np.testing.assert_allclose(metrics["generator_loss"], value, atol=1e-5)
  # Running statistics: the generator's of its own step, the critic's of fake and then of real images.
  _, expected = jax.jit(generate)(before.generator, z)
  check_equal(after.generator["batch_stats"], expected["batch_stats"], atol=1e-5)
  if kind == "dcgan":
    expected = jax.jit(judge)(jax.jit(judge)(before.critic, fake)[1], real)[1]
    check_equal(after.critic["batch_stats"], expected["batch_stats"], atol=1e-5)


def test_losses_at_the_start():
  metrics = iteration("dcgan")[-1]
  # Scores near 0: a coin is tossed for real or fake.
  assert abs(metrics["critic_loss"] - 2 * np.log(2)) < 0.6
  assert abs(metrics["generator_loss"] - np.log(2)) < 0.6
  metrics = iteration("wgan_gp")[-1]
  assert abs(metrics["wasserstein"]) < 0.5
  # Gradients of norm 0 to 2 cost up to 10.
  assert 0 < metrics["critic_loss"] < 10.5


def test_critic_steps_and_decay():
  gan = make_gan(settings(loss="dcgan", critic_steps=3, iterations=2, decay=True), SHAPE, (0.0, 1.0))
  states, step = [jax.jit(gan.init)(jax.random.key(1))], jax.jit(gan.step)
  for i in range(3):
    states.append(step(states[-1], jax.random.key(i), batches(gan, jax.random.key(i)))[0])
  # Adam's second count is its schedule's.
  counts = [[int(o[0].count) for o in (s.critic_optimizer, s.generator_optimizer)] for s in states]
  assert counts == [[0, 0], [3, 1], [6, 2], [9, 3]]
  for before, after, moves in zip(states, states[1:], (True, True, False), strict=False):
    for net in ("generator", "critic"):
      pairs = zip(*(jax.tree.leaves(getattr(state, net)) for state in (before, after)), strict=True)
      # After the two iterations the rates of both nets are 0.
      assert all(np.any(a != b) == moves for a, b in pairs)


def test_rate_falls_linearly():
  optimizer = make_optimizer(settings(decay=True, learning_rate=0.1), 4)
  params, state, moves = jnp.zeros(()), optimizer.init(jnp.zeros(())), []
  for _ in range(6):
    update, state = optimizer.update(jnp.ones(()), state, params)
    moves.append(-float(update))
  # With a constant gradient Adam moves by its rate.
  np.testing.assert_allclose(moves, [0.1, 0.075, 0.05, 0.025, 0, 0], rtol=1e-4)


def test_batches_are_uniform_and_each_has_draws_of_its_own():
  gan = make_gan(settings(critic_steps=3, batch_size=500), SHAPE, (0.0, 1.0))
  ids = np.asarray(gan.batch_ids(jax.random.key(0), 7))
  assert ids.shape == (3, 500)
  assert len(np.unique(ids[:, :20], axis=0)) == 3
  counts = np.bincount(ids.ravel(), minlength=7)
  # Five standard deviations of a binomial count.
  assert np.all(np.abs(counts - 1500 / 7) < 5 * np.sqrt(1500 / 7))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_dequantised_batches(low, high):
  key, images = jax.random.key(5), jnp.tile(IMAGES, (10, 1, 1, 1))
  noisy, exact = (make_decode(settings(dequantise=dequantise), (low, high)) for dequantise in (True, False))
  found, decoded = np.asarray(noisy(key, images), float), np.asarray(exact(key, images), float)
  np.testing.assert_allclose(decoded, decode(images, (low, high)), atol=1e-6)
  assert low <= found.min()
  assert found.max() < high
  # 256 steps of one gray level: the byte, and a uniform rest.
  gray = (high - low) / 256
  level = (found - low) / gray
  np.testing.assert_array_equal(np.floor(level), images)
  rest = level - np.floor(level)
  # 12,800 values: four standard errors.
  assert abs(rest.mean() - 0.5) < 4 / np.sqrt(12 * rest.size)
  assert abs(rest.var() - 1 / 12) < 4 / np.sqrt(180 * rest.size)
  assert np.abs(found - decoded).max() < 1.001 * gray


@pytest.mark.parametrize(
  ("loss", "network", "shape"),
  [
    ("wgan_gp", "plain", SHAPE),
    ("dcgan", "plain", SHAPE),
    ("wgan_gp", "residual", (32, 32, 3)),
    ("wgan_ct", "residual", (32, 32, 3)),
  ],
)
def test_no_label_reaches_training(loss, network, shape):
  gan = make_gan(settings(loss=loss, network=network), shape, (0.0, 1.0))
  assert list(inspect.signature(make_gan).parameters) == ["config", "image_shape", "pixel_range"]
  assert list(inspect.signature(gan.init).parameters) == ["key"]
  assert list(inspect.signature(gan.step).parameters) == ["state", "key", "images"]
  for function in (gan.generate, gan.generate_by_batch):
    assert list(inspect.signature(function).parameters) == ["variables", "z"]
  assert GANState._fields == ("generator", "critic", "generator_optimizer", "critic_optimizer")
  # No layer has the classes: the critic's last has one output, the generator's first takes the latents alone.
  state = jax.eval_shape(gan.init, jax.random.key(0))
  assert state.critic["params"]["linear"]["kernel"].shape[1] == 1
  assert state.generator["params"]["Dense_0"]["kernel"].shape[0] == gan.latent_dim == 6


def test_pixel_range():
  narrow, wide = (make_gan(settings(), SHAPE, pixel_range) for pixel_range in ((0.0, 1.0), (-1.0, 1.0)))
  z = 30 * jax.random.normal(jax.random.key(3), (40, 6))
  weights = variables(Generator(SIZES, 4, 1), z)
  unit, both = (np.asarray(jax.jit(gan.generate)(weights, z), float) for gan in (narrow, wide))
  assert both.shape == (40, *SHAPE)
  assert -1 <= both.min() < -0.5
  assert 0.5 < both.max() <= 1
  # The narrow one ends in sigmoid(x), the wide one in tanh(x).
  inside = (unit > 0.01) & (unit < 0.99)
  unit, both = unit[inside], both[inside]
  np.testing.assert_allclose(both, np.tanh(np.log(unit / (1 - unit))), atol=1e-4)


def test_critic_features_feed_the_linear_layer():
  gan, _, state, _ = iteration("dcgan")
  images, extract = IMAGES / 255, jax.jit(gan.critic_features)
  features = np.asarray(extract(state.critic, images))
  assert features.shape == (20, 2 * 2 * 8)
  linear = state.critic["params"]["linear"]
  scores = features @ np.asarray(linear["kernel"])[:, 0] + linear["bias"]
  np.testing.assert_allclose(scores, jax.jit(Critic(2, 4, True).apply)(state.critic, images), atol=1e-5)
  # By running statistics: the other images do not matter.
  np.testing.assert_allclose(extract(state.critic, images.at[5:].set(0))[:5], features[:5], atol=1e-5)


@pytest.mark.parametrize("coupled", [False, True])
def test_generate_by_running_and_by_batch_statistics(coupled):
  gan, _, state, _ = iteration("dcgan")
  function = gan.generate_by_batch if coupled else gan.generate
  z = jax.random.normal(jax.random.key(7), (4, 6))

  @jax.jit
  def run(z):
    slope = jax.grad(lambda z: function(state.generator, z)[0].sum())(z)
    return function(state.generator, z), slope

  (first, slope), (second, _) = run(z), run(z.at[2].add(1.0))
  assert np.any(first[2] != second[2])
  # Values and gradients of the first latent's image.
  assert np.allclose(first[0], second[0], atol=1e-6) != coupled
  assert np.any(slope[0] != 0)
  assert np.any(slope[1:] != 0) == coupled
  if coupled:
    # As in training.
    np.testing.assert_allclose(first, jax.jit(generate)(state.generator, z)[0], atol=1e-5)
