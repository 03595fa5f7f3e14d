"""What is timed of this package: one maker a row, with the same work as its rival in rivals.py."""

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asal_jax.acquisition.score import SCORES, entropy
from asal_jax.acquisition.synthesis import make_synthesis
from asal_jax.acquisition.table import World
from asal_jax.models.autoencoder import make_autoencoder
from asal_jax.models.classifier import make_classifier, make_embed, make_fit, make_predict, make_scorer
from asal_jax.models.gan import make_gan
from asal_jax.models.train import make_chunk, make_draw
from asal_jax.pools.kinds import ArrayPool
from asal_jax.rng import seed_keys
from asal_jax.running.asking import start_set
from asal_jax.running.comparison import Comparison
from asal_jax.search.exact import ExactIndex
from asal_jax.store.checkpoint import committed
from asal_jax.store.journal import Journal
from asal_jax.store.rows import Partial
from asal_jax.types import Data, Splits
from configs import celeba_hat, cifar_ten, mnist_ten, mnist_two
from experiments.speed import ours_pools
from experiments.speed.rows import ROWS, precision

MNIST, CIFAR, CELEBA = (28, 28, 1), (32, 32, 3), (64, 64, 3)
RANGE = (0.0, 1.0)
ROOT = pathlib.Path(__file__).parent.parent.parent
Timed = Callable[[], None]


def random_images(n: int, shape: tuple[int, int, int] = MNIST) -> jax.Array:
  return jnp.asarray(np.random.default_rng(0).integers(0, 256, (n, *shape), np.uint8))


class Program(NamedTuple):
  """A jitted function and what it is called with: a call is timed, its operations are counted by work.py."""

  function: Callable[..., object]
  arguments: tuple

  def timed(self) -> Timed:
    return lambda: jax.block_until_ready(self.function(*self.arguments))


def training(maker, row: str, shape: tuple[int, int, int] = MNIST) -> Timed:
  """The row's iterations of a maker's step in one chunk, as train.py runs them."""
  pool, key, chunk = ArrayPool(random_images(10_000, shape)), jax.random.key(0), make_chunk(maker.step)
  state, draw = committed(jax.jit(maker.init)(key)), make_draw(maker.batch_ids, len(pool))

  def run() -> None:
    nonlocal state
    images = pool.read(np.asarray(draw(key, np.int32(0))))
    state, metrics = chunk(state, key, np.int32(0), np.int32(ROWS[row].units), images)
    jax.block_until_ready(metrics)

  return run


def gan_of(row: str):
  """(GAN, image shape) of a row called wgan_gp_..."""
  nets, width = row.split("_")[2:]
  config, shape = {
    "mnist": (mnist_two.get_config(), MNIST),
    "cifar": (cifar_ten.get_config(), CIFAR),
    "celeba": (celeba_hat.get_config(), CELEBA),
  }[nets]
  if width == "quarter":
    config.gan.width, config.gan.critic_width = 16, 32
  elif width != "full":
    config.gan.width = config.gan.critic_width = int(width)
  return make_gan(config.gan, shape, tuple(config.data.pixel_range)), shape


def wgan_gp(row: str) -> Callable[[], Timed]:
  def make() -> Timed:
    gan, shape = gan_of(row)
    return training(gan, row, shape)

  return make


def autoencoder_of_mnist():
  return make_autoencoder(mnist_two.get_config().autoencoder, MNIST, RANGE)


def autoencoder_mnist() -> Timed:
  return training(autoencoder_of_mnist(), "autoencoder_mnist")


def classifier_step(row: str, configs, shape: tuple[int, int, int], classes: int) -> Callable[[], Program]:
  """One epoch of as many labels as the row's steps need."""

  def make() -> Program:
    config = configs.get_config()
    config.classifier.epochs, labels = 1, ROWS[row].units * config.classifier.batch_size
    pixel_range = tuple(config.data.pixel_range)
    classifier = make_classifier(config.classifier, shape, classes, pixel_range)
    fit = make_fit(classifier, config.classifier, pixel_range)
    images, keys = random_images(labels, shape)[None], seed_keys((0,))
    known = np.arange(labels, dtype=np.int32)[None] % classes
    return Program(fit, (keys, 0, images, known, np.int32(labels)))

  return make


def score_pool_lenet() -> Program:
  classifier = make_classifier(mnist_ten.get_config().classifier, MNIST, 10, RANGE)
  params, images = jax.vmap(classifier.init)(seed_keys((0,))), random_images(50_000)
  scorer = make_scorer(classifier, entropy, RANGE)
  return Program(scorer.block, (params, images))


