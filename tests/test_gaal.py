"""GAAL on the tiny job: what is kept is what was labelled, what was trained on, and what a killed run goes on with."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

import asal_jax
from asal_jax import job
from asal_jax.models.classifier import make_accuracy, make_classifier, make_fit
from asal_jax.rng import seed_keys
from asal_jax.running.comparison import Comparison, make_world
from asal_jax.running.gaal import SyntheticStore
from asal_jax.running.prepare import Preparation
from asal_jax.store.journal import read_lines
from asal_jax.store.stages import Stages

GAAL, RANGE = "gaal_stand_in", (0.0, 1.0)
CONFIG = tiny.config(
  strategies=(GAAL, "asal_pixels"), **tiny.QUICK_GAN, **{"gan.looks": 0, "judge.confidence": 0.505}
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
  return asal_jax.run(CONFIG, workdir=tmp_path_factory.mktemp("gaal") / "run")


@pytest.fixture(scope="module")
def splits(result):
  return job.load(CONFIG, None, result.workdir / "cache")


@pytest.fixture(scope="module")
def judge(result, splits):
  return job.train_judge(CONFIG, splits, result.workdir / "cache")


@pytest.fixture(scope="module")
def classifier(splits):
  return make_classifier(CONFIG.classifier, splits.pool.images.image_shape, 2, RANGE)


def selections(result, name=GAAL):
  return [line for line in read_lines(result.workdir / "selections.jsonl") if line["strategy"] == name]


def kept(result, cycle):
  return np.load(result.workdir / "synthetic" / GAAL / f"cycle_{cycle}.npy")


def test_selections_have_no_ids_and_the_judge_s_labels(result, judge):
  first, *rest = selections(result)
  real = selections(result, "asal_pixels")[0]
  assert {**first, "strategy": 0} == {**real, "strategy": 0}
  assert [line["cycle"] for line in rest] == [1, 2, 3]
  assert sorted(path.name for path in (result.workdir / "synthetic" / GAAL).iterdir()) == [
    f"cycle_{cycle}.npy" for cycle in (1, 2, 3)
  ]
  assert {label for line in rest for row in line["labels"] for label in row} == {-1, 0, 1}
  for line in rest:
    images = kept(result, line["cycle"])
    assert line["ids"] is None
    assert images.dtype == np.uint8
    assert images.shape == (2, 5, 8, 8, 1)
    # Seeds and latents have images of their own.
    assert len(np.unique(images.reshape(10, -1), axis=0)) == 10
    np.testing.assert_array_equal(line["labels"], judge.label(images.reshape(10, 8, 8, 1)).reshape(2, 5))


def test_labels_are_counted(result, splits):
  rows = {(r["seed"], r["cycle"]): r for r in result.records if r["strategy"] == GAAL}
  assert set(rows) == {(seed, cycle) for seed in (0, 1) for cycle in range(4)}
  for seed in (0, 1):
    given = [np.array(line["labels"])[seed] for line in selections(result)]
    np.testing.assert_array_equal(given[0], splits.pool.labels[selections(result)[0]["ids"][seed]])
    for cycle in range(4):
      asked = np.concatenate(given[: cycle + 1])
      assert rows[seed, cycle]["labels"] == len(asked) == 10 + 5 * cycle
      assert rows[seed, cycle]["label_counts"] == np.bincount(asked[asked >= 0], minlength=2).tolist()


def test_the_images_kept_are_those_trained_on(result, splits, classifier):
  """Each seed's real start set and synthetic images, side by side, give the run's numbers."""
  lines, keys = selections(result), seed_keys((0, 1))
  real = np.asarray(splits.pool.images.resident)[np.array(lines[0]["ids"])]
  images = np.concatenate([real, *(kept(result, cycle) for cycle in (1, 2, 3))], axis=1)
  labels = np.concatenate([np.array(line["labels"], np.int32) for line in lines], axis=1)
  fit = make_fit(classifier, CONFIG.classifier, RANGE)
  accuracy = make_accuracy(classifier, RANGE, 2)
  for cycle in range(4):
    count = np.int32(10 + 5 * cycle)
    params = fit(keys, cycle, jnp.asarray(images), labels, count)
    found = accuracy(params, jnp.asarray(splits.test.images), jnp.asarray(splits.test.labels))
    rows = [r for r in result.records if (r["strategy"], r["cycle"]) == (GAAL, cycle)]
    np.testing.assert_allclose(found.overall, [r["test_accuracy"] for r in rows], atol=1e-6)
    if cycle == 3:
      break
    # These classifiers chose the next images, and were uncertain about them so far.
    logits = jax.vmap(classifier.logits)(params, jnp.asarray(kept(result, cycle + 1) / np.float32(255)))
    p = 1 / (1 + np.exp(-np.asarray(logits, float)[..., 0]))
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(entropy, lines[cycle + 1]["new_entropy"], rtol=1e-4)


@pytest.fixture(scope="module")
def world(result, splits, classifier):
  cache, stages = result.workdir / "cache", Stages(result.workdir / "stages.jsonl")
  preparation = Preparation(CONFIG, splits.pool.images, cache, frozenset(), stages, lambda *_: None)
  return make_world(CONFIG, preparation, classifier, 2, result.workdir)


def cut(result, folder, lines):
  """What a run killed after `lines` lines of its journal leaves: cycle by cycle a selection, then two metrics."""
  metrics = [r for r in result.records if r["strategy"] == GAAL]
  asked = selections(result)[: -(-lines // 3)]
  measured = metrics[: 2 * (lines // 3) + max(0, lines % 3 - 1)]
  for name, records in (("selections.jsonl", asked), ("metrics.jsonl", measured)):
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
  store = SyntheticStore(folder / "synthetic" / GAAL)
  for cycle in range(1, len(asked)):
    store.save(cycle, kept(result, cycle))
  # Images are kept before their line is: they may be of any state.
  store.save(len(asked), kept(result, 1) * 0)


@pytest.mark.parametrize("lines", range(13))
def test_a_run_cut_after_any_line_ends_in_the_same_numbers(
  result, splits, classifier, world, judge, tmp_path, lines
):
  cut(result, tmp_path, lines)
  again = Comparison(CONFIG, splits, classifier, world, lambda: judge, None, tmp_path)
  again.run(GAAL)
  wanted = [r for r in result.records if r["strategy"] == GAAL]
  assert tiny.without_seconds(again.journal.records()) == tiny.without_seconds(wanted)
  assert tiny.without_seconds(read_lines(tmp_path / "selections.jsonl")) == tiny.without_seconds(
    selections(result)
  )
  for cycle in (1, 2, 3):
    np.testing.assert_array_equal(
      np.load(tmp_path / "synthetic" / GAAL / f"cycle_{cycle}.npy"), kept(result, cycle)
    )


@pytest.mark.parametrize("cycle", [1, 2, 3])
@pytest.mark.parametrize("how", ["gone", "cut", "flipped", "header"])
def test_images_that_are_lost_or_damaged_are_made_again(
  result, splits, classifier, world, judge, tmp_path, cycle, how
):
  cut(result, tmp_path, 12)
  path = tmp_path / "synthetic" / GAAL / f"cycle_{cycle}.npy"
  whole = path.read_bytes()
  damaged = {
    "cut": whole[:-7],
    "flipped": whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:],
    "header": whole.replace(b"|u1", b"|i1"),
  }
  path.unlink() if how == "gone" else path.write_bytes(damaged[how])
  again = Comparison(CONFIG, splits, classifier, world, lambda: judge, None, tmp_path)
  again.run(GAAL)
  assert path.read_bytes() == whole
  assert path.with_name(f"{path.name}.damaged").exists() == (how != "gone")
  for name in ("selections.jsonl", "metrics.jsonl"):
    found, wanted = (
      [r for r in read_lines(f / name) if r["strategy"] == GAAL] for f in (tmp_path, result.workdir)
    )
    assert tiny.without_seconds(found) == tiny.without_seconds(wanted)


def test_a_finished_job_is_read_again(result, tmp_path):
  shutil.copytree(result.workdir, tmp_path / "run")
  again = asal_jax.run(CONFIG, workdir=tmp_path / "run")
  assert again.records == result.records
