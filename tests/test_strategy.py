"""Every strategy on a small world against brute force in NumPy."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax import InputError
from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.strategy import Synthesis, best_first, draw_unlabelled
from asal_jax.acquisition.synthesis import make_synthesis
from asal_jax.acquisition.table import World, make_query
from asal_jax.models.classifier import cross_entropy, make_embed, make_predict, make_scorer
from asal_jax.models.gan import make_gan
from asal_jax.pools import blocks
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.rng import seed_keys
from asal_jax.running.comparison import make_world
from asal_jax.running.prepare import Preparation
from asal_jax.search.exact import ExactIndex
from asal_jax.search.features import FeatureSet, fit_pca, make_features, make_project, pixels
from asal_jax.store.rows import Partial
from asal_jax.types import GAN, Classifier, LabelledSet
from configs.base import get_config

POOL, SEEDS, BATCH, RANGE = 40, 3, 4, (0.0, 1.0)
KEYS = seed_keys((0, 1, 2))
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (POOL, 3, 3, 1), np.uint8)
X = IMAGES.reshape(POOL, 9) / 255.0
PARAMS = jnp.asarray(3 * RNG.normal(size=(SEEDS, 9, 1)), jnp.float32)
GRAPH = np.argsort(np.linalg.norm(X[:, None] - X[None], axis=2), axis=1)[:, 1:6].astype(np.int32)
DECODER = jnp.asarray(RNG.normal(size=(5, 9)), jnp.float32)
LABELLED = np.stack([RNG.permutation(POOL)[:12] for _ in range(SEEDS)]).astype(np.int32)
LINEAR = Classifier(
  None,
  lambda w, x: (x.reshape(x.shape[0], -1) - 0.5) @ w,
  None,
  cross_entropy,
  lambda w, x: x.reshape(x.shape[0], -1) - 0.5,
)
NAMES = (
  *(
    "margin",
    "least_confidence",
    "badge9",
    "cluster_margin9",
    "coreset_pool",
    "coreset9",
    "density9",
    "anchoral9",
  ),
  *(
    "random",
    "entropy",
    "min_distance",
    "subpool",
    "subpool9",
    "asal_pixels",
    "asal_pixels_rescore5",
    "seals",
  ),
  *(
    "random_walk9",
    "labelled_walk9",
    "mixed_walk9",
    "balanced_walk9",
    "asal_pixels_walk9",
    "balanced_asal_walk9",
  ),
)


def settings(**overrides):
  config = get_config()
  config.loop.per_cycle, config.subpool = BATCH, 6
  config.update(overrides)
  return config


def known(labelled):
  """What is labelled, with labels of class 0 and 1 in turn."""
  return LabelledSet(labelled, np.tile(np.arange(labelled.shape[1], dtype=np.int32) % 2, (len(labelled), 1)))


def mask(labelled):
  """bool[s n] of ids [s e]."""
  return np.stack([np.isin(np.arange(POOL), row) for row in labelled])


@pytest.fixture(scope="module", params=[ArrayPool, MappedPool])
def world(request, tmp_path_factory):
  gan = GAN(None, None, None, lambda p, z: jax.nn.sigmoid(z @ p).reshape(-1, 3, 3, 1), None, None, 5)
  pool, folder = request.param(IMAGES), tmp_path_factory.mktemp("partial")
  pca = fit_pca(pixels, (), pool, 6, RANGE)
  project = make_project(pixels)
  found = np.asarray(make_features(project, RANGE)(((), pca), jnp.asarray(IMAGES)))
  index = ExactIndex.build(found)
  ascended, drawn = settings().synthesis, settings().synthesis
  ascended.ascent_steps, drawn.ascent_steps = 20, 0
  synthesis = Synthesis(
    gan.generate, DECODER,
    ascended=make_synthesis(ascended, gan, LINEAR, SCORES["entropy"], BATCH),
    random=make_synthesis(drawn, gan, LINEAR, SCORES["entropy"], BATCH),
  )  # fmt: skip
  scorers = {name: make_scorer(LINEAR, score, RANGE) for name, score in SCORES.items()}
  features, graphs = {"pixels": FeatureSet(project, ((), pca), found, index)}, {"pixels": GRAPH}
  predict, partial = make_predict(LINEAR, SCORES["entropy"], RANGE), lambda name: folder / f"{name}.npz"
  return World(
    pool, 2, scorers, predict, make_embed(LINEAR, RANGE), synthesis, features, graphs,
    lambda name: Partial(partial(name), seconds=0),
  )  # fmt: skip


def decisions():
  return np.einsum("nd,sdk->sn", X - 0.5, np.asarray(PARAMS, float))


def closest_to_the_boundary(labelled):
  """The unlabelled with the smallest |w.x|, most uncertain first: maximum entropy, minimum distance."""
  return np.argsort(np.where(mask(labelled), np.inf, np.abs(decisions())), axis=1, kind="stable")[:, :BATCH]


def ask(world, name, labelled=LABELLED, cycle=1, **overrides):
  ids, calls = make_query(name, settings(**overrides), world)(KEYS, cycle, PARAMS, known(labelled))
  assert calls.shape == (SEEDS,)
  assert ids.shape == (SEEDS, BATCH)
  assert ids.dtype == np.int32
  return ids


@pytest.mark.parametrize("name", NAMES)
def test_only_distinct_unlabelled_samples(world, name):
  for cycle in range(4):
    ids = ask(world, name, cycle=cycle)
    assert not np.any(np.take_along_axis(mask(LABELLED), ids, axis=1))
    assert all(len(set(row.tolist())) == BATCH for row in ids)


@pytest.mark.parametrize("name", SCORES)
def test_exhaustive_search_equals_brute_force(world, name):
  np.testing.assert_array_equal(ask(world, name), closest_to_the_boundary(LABELLED))


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_a_pass_goes_on_where_it_was_killed(world, monkeypatch, cut):
  """Blocks of 12 of a pool of 40: the last one overlaps."""
  monkeypatch.setattr(blocks, "READ", 12)
  if world.pool.resident is not None:
    pytest.skip("a resident pool passes at once")
  expected, read, reads = closest_to_the_boundary(LABELLED), world.pool.block, []

  class Killed(Exception):
    pass

  def block(start, stop):
    reads.append(start)
    if len(reads) == cut + 1:
      raise Killed
    return read(start, stop)

  with monkeypatch.context() as patch:
    patch.setattr(world.pool, "block", block)
    with pytest.raises(Killed):
      ask(world, "entropy")
  reads.clear()
  monkeypatch.setattr(world.pool, "block", lambda start, stop: reads.append(start) or read(start, stop))
  np.testing.assert_array_equal(ask(world, "entropy"), expected)
  assert reads == [0, 12, 24, 28][cut:]
  np.testing.assert_array_equal(ask(world, "entropy", cycle=2), expected)
  assert len(reads) == 8 - cut


@pytest.mark.parametrize("score", SCORES)
def test_a_subpool_as_large_as_the_pool_is_exhaustive(world, score):
  found = ask(world, "subpool", subpool=POOL + 5, score=score)
  np.testing.assert_array_equal(found, closest_to_the_boundary(LABELLED))


def test_subpool_takes_the_best_of_its_draws(world):
  ids, drawn = ask(world, "subpool"), draw_unlabelled("subpool", KEYS, 1, POOL, LABELLED, 6)
  for row, some, decision in zip(ids, drawn, decisions(), strict=True):
    assert row.tolist() == sorted(some.tolist(), key=lambda i: abs(decision[i]))[:BATCH]


def test_draws_are_uniform_and_by_seed_and_cycle(world):
  first = ask(world, "random")
  np.testing.assert_array_equal(first, ask(world, "random"))
  assert np.any(first != ask(world, "random", cycle=2), axis=1).all()
  draws = np.concatenate(
    [draw_unlabelled("x", KEYS, cycle, POOL, LABELLED, BATCH) for cycle in range(300)], axis=1
  )
  for row, labelled in zip(draws, mask(LABELLED), strict=True):
    counts = np.bincount(row, minlength=POOL)[~labelled]
    expected = 300 * BATCH / len(counts)
    # Five standard deviations of a hypergeometric count are below those of a Poisson one.
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))


def test_draws_where_fewer_are_left():
  labelled = np.delete(np.arange(POOL, dtype=np.int32), [4, 9])[None].repeat(3, 0)
  draws = draw_unlabelled("x", KEYS, 0, POOL, labelled, 5)
  assert [sorted(row[:2].tolist()) for row in draws] == [[4, 9]] * 3
  assert np.all(draws[:, 2:] == -1)


def matched(z, labelled, rescore):
  """Greedy matches in row order: among the `rescore` nearest by the score, then by distance."""
  centered = X - X.mean(axis=0)
  axes = np.linalg.svd(centered, full_matrices=False)[2][:6].T
  synthetic = 1 / (1 + np.exp(-np.asarray(z, float) @ np.asarray(DECODER, float)))
  result = []
  for points, gone, decision in zip(synthetic, mask(labelled), decisions(), strict=True):
    chosen = []
    for point in points:
      distances = np.linalg.norm((point - X) @ axes, axis=1)
      near = [int(i) for i in np.argsort(distances) if not gone[i]]
      near = sorted(near[:rescore], key=lambda i: abs(decision[i])) + near[rescore:]
      chosen.append(next(i for i in near if i not in chosen))
    result.append(chosen)
  return result


@pytest.mark.parametrize("rescore", [1, 5])
@pytest.mark.parametrize("latents", ["", "_random_latents"])
def test_asal_equals_brute_force(world, rescore, latents):
  name = "asal_pixels" + (f"_rescore{rescore}" if rescore > 1 else "") + latents
  make = world.synthesis.random if latents else world.synthesis.ascended
  z = make(KEYS, 3, DECODER, PARAMS)
  assert ask(world, name, cycle=3).tolist() == matched(z, LABELLED, rescore)


def test_best_first():
  scores = np.array([0.5, 0.9, 0.1, 0.7, 0.3])
  near = np.array([[[2, 0, 1, 4], [3, -1, 1, 0]]], np.int32)
  found = best_first(near, 3, lambda ids: scores[ids])
  np.testing.assert_array_equal(found, [[[1, 0, 2, 4], [1, 3, -1, 0]]])


@pytest.mark.parametrize("name", NAMES)
def test_the_last_samples_of_the_pool(world, name):
  rest = np.array([[0, 5, 7, 39], [1, 2, 3, 4], [36, 37, 38, 39]])
  labelled = np.stack([np.setdiff1d(np.arange(POOL), row) for row in rest]).astype(np.int32)
  np.testing.assert_array_equal(np.sort(ask(world, name, labelled), axis=1), rest)


class Prepared(Preparation):
  """What `make_world` takes, of an untrained GAN with batch norm and pixels."""

  def __init__(self, world):
    config = settings().gan
    config.update({"width": 4, "critic_width": 4, "latent_dim": 5, "batch_norm": "generator"})
    gan = make_gan(config, (3, 3, 1), RANGE)
    self.pool, self.pixel_range = world.pool, RANGE
    self.gan = gan, jax.jit(gan.init)(jax.random.key(7))
    self.feature_sets = world.feature_sets

  def feature_set(self, name):
    return self.feature_sets[name]


def test_batch_statistics_couple_the_samples_of_a_seed_and_no_seeds(world, tmp_path):
  config = settings(strategies=("asal_pixels",))
  config.synthesis.update({"ascent_steps": 20, "batch_norm": "reference"})
  normalised = make_world(config, Prepared(world), LINEAR, 2, tmp_path)
  query = make_query("asal_pixels", config, normalised)
  alone = [
    query(seed_keys((s,)), 1, PARAMS[s : s + 1], known(LABELLED[s : s + 1])).ids[0] for s in range(SEEDS)
  ]
  np.testing.assert_array_equal(query(KEYS, 1, PARAMS, known(LABELLED)).ids, alone)
  generate, generator = jax.jit(normalised.synthesis.generate), normalised.synthesis.params
  z = normalised.synthesis.ascended(KEYS, 1, generator, PARAMS)
  images = generate(generator, z[0])
  # Images do depend on those beside them: on the seed's own, and so on another's if it were in the batch.
  assert np.abs(images[:2] - generate(generator, z[0, :2])).max() > 0.01
  assert np.abs(images - generate(generator, z.reshape(-1, 5))[:BATCH]).max() > 0.01


def test_asal_says_where_too_few_are_left(world):
  labelled = np.arange(BATCH - 1, POOL, dtype=np.int32)[None].repeat(SEEDS, 0)
  with pytest.raises(InputError, match="only 3 unlabelled samples left, 4 asked"):
    ask(world, "asal_pixels", labelled)


class Counted:
  """Any number of images, of which it is told how many were asked for."""

  resident, image_shape = None, (3, 3, 1)

  def __init__(self, size):
    self.size, self.read_ids = size, 0

  def __len__(self):
    return self.size

  def read(self, ids):
    self.read_ids += ids.size
    return IMAGES[ids % POOL]

  def block(self, start, stop):
    return self.read(np.arange(start, stop))

  def fingerprint(self):
    return "counted"


class Scattered:
  """An index whose neighbours lie anywhere among `size` ids, and how many it was asked for."""

  @classmethod
  def build(cls, *_):
    raise NotImplementedError

  load = build

  def __init__(self, size):
    self.size, self.asked = size, 0

  def __len__(self):
    return self.size

  def search(self, queries, k, excluded):
    self.asked += len(queries) * k
    ids = np.setdiff1d(np.arange(2 * (k + len(excluded))) * (self.size // 1_000), excluded)[:k]
    return np.tile(np.arange(k, dtype=np.float32), (len(queries), 1)), np.tile(ids, (len(queries), 1)).astype(
      np.int32
    )


def ring(size):
  """A neighbour graph i32[size 4] of samples on a ring."""
  return np.lib.stride_tricks.sliding_window_view((np.arange(size + 4, dtype=np.int32) % size)[1:], 4)


def cost_of_a_cycle(world, name, size):
  """(images scored, neighbours asked for, images read, most bytes of host memory) for choosing and reading."""
  pool, index = Counted(size), Scattered(size)
  of_pool = np.broadcast_to(np.zeros((1, 6), np.float32), (size, 6))
  features = {"pixels": world.feature_sets["pixels"]._replace(features=of_pool, index=index)}
  graphs = {"pixels": ring(size)}
  query = make_query(name, settings(), world._replace(pool=pool, feature_sets=features, graphs=graphs))
  tracemalloc.start()
  ids, calls = query(KEYS, 1, PARAMS, known(LABELLED))
  # Each score asked for is read, and what fills the rows up to a power of two.
  assert calls.sum() <= pool.read_ids <= 30 * SEEDS * 16
  pool.read(ids)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert ids.min() >= 0
  assert ids.max() < size
  return calls.tolist(), index.asked, pool.read_ids, peak


CALLS = {
  "random": 0,
  **dict.fromkeys(SCORES, POOL),
  "subpool": 6,
  "coreset_pool": 0,
  # Where the labelled samples lie, too.
  "coreset9": 9 + LABELLED.shape[1],
  "asal_pixels": 0,
  "asal_pixels_rescore5": 20,
}
"""Images that a classifier scores in a cycle; 9 for all others."""


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"seals"}))
def test_calls_are_what_the_name_says(world, name):
  query = make_query(name, settings(), world)
  for cycle in range(3):
    assert query(KEYS, cycle, PARAMS, known(LABELLED)).calls.tolist() == [CALLS.get(name, 9)] * SEEDS


@pytest.mark.parametrize("name", sorted(set(NAMES) - {*SCORES, "coreset_pool"}))
def test_a_cycle_costs_the_same_of_ten_thousand_and_of_sixteen_million_images(world, name):
  cost_of_a_cycle(world, name, 10_000)
  small, large = (cost_of_a_cycle(world, name, size) for size in (10_000, 16_000_000))
  assert large[:2] == small[:2]
  assert max(small[0]) <= 60
  # Walks are filled up in rows by the way they take.
  if "walk" not in name and name != "seals":
    assert large[2] == small[2]
  if name in ("random", "subpool", "asal_pixels", "asal_pixels_rescore5"):
    assert 0 < small[2] <= SEEDS * (settings().subpool + BATCH * 6)
  # Not even a bit for each image.
  assert large[3] < 1_000_000
