"""Training in chunks: a resumed run ends in the same bits, a diverged one says so."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax import InputError
from asal_jax.models import train
from asal_jax.models.autoencoder import make_autoencoder
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.store.progress import Progress
from asal_jax.types import AutoEncoder
from configs.base import get_config

IMAGES = jnp.asarray(np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8))
POOL = ArrayPool(np.asarray(IMAGES))


@pytest.fixture(autouse=True)
def machine_of_any_speed(monkeypatch):
  """Chunks are as long as they may be, however loaded the machine is."""
  monkeypatch.setattr(train, "CHUNK_SECONDS", 1e9)


@pytest.mark.parametrize(("seconds", "length"), [(0.01, 25), (0.4, 7), (1.0, 3), (50.0, 1)])
def test_chunks_are_short_where_iterations_are_long(monkeypatch, seconds, length):
  clock = [0.0]
  monkeypatch.setattr(train, "CHUNK_SECONDS", 3.0)
  monkeypatch.setattr(train.time, "perf_counter", lambda: clock[0])
  bounds = []
  for start, stop, found in train.paced(lambda start: -start, 5, 100, 40):
    clock[0] += seconds * (stop - start)
    assert found == -start
    bounds.append((start, stop))
  starts, stops = zip(*bounds, strict=True)
  assert starts == (5, *stops[:-1])
  assert stops[-1] == 100
  # None crosses a multiple of 40, the first two compile and measure, the others are as long as that allows.
  assert {40, 80} < set(stops)
  assert bounds[:2] == [(5, 6), (6, 7)]
  assert max(stop - start for start, stop in bounds[2:]) == length


@pytest.fixture(scope="module")
def autoencoder():
  config = get_config().autoencoder
  config.update({"code_channels": 2, "batch_size": 4})
  return make_autoencoder(config, (8, 8, 1), (0.0, 1.0))


def run(autoencoder, folder, iterations=60, seed=0, checkpoint_every=20, pool=POOL, **looks):
  return train.train(
    "auto-encoder", autoencoder, pool, iterations=iterations, seed=seed,
    folder=folder, checkpoint_every=checkpoint_every, **looks,
  )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(autoencoder, tmp_path_factory):
  return run(autoencoder, tmp_path_factory.mktemp("whole") / "checkpoints")


@pytest.fixture(scope="module")
def short(autoencoder, tmp_path_factory):
  return run(autoencoder, tmp_path_factory.mktemp("short") / "checkpoints", iterations=25)


def check_same_bits(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_train_is_a_plain_loop(autoencoder, uninterrupted):
  key = jax.random.key(0)
  state, step = jax.jit(autoencoder.init)(train.stream(key, "init")), jax.jit(autoencoder.step)
  for i in range(60):
    key_i = train.stream(key, "iteration", i)
    state, _ = step(state, key_i, IMAGES[autoencoder.batch_ids(key_i, 20)])
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
    looks = []
    resumed = run(autoencoder, tmp_path, look_every=7, look=lambda i, _: looks.append(i))
    check_same_bits(resumed, uninterrupted)
  assert begun == [20]
  assert looks == [21, 28, 35, 42, 49, 56, 60]


def test_a_pool_read_from_disk_trains_to_the_same_bits(autoencoder, uninterrupted, tmp_path):
  np.save(tmp_path / "pool.npy", np.asarray(IMAGES))
  pool = MappedPool(np.load(tmp_path / "pool.npy", mmap_mode="r"))
  assert pool.resident is None
  check_same_bits(run(autoencoder, tmp_path / "checkpoints", pool=pool), uninterrupted)


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
  leaves = zip(jax.tree.leaves(other.variables), jax.tree.leaves(uninterrupted.variables), strict=True)
  assert all(np.any(a != b) for a, b in leaves)


@pytest.mark.parametrize("chunk", [1, 1_000])
def test_where_the_host_looks_changes_no_bit(autoencoder, uninterrupted, short, tmp_path, monkeypatch, chunk):
  monkeypatch.setattr(train, "CHUNK", chunk)
  looks = {}

  def look(iteration, state):
    # The state is donated afterwards.
    looks[iteration] = jax.tree.map(np.array, state)

  check_same_bits(run(autoencoder, tmp_path, look_every=25, look=look), uninterrupted)
  assert list(looks) == [25, 50, 60]
  check_same_bits(looks[25], short)
  check_same_bits(looks[60], uninterrupted)


def test_without_look_every_there_is_one_look_at_the_end(autoencoder, tmp_path):
  looks = []
  for _ in range(2):
    run(autoencoder, tmp_path, iterations=33, look=lambda i, _: looks.append(i))
  # The second run had nothing to train.
  assert looks == [33]


def toy(folder, checkpoint_every, loss=lambda done: 1.0, weight=lambda done: 1.0, **looks):
  """Trains 100 iterations of what has `loss(iterations before)` and leaves `weight(iterations done)`."""

  def step(state, key, images):
    done = state["done"] + 1
    weights = jnp.where(jnp.isfinite(state["weights"]), weight(done), jnp.nan)
    # As of GANs and auto-encoders: the loss is of the weights before the update.
    return {"done": done, "weights": weights}, {"loss": state["weights"] * loss(state["done"])}

  def init(key):
    return {"done": jnp.zeros((), jnp.int32), "weights": jnp.ones(())}

  train.train(
    "toy",
    AutoEncoder(init, lambda key, n: jnp.zeros(1, jnp.int32), step, None, None),
    POOL,
    iterations=100,
    seed=0,
    folder=folder,
    checkpoint_every=checkpoint_every,
    **looks,
  )


@pytest.mark.parametrize(("every", "iteration", "good"), [(5, 15, 10), (40, 25, 0), (12, 24, 12)])
def test_a_loss_that_is_not_finite(tmp_path, every, iteration, good):
  message = (
    rf"^toy: the loss is not finite at iteration {iteration} .* good checkpoint is {good} in .*learning rate"
  )
  with pytest.raises(InputError, match=message) as error:
    toy(tmp_path, every, loss=lambda done: jnp.where(done > 12, jnp.nan, 1.0))
  assert saved(tmp_path) == list(range(every, good + 1, every))
  # Whoever asks for these keys finds the iteration, that after 13 are done, among them.
  key, first, last = re.search(
    r"stream\((.*), 'iteration', i\), i in (\d+)\.\.(\d+);", str(error.value)
  ).groups()
  assert key == "jax.random.key(0)"
  assert int(first) <= 13 <= int(last) == iteration - 1


@pytest.mark.parametrize(
  ("after", "what", "iteration", "good"),
  [(39, "loss", 40, 20), (40, "state", 40, 20), (41, "loss", 50, 40)],
)
@pytest.mark.parametrize("looked", [False, True])
def test_a_state_that_is_not_finite_is_neither_saved_nor_shown(
  tmp_path, after, what, iteration, good, looked
):
  seen = []
  looks = {"look_every": 40, "look": lambda i, state: seen.append(float(state["weights"]))} if looked else {}
  with pytest.raises(
    InputError, match=rf"^toy: the {what} .* iteration {iteration}\b.* checkpoint is {good} in"
  ):
    toy(tmp_path, 20, weight=lambda done: jnp.where(done >= after, jnp.inf, 1.0), **looks)
  assert saved(tmp_path) == list(range(20, good + 1, 20))
  assert seen == [1.0] * (looked and good == 40)


def saved(folder):
  """The checkpoints there are, oldest first; two are kept."""
  steps = sorted(int(path.name) for path in folder.iterdir() if path.is_dir())
  assert {path.name for path in folder.iterdir() if path.is_file()} == {f"{step}.sums.json" for step in steps}
  return steps