def synthesis_mnist_16() -> Program:
  config = mnist_two.get_config("small")
  gan, keys = make_gan(config.gan, MNIST, RANGE), seed_keys((0, 1, 2, 3, 4))
  classifier = make_classifier(config.classifier, MNIST, 2, RANGE)
  params, generator = jax.vmap(classifier.init)(keys), jax.jit(gan.init)(jax.random.key(0)).generator
  ascend = make_synthesis(config.synthesis, gan, classifier, entropy, 10)
  return Program(ascend, (keys, 1, generator, params))


def max_entropy_mnist_two() -> Timed:
  """All cycles of a real run, journal on disk included; the arrays are those of BENCH_MNIST_TWO (an .npz)."""
  config, arrays = mnist_two.get_config(), np.load(os.environ["BENCH_MNIST_TWO"])
  pool, test = (Data(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("pool", "test"))
  classifier = make_classifier(config.classifier, MNIST, 2, RANGE)
  scorers = {name: make_scorer(classifier, score, RANGE) for name, score in SCORES.items()}
  pool = Data(ArrayPool(pool.images), pool.labels)
  with tempfile.TemporaryDirectory() as folder:
    # Kept for all calls, with a new journal each: its learner is compiled once.
    predict, embed = make_predict(classifier, entropy, RANGE), make_embed(classifier, RANGE)
    partial = lambda name: Partial(pathlib.Path(folder) / name)  # noqa: E731
    world = World(pool.images, 2, scorers, predict, embed, None, {}, {}, partial)
    splits = Splits(pool, test, ("5", "7"))
    comparison = Comparison(config, splits, classifier, world, no_judge, None, pathlib.Path(folder))

  def run() -> None:
    comparison.start = start_set(None, config, splits, comparison.keys)
    with tempfile.TemporaryDirectory() as folder:
      comparison.journal = Journal(pathlib.Path(folder), config.seeds)
      comparison.run("entropy")

  return run


def no_judge():
  raise NotImplementedError("max entropy needs no judge")


def max_entropy_process(fresh: bool) -> Callable[[], Timed]:
  """The command as users start it: data by TFDS, results and figures; `fresh` with an empty cache every time."""

  def make() -> Timed:
    kept = tempfile.TemporaryDirectory()

    def run() -> None:
      with tempfile.TemporaryDirectory() as folder:
        arguments = ["--config=configs/mnist_two.py", "--config.strategies=('entropy',)"]
        arguments += [f"--config.precision={precision()}"]
        arguments += [f"--workdir={folder}/run", f"--cache={folder if fresh else kept.name}/cache"]
        command = [sys.executable, "-m", "asal_jax.main", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
          raise RuntimeError(done.stderr)

    return run

  return make


def exact_search(n: int) -> Callable[[], Timed]:
  def make() -> Timed:
    rng = np.random.default_rng(0)
    index = ExactIndex.build(rng.standard_normal((n, 50), np.float32))
    queries, excluded = rng.standard_normal((10, 50), np.float32), np.zeros(0, np.int32)
    return lambda: index.search(queries, 10, excluded)

  return make


PROGRAMS: dict[str, Callable[[], Program]] = {
  "lenet_step": classifier_step("lenet_step", mnist_ten, MNIST, 10),
  "celeba_step": classifier_step("celeba_step", celeba_hat, CELEBA, 2),
  "all_cnn_step": classifier_step("all_cnn_step", cifar_ten, CIFAR, 10),
  "score_pool_lenet": score_pool_lenet,
  "synthesis_mnist_16": synthesis_mnist_16,
}

OURS: dict[str, Callable[[], Timed]] = {
  **{row: wgan_gp(row) for row in ROWS if row.startswith("wgan_gp_")},
  "autoencoder_mnist": autoencoder_mnist,
  **{row: lambda make=make: make().timed() for row, make in PROGRAMS.items()},
  "max_entropy_mnist_two": max_entropy_mnist_two,
  "max_entropy_cold": max_entropy_process(fresh=True),
  "max_entropy_second": max_entropy_process(fresh=False),
  "exact_search_1m": exact_search(1_000_000),
  "exact_search_4m": exact_search(4_000_000),
  "exact_search_16m": exact_search(16_000_000),
  **ours_pools.OURS,
}
