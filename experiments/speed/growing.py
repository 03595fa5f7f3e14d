"""What growth.py times: the points of its four panels."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asal_jax.acquisition.score import entropy
from asal_jax.acquisition.strategy import Synthesis, asal, exhaustive, random_sampling, subpool
from asal_jax.acquisition.synthesis import make_synthesis
from asal_jax.models.classifier import make_classifier, make_fit, make_scorer
from asal_jax.models.gan import make_gan
from asal_jax.pools.kinds import ArrayPool
from asal_jax.rng import seed_keys
from asal_jax.search.features import FeatureSet
from asal_jax.search.index import INDICES
from asal_jax.search.matching import match
from asal_jax.types import LabelledSet, Pool
from configs import cifar_ten, mnist_ten, mnist_two
from experiments.speed.ours import CIFAR, MNIST, random_images
from experiments.speed.ours_pools import NOTHING
from experiments.speed.pools import DIMENSIONS, SPECTRUM

Timed = Callable[[], object]
Points = Iterator[tuple[str, int, Timed]]
"""(series, x, the work to time)."""


class Panel(NamedTuple):
  """`points` makes what is timed, one after another."""

  title: str
  across: str
  points: Callable[[], Points]


LABELS = (50, 100, 200, 500, 1_000, 2_000, 3_000, 5_000, 7_000, 10_000)
POOLS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
SEEDS = (1, 2, 5, 10, 20)
LATENTS = (10, 30, 100, 300, 1_000)
BATCH = 10
LARGEST = {"pynndescent": 100_000, "faiss_hnsw": 100_000}
"""The largest pool of an index whose building takes a minute or more beyond it."""


class Fit:
  """A benchmark's classifier and its fit on `count` of `capacity` labels."""

  def __init__(self, config, shape: tuple[int, int, int], classes: int, capacity: int):
    pixel_range = tuple(config.data.pixel_range)
    self.classifier = make_classifier(config.classifier, shape, classes, pixel_range)
    self.fit = make_fit(self.classifier, config.classifier, pixel_range)
    self.scorer = make_scorer(self.classifier, entropy, pixel_range)
    self.images, self.classes = random_images(capacity, shape), classes

  def __call__(self, keys, count: int):
    images = jnp.broadcast_to(self.images, (len(keys), *self.images.shape))
    labels = np.tile(np.arange(len(self.images), dtype=np.int32) % self.classes, (len(keys), 1))
    return self.fit(keys, 0, images, labels, np.int32(count))


def waiting(function: Callable, *arguments) -> Timed:
  return lambda: jax.block_until_ready(function(*arguments))


def small_gan():
  """(GAN of width 16 for MNIST, fresh variables of its generator)."""
  config = mnist_two.get_config("small")
  gan = make_gan(config.gan, MNIST, tuple(config.data.pixel_range))
  return gan, jax.jit(gan.init)(jax.random.key(0)).generator


def synthetic_features(n: int) -> np.ndarray:
  return np.random.default_rng(n).standard_normal((n, DIMENSIONS), np.float32) * SPECTRUM


def make_projection(gan, generator):
  """(project, params): random projections of images, scaled to the synthetic features' means and deviations."""
  images = gan.generate(generator, jax.random.normal(jax.random.key(1), (500, gan.latent_dim)))
  directions = jax.random.normal(jax.random.key(2), (np.prod(MNIST), DIMENSIONS))
  values = images.reshape(500, -1) @ directions
  params = directions, values.mean(axis=0), SPECTRUM / values.std(axis=0)

  def project(params, images):
    directions, mean, scale = params
    return (images.reshape(images.shape[0], -1) @ directions - mean[None]) * scale[None]

  return project, params


class Asal:
  """ASAL on the linear model of MNIST two, with any index over synthetic features."""

  def __init__(self):
    config = mnist_two.get_config("small")
    self.linear = Fit(config, MNIST, 2, 500)
    self.keys = seed_keys((0,))
    self.params = jax.vmap(self.linear.classifier.init)(self.keys)
    self.gan, self.generator = small_gan()
    self.project, self.projection = make_projection(self.gan, self.generator)
    latents = make_synthesis(config.synthesis, self.gan, self.linear.classifier, entropy, BATCH)
    self.synthesis = Synthesis(self.gan.generate, self.generator, ascended=latents, random=latents)

  def select(self, images: Pool, of_pool, index, labelled) -> Timed:
    features = FeatureSet(self.project, self.projection, of_pool, index)
    return self.call(asal(images, self.linear.scorer, self.synthesis, features), labelled)

  def call(self, query, labelled) -> Timed:
    return lambda: query(self.keys, 1, self.params, LabelledSet(labelled, np.zeros_like(labelled)))


