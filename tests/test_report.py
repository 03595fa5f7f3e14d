"""Looks at a GAN in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from pages import load

import asal_jax
from asal_jax import job
from asal_jax.models import train
from asal_jax.models.judge import Judge, classifier_score
from asal_jax.reporting import report
from asal_jax.running.prepare import Preparation
from asal_jax.store.checkpoint import fingerprint
from asal_jax.store.journal import read_lines
from asal_jax.store.progress import Progress
from asal_jax.store.stages import Stages
from asal_jax.types import GAN, encode


def config(looks=10):
  return tiny.config(**tiny.QUICK_GAN, **tiny.QUICK_JUDGE, **{"gan.looks": looks})


def train_gan(folder, looks):
  """The GAN stage of the tiny job in `folder`, which it returns."""
  asal_jax.run(config(looks), workdir=folder, stage="gan")
  return folder


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
  return train_gan(tmp_path_factory.mktemp("looked"), 10)


@pytest.fixture(scope="module")
def unlooked(tmp_path_factory):
  return train_gan(tmp_path_factory.mktemp("unlooked"), 0)


@pytest.fixture(scope="module")
def splits(looked):
  return job.load(config(), None, looked / "cache")


def trained(folder, splits):
  """The GAN and its state, from the cache in `folder`."""
  stages = Stages(folder / "stages.jsonl")
  return Preparation(config(), splits.pool.images, folder / "cache", frozenset(), stages, lambda *_: None).gan


def cached(folder):
  return {
    path.name.partition("-")[0]: path.name for path in (folder / "cache").iterdir() if path.name != "locks"
  }


def test_looks_are_evenly_spaced_and_the_last_is_at_the_end(looked, splits):
  lines = read_lines(looked / "gan.jsonl")
  assert [line["iteration"] for line in lines] == list(range(6, 61, 6))
  assert all(list(line) == ["iteration", "classifier_score", "judge_test_accuracy"] for line in lines)
  # Two classes.
  assert all(1 <= line["classifier_score"] <= 2 for line in lines)
  judge = job.train_judge(config(), splits, looked / "cache")
  assert {line["judge_test_accuracy"] for line in lines} == {judge.test_accuracy}
  assert judge.test_accuracy > 0.5
  pages = [load(path) for path in sorted((looked / "gan").iterdir())]
  assert [path.name for path in sorted((looked / "gan").iterdir())] == [
    f"iteration_{line['iteration']:06d}.png" for line in lines
  ]
  assert len({fingerprint(page) for page in pages}) == len(pages)


def test_the_score_is_of_the_generator_s_samples(looked, splits):
  gan, state = trained(looked, splits)
  z = jax.random.normal(jax.random.key(1), (1_000, gan.latent_dim))
  judge = job.train_judge(config(), splits, looked / "cache")
  images = encode(jax.jit(gan.generate)(state.generator, z), (0.0, 1.0))
  score = classifier_score(judge.probabilities(images))
  scores = [line["classifier_score"] for line in read_lines(looked / "gan.jsonl")]
  # The latents are others. No earlier look comes as near.
  assert scores[-1] == pytest.approx(score, abs=0.002)
  assert all(abs(earlier - score) > 0.002 for earlier in scores[:-1])


def test_without_looks_nothing_is_drawn_and_no_judge_is_trained(unlooked):
  assert not (unlooked / "gan.jsonl").exists()
  assert not (unlooked / "gan").exists()
  assert set(cached(unlooked)) == {"gan"}


def test_looks_change_neither_the_gan_nor_where_it_is_kept(looked, unlooked, splits):
  assert cached(looked)["gan"] == cached(unlooked)["gan"]
  jax.tree.map(np.testing.assert_array_equal, trained(looked, splits)[1], trained(unlooked, splits)[1])


def test_a_resumed_run_repeats_no_line(looked, tmp_path, monkeypatch):
  class Killed(Exception):
    pass

  class Killer(Progress):
    def update(self, steps=1, **values):
      super().update(steps, **values)
      if self.description == "gan" and self.done >= 36:
        raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(train, "Progress", Killer)
    with pytest.raises(Killed):
      train_gan(tmp_path, 10)
  # The checkpoint of iteration 20 is the last: 24 and 30 are looked at again.
  assert [line["iteration"] for line in read_lines(tmp_path / "gan.jsonl")] == [6, 12, 18, 24, 30]
  train_gan(tmp_path, 10)
  assert read_lines(tmp_path / "gan.jsonl") == read_lines(looked / "gan.jsonl")


def test_a_look_shows_the_same_latents_each_time_and_keeps_earlier_lines(tmp_path):
  seen = []

  def probabilities(images):
    seen.append(images)
    return np.eye(4, dtype=np.float32)[images.reshape(len(images), -1)[:, 0] // 64]

  generate = lambda scale, z: jax.nn.sigmoid(scale * z).reshape(-1, 8, 8, 1)  # noqa: E731
  judge = Judge(probabilities, lambda images: np.zeros(len(images), np.int32), 0.75)
  look = report.make_look(config(), lambda: judge, tmp_path)
  gan = GAN(None, None, None, generate, None, None, 64)
  for iteration in (5, 10, 15, 10):
    look(gan, iteration, jnp.float32(1 + (iteration == 15)))
  np.testing.assert_array_equal(seen[0], seen[1])
  assert np.any(seen[1] != seen[2])
  assert seen[0].dtype == np.uint8
  assert len(seen[0]) == report.LOOK_SAMPLES
  lines = read_lines(tmp_path / "gan.jsonl")
  assert [line["iteration"] for line in lines] == [5, 10]
  assert lines[0] == {**lines[1], "iteration": 5}
  assert lines[0]["judge_test_accuracy"] == 0.75


@pytest.mark.parametrize(("scale", "alike"), [(0.0, True), (1.0, False)])
def test_samples_that_are_all_alike_are_warned_of(tmp_path, caplog, scale, alike):
  probabilities = lambda images: np.eye(4, dtype=np.float32)[images.reshape(len(images), -1)[:, 0] // 64]  # noqa: E731
  generate = lambda scale, z: jax.nn.sigmoid(scale * z).reshape(-1, 8, 8, 1)  # noqa: E731
  judge = Judge(probabilities, lambda images: np.zeros(len(images), np.int32), 0.75)
  with caplog.at_level("WARNING", "asal_jax"):
    report.make_look(config(), lambda: judge, tmp_path)(
      GAN(None, None, None, generate, None, None, 64), 5, jnp.float32(scale)
    )
  assert ("mode collapse" in caplog.text) == alike
