"""Training in chunks: a resumed run ends in the same bits, a diverged one says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax import InputError, train
from asal_jax.autoencoder import make_autoencoder
from asal_jax.progress import Progress
from configs.base import get_config

IMAGES = jnp.asarray(np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8))


@pytest.fixture(scope="module")
def autoencoder():
  config = get_config().autoencoder
  config.update({"code_channels": 2, "batch_size": 4})
  return make_autoencoder(config, (8, 8, 1), (0.0, 1.0))


def run(autoencoder, folder, iterations=60, seed=0, checkpoint_every=20):
  return train.train(
    "auto-encoder", autoencoder.init, autoencoder.step, IMAGES, iterations=iterations, seed=seed,
    folder=folder, checkpoint_every=checkpoint_every,
  )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(autoencoder, tmp_path_factory):
  return run(autoencoder, tmp_path_factory.mktemp("whole") / "checkpoints")


def check_same_bits(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_train_is_a_plain_loop(autoencoder, uninterrupted):
  key = jax.random.key(0)
  state, step = jax.jit(autoencoder.init)(train.stream(key, "init")), jax.jit(autoencoder.step)
  for i in range(60):
    state, _ = step(state, train.stream(key, "iteration", i), IMAGES)
  for a, b in zip(jax.tree.leaves(uninterrupted), jax.tree.leaves(state), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_killed_run_resumes_to_the_same_bits(autoencoder, uninterrupted, tmp_path, monkeypatch):
  class Killed(Exception):
    pass

  class Killer(Progress):
    def update(self, steps=1, **values):
      super().update(steps, **values)
      # Iteration 40 is done, the checkpoint of 20 is the last.
      if self.done >= 40:
        raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(train, "Progress", Killer)
    with pytest.raises(Killed):
      run(autoencoder, tmp_path)
  begun = []
  with monkeypatch.context() as patch:
    patch.setattr(train, "Progress", lambda *args, initial: begun.append(initial) or Progress(*args, initial))
    check_same_bits(run(autoencoder, tmp_path), uninterrupted)
  assert begun == [20]


def test_more_iterations_go_on_from_the_end(autoencoder, uninterrupted, tmp_path):
  run(autoencoder, tmp_path, iterations=33, checkpoint_every=1_000)
  check_same_bits(run(autoencoder, tmp_path, checkpoint_every=7), uninterrupted)


def test_a_finished_run_is_read(autoencoder, uninterrupted, tmp_path):
  run(autoencoder, tmp_path)

  def never(*_):
    raise AssertionError("trained again")

  check_same_bits(run(autoencoder._replace(step=never), tmp_path), uninterrupted)


def test_the_seed_matters(autoencoder, uninterrupted, tmp_path):
  other = run(autoencoder, tmp_path, seed=1)
  leaves = zip(jax.tree.leaves(other.params), jax.tree.leaves(uninterrupted.params), strict=True)
  assert all(np.any(a != b) for a, b in leaves)


def test_a_loss_that_is_not_finite(tmp_path):
  def step(state, key, images):
    state = {"steps": state["steps"] + 1}
    return state, {"loss": jnp.where(state["steps"] > 12, jnp.nan, 1.0)}

  def init(key):
    return {"steps": jnp.zeros(())}

  with pytest.raises(
    InputError, match=r"^toy: the loss is not finite at iteration 15 .* good checkpoint is 10"
  ):
    train.train(
      "toy",
      init,
      step,
      IMAGES,
      iterations=20,
      seed=0,
      folder=tmp_path,
      checkpoint_every=5,
    )
