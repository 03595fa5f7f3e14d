"""Numbers that mean nothing any more stop a run, and the line says where and what to do."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
import tiny

import asal_jax
from asal_jax import InputError
from asal_jax.acquisition.strategy import Synthesis, asal
from asal_jax.acquisition.table import World
from asal_jax.models.classifier import LARGEST, Accuracy, Scorer
from asal_jax.pools.kinds import ArrayPool
from asal_jax.rng import seed_keys
from asal_jax.running.gaal import SyntheticStore, gaal
from asal_jax.running.loop import Labelled, Learner, measure, pool_strategy
from asal_jax.search.exact import ExactIndex
from asal_jax.search.features import FeatureSet
from asal_jax.store.journal import Journal

POOL = np.random.default_rng(0).integers(0, 256, (9, 2, 2, 1), np.uint8)
SEEDS = (3, 7)
KEYS = seed_keys(SEEDS)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_learning_rate_beyond_all_reason_is_told_by_a_run(tmp_path, optimizer):
  settings = {"classifier.learning_rate": 1e30, "classifier.optimizer": optimizer, "seeds": (3,)}
  with pytest.raises(InputError) as error:
    asal_jax.run(tiny.config(strategies=("entropy",), **settings), workdir=tmp_path)
  told = (
    r"classifier.learning_rate: in cycle 0 of 'entropy', seed 3, the classifier has logits (of|that are not)"
  )
  assert re.match(told, str(error.value))
  # Nothing is kept of what means nothing.
  assert (tmp_path / "metrics.jsonl").read_text() == ""


@pytest.mark.parametrize("size", [np.nan, np.inf, 1e30, 2 * LARGEST])
@pytest.mark.parametrize("tested", [True, False])
def test_the_seed_that_diverged_is_named_with_and_without_a_test_set(tmp_path, size, tested):
  def measured(size):
    # Weights of two layers; the second seed's first has one that is `size`.
    params = [np.ones((2, 3), np.float32), np.ones((2, 2, 2), np.float32)]
    params[0][1, 2] = -size
    logits = np.float32([1, 1 if not tested else size])
    learner = Learner(
      lambda *_: params,
      lambda *_: Accuracy(np.ones(2), np.ones(2), logits),
      POOL if tested else None,
      None,
      2,
    )
    labelled = Labelled((2, 2, 1), 2, 4)
    labelled.add({"ids": [[0], [1]], "labels": [[0], [1]]}, POOL[[[0], [1]]])
    measure("random", 4, learner, KEYS, labelled, Journal(tmp_path, SEEDS))

  what = "logits" if tested else "weights"
  with pytest.raises(
    InputError, match=rf"^classifier.learning_rate: in cycle 4 of 'random', seed 7, .* {what} "
  ):
    measured(np.float32(size))
  measured(np.float32(LARGEST / 2))


def world(finite):
  """A world whose ascent ends in latents that are not finite for the second seed, unless `finite`."""
  z = jnp.ones((2, 3, 4)).at[1, 2, 0].set(1.0 if finite else jnp.nan)
  synthesis = Synthesis(lambda _, z: z.reshape(-1, 2, 2, 1), {}, lambda *_: z, lambda *_: z)
  features = POOL.reshape(9, 4).astype(np.float32)
  found = FeatureSet(lambda _, x: x.reshape(len(x), -1), (), features, ExactIndex.build(features))
  score = lambda params, images: np.zeros(images.shape[:2], np.float32)  # noqa: E731
  scorers = {"entropy": Scorer(lambda *_: None, score)}
  return World(ArrayPool(POOL), 2, scorers, None, None, synthesis, {"pixels": found}, {}, None)


@pytest.mark.parametrize("kind", ["asal_pixels", "gaal_stand_in"])
def test_an_ascent_that_leaves_the_numbers(tmp_path, kind):
  def choose(finite):
    made, journal = world(finite), Journal(tmp_path, SEEDS)
    if kind == "asal_pixels":
      query = asal(made.pool, made.scorers["entropy"], made.synthesis, made.feature_sets["pixels"])
      strategy = pool_strategy(kind, query, KEYS, made, lambda _: None, journal)
    else:
      strategy = gaal(kind, KEYS, made, lambda *_: None, SyntheticStore(tmp_path), (0.0, 1.0), journal)
    labelled = Labelled((2, 2, 1), 2, 4)
    labelled.add({"ids": [[0], [1]], "labels": [[0], [1]]}, POOL[[[0], [1]]])
    return strategy.choose(5, (), labelled)

  with pytest.raises(
    InputError, match=rf"^synthesis.learning_rate: in cycle 5 of '{kind}', seed 7, the ascent"
  ):
    choose(finite=False)
  assert not list(tmp_path.glob("*.npy"))
  assert choose(finite=True)["cycle"] == 5