def labels() -> Points:
  """Training from scratch, and a selection by ASAL, with this many labels of a pool of 20,000."""
  key, most, pool = seed_keys((0,)), LABELS[-1], 20_000
  fits = {
    "fit, linear": Fit(mnist_two.get_config(), MNIST, 2, most),
    "fit, LeNet-5": Fit(mnist_ten.get_config(), MNIST, 10, most),
  }
  for name, fit in fits.items():
    fit(key, 1)
    yield from ((name, count, waiting(fit, key, count)) for count in LABELS)
  method, images = Asal(), ArrayPool(random_images(pool))
  features = synthetic_features(pool)
  index = INDICES["exact"].build(features)
  for count in LABELS:
    yield (
      "select, ASAL exact",
      count,
      method.select(images, features, index, np.arange(count, dtype=np.int32)[None]),
    )


def pool() -> Points:
  """A selection of 10 for one seed with 100 labels, out of pools of this size."""
  method = Asal()
  for n in POOLS:
    images, features = ArrayPool(random_images(n)), synthetic_features(n)
    excluded = np.arange(100, dtype=np.int32)[None]
    for name, index in INDICES.items():
      if n <= LARGEST.get(name, n):
        built = index.build(features)
        yield f"ASAL, {name}", n, method.select(images, features, built, excluded)
    scorer = method.linear.scorer
    yield "max entropy, linear", n, method.call(exhaustive(images, scorer, BATCH, NOTHING), excluded)
    yield "random", n, method.call(random_sampling(n, BATCH), excluded)
    yield "sub-pool of 200", n, method.call(subpool(images, scorer, 200, BATCH), excluded)


def together_and_one_by_one(name: str, work: Callable, most: int) -> Points:
  """`work(keys)` for several seeds at once, and one after the other."""
  for seeds in SEEDS if most >= SEEDS[-1] else range(1, most + 1):
    keys = seed_keys(tuple(range(seeds)))
    yield f"{name}, at once", seeds, waiting(work, keys)
    yield (
      f"{name}, one by one",
      seeds,
      lambda keys=keys: [jax.block_until_ready(work(keys[i : i + 1])) for i in range(len(keys))],
    )


def seeds() -> Points:
  """A cycle of this many seeds: linear with max entropy over 10,000 images, LeNet-5 and All-CNN training."""
  linear = Fit(mnist_two.get_config(), MNIST, 2, 500)
  query = exhaustive(ArrayPool(random_images(10_000)), linear.scorer, BATCH, NOTHING)

  def cycle(keys):
    none = np.zeros((len(keys), 0), np.int32)
    return query(keys, 1, linear(keys, 500), LabelledSet(none, none))

  yield from together_and_one_by_one("linear, 500 labels", cycle, SEEDS[-1])
  lenet = Fit(mnist_ten.get_config(), MNIST, 10, 200)
  yield from together_and_one_by_one("LeNet-5, 200 labels", lambda keys: lenet(keys, 200), SEEDS[-1])
  config = cifar_ten.get_config()
  config.classifier.epochs = 1
  all_cnn = Fit(config, CIFAR, 10, 128)
  yield from together_and_one_by_one("All-CNN, one step", lambda keys: all_cnn(keys, 128), 3)


def latents() -> Points:
  """Ascent of this many latents for one seed, and their matching in a pool of 20,000."""
  config, (gan, generator) = mnist_two.get_config("small"), small_gan()
  classifier, keys = (
    make_classifier(config.classifier, MNIST, 2, tuple(config.data.pixel_range)),
    seed_keys((0,)),
  )
  params = jax.vmap(classifier.init)(keys)
  project, projection = make_projection(gan, generator)
  index, excluded = INDICES["exact"].build(synthetic_features(20_000)), np.zeros(0, np.int32)
  embed = jax.jit(lambda params, z: project(params[1], gan.generate(params[0], z)))
  for count in LATENTS:
    ascend = make_synthesis(config.synthesis, gan, classifier, entropy, count)
    yield "ascent, 100 steps", count, waiting(ascend, keys, 1, generator, params)
    z = jnp.asarray(jax.random.normal(keys[0], (count, gan.latent_dim)))

    def match_all(z=z):
      queries = np.asarray(embed((generator, projection), z))
      return match(index, queries[None], excluded[None])

    yield "matching, exact", count, match_all


PANELS = {
  "labels": Panel("labels: training from scratch, selection", "labelled samples", labels),
  "pool": Panel("pool: selecting 10 samples", "samples in the pool", pool),
  "seeds": Panel("seeds: at once (vmapped), one by one", "seeds", seeds),
  "latents": Panel("latents: ascent and matching", "latents a cycle", latents),
}
