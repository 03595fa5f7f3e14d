"""GANs in training: batch norm against NumPy, WGAN-CT's passes, a few iterations of every kind, learned batches."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from shapes import variables

from asal_jax.models.gan import consistency, make_critic_loss, make_gan, make_networks
from asal_jax.networks import residual, training
from asal_jax.networks.plain import Critic, Generator, pyramid
from asal_jax.rng import stream
from configs.base import get_config

pytestmark = pytest.mark.usefixtures("native_convolutions")

SHAPE, BATCH = (8, 8, 1), 5


def settings(**overrides):
  config = get_config().gan
  small = {
    "width": 4, "critic_width": 4, "latent_dim": 6, "batch_size": BATCH, "generator_batch_size": BATCH,
    "learning_rate": 1e-3,
  }  # fmt: skip
  config.update(small | overrides)
  return config


def uniform(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).uniform(size=shape), jnp.float32)


def normalised(y, old, params):
  """Values normalised by their own statistics, float64, and what the running ones become."""
  mean, var = y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2))
  running = {"mean": 0.9 * old["mean"] + 0.1 * mean, "var": 0.9 * old["var"] + 0.1 * var}
  return (y - mean) / np.sqrt(var + 1e-5) * params["scale"] + params["bias"], running


def strided(x, layer):
  layout = ("NHWC", "HWIO", "NHWC")
  y = lax.conv_general_dilated(
    jnp.asarray(x, jnp.float32), layer["kernel"], (2, 2), "SAME", dimension_numbers=layout
  )
  return np.asarray(y, float) + np.asarray(layer["bias"])


def leaky(x):
  return np.where(x > 0, x, 0.2 * x)


def rendered_critic(v, images):
  """Scores of a two-layer critic with batch norm, and its running statistics afterwards."""
  p, old = v["params"], v["batch_stats"]["norms_0"]
  y = leaky(strided(images, p["convolutions_0"]))
  y, running = normalised(strided(y, p["convolutions_1"]), old, p["norms_0"])
  flat = leaky(y).reshape(len(images), -1)
  scores = flat @ np.asarray(p["linear"]["kernel"])[:, 0] + np.asarray(p["linear"]["bias"])
  return scores, {**v, "batch_stats": {"norms_0": running}}


def arrays(variables):
  return jax.tree.map(np.asarray, variables)


def test_critic_normalises_real_and_fake_apart():
  critic, real, fake = Critic(2, 4, True), uniform(0, BATCH, *SHAPE), 0.2 * uniform(1, BATCH, *SHAPE)
  v = jax.jit(critic.init)(jax.random.key(0), real)
  loss = make_critic_loss(settings(loss="dcgan"), training(critic, "scores_and_features"))
  found, (_, changed) = jax.jit(loss)(v["params"], v, real, fake, jax.random.key(1))
  fakes, after = rendered_critic(arrays(v), fake)
  reals, after = rendered_critic(after, real)
  expected = np.mean(np.log(1 + np.exp(-reals))) + np.mean(np.log(1 + np.exp(fakes)))
  np.testing.assert_allclose(found, expected, rtol=1e-4)
  for name, values in after["batch_stats"]["norms_0"].items():
    np.testing.assert_allclose(changed["batch_stats"]["norms_0"][name], values, rtol=1e-4, atol=1e-6)
  # Together they would have been told apart by the shared statistics.
  mixed, _ = rendered_critic(arrays(v), np.concatenate([real, fake]))
  assert np.abs(mixed[:BATCH] - reals).max() > 0.05


def test_generator_normalises_by_its_batch():
  generator, z = Generator(pyramid(8, 8), 4, 1, True), jax.random.normal(jax.random.key(2), (BATCH, 6))
  v = variables(generator, z)
  _, changed = jax.jit(training(generator))(v, z, jax.random.key(0))
  params, old = arrays(v["params"]), arrays(v["batch_stats"])
  y = np.asarray(z, float) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]
  y = y.reshape(BATCH, 2, 2, 8)
  _, running = normalised(y, old["BatchNorm_0"], params["BatchNorm_0"])
  for name, values in running.items():
    np.testing.assert_allclose(changed["batch_stats"]["BatchNorm_0"][name], values, rtol=1e-4, atol=1e-5)
  jax.tree.map(np.testing.assert_array_equal, changed["params"], v["params"])


def test_consistency_is_of_two_passes_over_the_real_batch():
  critic = residual.Critic(4, (0.2, 0.5, 0.5))
  real, fake = uniform(3, BATCH, 32, 32, 1), uniform(4, BATCH, 32, 32, 1)
  v, key = jax.jit(critic.init)(jax.random.key(0), real), jax.random.key(1)
  run = training(critic, "scores_and_features")

  @jax.jit
  def losses(v):
    kinds = [{"consistency": 2.0}, {"consistency": 0.0}, {"consistency": 2.0, "margin": 1e6}]
    found = [
      make_critic_loss(settings(loss="wgan_ct", **kind), run)(v["params"], v, real, fake, key)[0]
      for kind in kinds
    ]
    first, _ = run(v, jnp.concatenate([fake, real]), stream(key, "scores"))
    again, _ = run(v, real, stream(key, "again"))
    return found, consistency((first[0][BATCH:], first[1][BATCH:]), again, 2.0, 0.0)

  (weighted, without, cut), apart = losses(v)
  assert apart > 1e-4
  np.testing.assert_allclose(weighted - without, apart, rtol=1e-2)
  np.testing.assert_allclose(cut, without, rtol=1e-5)


def test_iterations_of_the_residual_wgan_ct():
  config = settings(
    network="residual", loss="wgan_ct", width=2, critic_width=2, critic_steps=2, iterations=10, decay=True,
    dequantise=True,
  )  # fmt: skip
  gan = make_gan(config, (32, 32, 1), (-1.0, 1.0))
  images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (20, 32, 32, 1), np.uint8))
  start, step = jax.jit(gan.init)(jax.random.key(1)), jax.jit(gan.step)
  state = start
  for i in range(3):
    state, metrics = step(state, jax.random.key(i), images[gan.batch_ids(jax.random.key(i), 20)])
    assert all(np.isfinite(value) for value in metrics.values())
  for net in ("generator", "critic"):
    pairs = zip(*(jax.tree.leaves(getattr(s, net)) for s in (start, state)), strict=True)
    assert all(np.any(a != b) for a, b in pairs)


@pytest.mark.parametrize("loss", ["dcgan", "wgan_gp"])
def test_critic_learns_to_tell_two_batches_apart(loss):
  config = settings(loss=loss, critic_width=8, batch_norm="both" if loss == "dcgan" else "none")
  _, critic = make_networks(config, SHAPE, 1.0)
  objective = make_critic_loss(config, training(critic, "scores_and_features"))
  # Noise, so that only a critic that remembers the batch tells them apart.
  real, fake = uniform(5, BATCH, *SHAPE), uniform(6, BATCH, *SHAPE)
  optimizer = optax.adam(3e-3, b1=0.5)

  @jax.jit
  def learn(v):
    def step(i, carry):
      v, state = carry
      gradient, (_, v) = jax.grad(objective, has_aux=True)(
        v["params"], v, real, fake, stream(jax.random.key(1), "step", i)
      )
      update, state = optimizer.update(gradient, state)
      return {**v, "params": optax.apply_updates(v["params"], update)}, state

    v, _ = lax.fori_loop(0, 150, step, (v, optimizer.init(v["params"])))
    return [critic.apply(v, x) for x in (real, fake)]

  reals, fakes = learn(jax.jit(critic.init)(jax.random.key(0), real))
  assert reals.min() > fakes.max()
  if loss == "dcgan":
    assert np.mean(np.log(1 + np.exp(-reals))) + np.mean(np.log(1 + np.exp(fakes))) < 0.2


@pytest.mark.parametrize("loss", ["dcgan", "wgan_gp"])
def test_one_image_is_learned(loss):
  config = settings(
    loss=loss, width=8, critic_width=8, learning_rate=3e-3, critic_steps=1 if loss == "dcgan" else 3
  )
  gan = make_gan(config, SHAPE, (0.0, 1.0))
  image = np.zeros(SHAPE, np.uint8)
  image[2:6, 1:4] = 255
  images, z = jnp.asarray(image[None]), jax.random.normal(jax.random.key(3), (20, 6))

  @jax.jit
  def errors():
    start = gan.init(jax.random.key(1))
    batches = jnp.broadcast_to(images, (config.critic_steps, config.batch_size, *SHAPE))
    step = lambda i, state: gan.step(state, stream(jax.random.key(2), "iteration", i), batches)[0]  # noqa: E731
    end = lax.fori_loop(0, 150, step, start)
    return [jnp.mean((gan.generate(s.generator, z) - images / 255) ** 2) for s in (start, end)]

  before, after = errors()
  assert after < 0.2 * before
