"""What is timed of this package: one maker a row, with the same work as its rival in rivals.py."""

import os
import pathlib
import tempfile
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from asal_jax.autoencoder import make_autoencoder
from asal_jax.checkpoint import committed
from asal_jax.classifier import make_accuracy, make_classifier, make_fit, make_scorer
from asal_jax.gan import make_gan
from asal_jax.index import ExactIndex
from asal_jax.journal import Journal
from asal_jax.loop import Learner, run_strategy
from asal_jax.oracle import make_oracle, start_set
from asal_jax.rng import seed_keys
from asal_jax.score import SCORES, entropy
from asal_jax.strategy import World, make_query
from asal_jax.synthesis import make_synthesis
from asal_jax.train import make_chunk
from configs import mnist_ten, mnist_two
from experiments.speed.rows import ROWS

RANGE, SHAPE = (0.0, 1.0), (28, 28, 1)
Timed = Callable[[], None]


def random_images(n: int) -> jax.Array:
  return jnp.asarray(np.random.default_rng(0).integers(0, 256, (n, *SHAPE), np.uint8))


def training(maker, row: str) -> Timed:
  """The row's iterations of a maker's step in one chunk, as train.py runs them."""
  images, key, chunk = random_images(10_000), jax.random.key(0), make_chunk(maker.step)
  state = committed(jax.jit(maker.init)(key))

  def run() -> None:
    nonlocal state
    state, metrics = chunk(state, key, np.int32(0), np.int32(ROWS[row].units), images)
    jax.block_until_ready(metrics)

  return run


def wgan_gp(width: int) -> Callable[[], Timed]:
  def make() -> Timed:
    config = mnist_two.get_config().gan
    config.width = width
    return training(make_gan(config, SHAPE, RANGE), f"wgan_gp_mnist_{width}")

  return make


def autoencoder_mnist() -> Timed:
  return training(make_autoencoder(mnist_two.get_config().autoencoder, SHAPE, RANGE), "autoencoder_mnist")


def lenet_step() -> Timed:
  """One epoch of as many labels as the row's steps need."""
  config = mnist_ten.get_config().classifier
  config.epochs, labels = 1, ROWS["lenet_step"].units * config.batch_size
  fit = make_fit(make_classifier(config, SHAPE, 10), config, RANGE)
  images, keys = random_images(10_000), seed_keys((0,))
  ids = np.arange(labels, dtype=np.int32)[None]
  return lambda: jax.block_until_ready(fit(keys, 0, images, ids, ids % 10, np.int32(labels)))


def score_pool_lenet() -> Timed:
  classifier = make_classifier(mnist_ten.get_config().classifier, SHAPE, 10)
  params, images = jax.vmap(classifier.init)(seed_keys((0,))), random_images(50_000)
  scorer = make_scorer(classifier, entropy, RANGE)
  return lambda: jax.block_until_ready(scorer.pool(params, images))


def synthesis_mnist_16() -> Timed:
  config = mnist_two.get_config("small")
  gan, keys = make_gan(config.gan, SHAPE, RANGE), seed_keys((0, 1, 2, 3, 4))
  classifier = make_classifier(config.classifier, SHAPE, 2)
  params, generator = jax.vmap(classifier.init)(keys), jax.jit(gan.init)(jax.random.key(0)).generator
  ascend = make_synthesis(config.synthesis, gan, classifier, entropy, 10)
  return lambda: jax.block_until_ready(ascend(keys, 1, generator, params))


def max_entropy_mnist_two() -> Timed:
  """The loop of a real run, journal on disk included; the arrays are those of BENCH_MNIST_TWO (an .npz)."""
  config, data = mnist_two.get_config(), np.load(os.environ["BENCH_MNIST_TWO"])
  classifier, keys = make_classifier(config.classifier, SHAPE, 2), seed_keys(tuple(config.seeds))
  labels, oracle = data["pool_labels"], make_oracle(data["pool_labels"])
  scorers = {name: make_scorer(classifier, score, RANGE) for name, score in SCORES.items()}
  world = World(jnp.asarray(data["pool_images"]), scorers, None, {})
  fit, accuracy = make_fit(classifier, config.classifier, RANGE), make_accuracy(classifier, RANGE)
  learner = Learner(fit, accuracy, jnp.asarray(data["test_images"]), jnp.asarray(data["test_labels"]), 2)
  query = make_query("entropy", config, world)

  def run() -> None:
    start = np.stack([start_set(key, labels, config.loop.start, 2) for key in keys])
    with tempfile.TemporaryDirectory() as folder:
      journal = Journal(pathlib.Path(folder), config.seeds)
      run_strategy("entropy", query, config, start, keys, world, learner, oracle, journal)

  return run


def exact_search(n: int) -> Callable[[], Timed]:
  def make() -> Timed:
    rng = np.random.default_rng(0)
    index = ExactIndex.build(rng.standard_normal((n, 50), np.float32))
    queries, excluded = rng.standard_normal((10, 50), np.float32), np.zeros(n, bool)
    return lambda: index.search(queries, 10, excluded)

  return make


OURS: dict[str, Callable[[], Timed]] = {
  "wgan_gp_mnist_16": wgan_gp(16),
  "wgan_gp_mnist_32": wgan_gp(32),
  "wgan_gp_mnist_64": wgan_gp(64),
  "autoencoder_mnist": autoencoder_mnist,
  "lenet_step": lenet_step,
  "score_pool_lenet": score_pool_lenet,
  "synthesis_mnist_16": synthesis_mnist_16,
  "max_entropy_mnist_two": max_entropy_mnist_two,
  "exact_search_1m": exact_search(1_000_000),
  "exact_search_4m": exact_search(4_000_000),
}
