"""The sweep over GANs: a training goes on from a shorter one to the same numbers; each point once."""

import jax
import numpy as np
import tiny

from asal_jax import job
from asal_jax.running.prepare import Preparation
from asal_jax.store.checkpoint import Cache
from asal_jax.store.stages import Stages
from experiments.better_gan import sweep

LONG = {"gan.iterations": 60, "gan.looks": 0, **tiny.QUICK_GAN}


def test_a_gan_goes_on_from_the_longest_shorter_training(tmp_path):
  def trained(folder, iterations, copied=False):
    config, seen = tiny.config(**LONG | {"gan.iterations": iterations, "gan.looks": 3}), []
    splits = job.load(config, None, tmp_path / "data")
    if copied:
      sweep.continue_gan(config, Cache(folder))
    makes, stages = frozenset({"gan"}), Stages(tmp_path / "stages.jsonl")
    look = lambda gan, iteration, variables: seen.append(iteration)  # noqa: E731
    return Preparation(config, splits.pool.images, folder, makes, stages, look).gan[1], seen

  trained(tmp_path / "a", 20)
  trained(tmp_path / "a", 40)
  found, seen = trained(tmp_path / "a", 60, copied=True)
  assert seen == [60]
  truth, _ = trained(tmp_path / "b", 60)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
    np.testing.assert_array_equal(a, b)


def test_another_gan_is_not_taken(tmp_path):
  cache, config = Cache(tmp_path), tiny.config(**LONG)
  made_from = {"gan": config.gan.to_dict() | {"iterations": 20, "width": 8}}
  folder = cache.once("gan", made_from, lambda folder: (folder / "checkpoints").mkdir())
  sweep.continue_gan(config, cache)
  assert [path.name for path in tmp_path.glob("gan-*")] == [folder.name]


def test_points_are_distinct_and_their_configs_sound():
  points = sweep.points()
  assert len(set(points)) == len(points)
  for point in points:
    job.checks.validate(sweep.settings(point))


def test_values_a_seed():
  course = [{"test_accuracy": 0.5, "new_entropy": None}, {"test_accuracy": 0.7, "new_entropy": 0.2}]
  assert sweep.of_strategy({0: course}) == {"aubc": [0.6], "new_entropy": [0.2]}
