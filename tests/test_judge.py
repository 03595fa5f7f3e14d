"""The judge: it knows every label of its pool, its probabilities are those of its model, it is made once."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from asal_jax import InputError
from asal_jax.models import judge
from asal_jax.models.classifier import make_classifier
from asal_jax.models.judge import classifier_score, classifier_section, make_judge
from asal_jax.pools import blocks
from asal_jax.pools.blocks import sample_ids
from asal_jax.pools.kinds import ArrayPool
from asal_jax.store.checkpoint import Cache
from asal_jax.types import Data, Splits
from configs.base import get_config

RANGE = (1.0, 3.0)
RNG = np.random.default_rng(0)
POOL = RNG.integers(0, 256, (24, 5, 6, 1), np.uint8)
TEST = RNG.integers(0, 256, (37, 5, 6, 1), np.uint8)


def splits(classes, shift=0):
  pool = Data(ArrayPool(POOL), ((np.arange(24) + shift) % classes).astype(np.int32))
  test = Data(TEST, RNG.integers(0, classes, 37).astype(np.int32))
  return Splits(pool, test, tuple(str(k) for k in range(classes)))


def judged(data, folder, pixel_range=RANGE, confidence=0.0, **overrides):
  config = get_config().classifier
  config.update({"epochs": 120, "batch_size": 4, "learning_rate": 0.02, **overrides})
  classifier = make_classifier(config, (5, 6, 1), len(data.class_names), pixel_range)
  return make_judge(classifier, config, confidence, data, pixel_range, Cache(folder))


@pytest.mark.parametrize(("classes", "loss"), [(2, "cross_entropy"), (2, "hinge"), (3, "cross_entropy")])
def test_it_knows_all_labels_of_the_pool(tmp_path, monkeypatch, classes, loss):
  # 37 test images in blocks of 16: the last one overlaps.
  monkeypatch.setattr(blocks, "block_size", lambda n: min(n, 16))
  data = splits(classes)
  found = judged(data, tmp_path, loss=loss)
  # Random images: only a model trained on every label knows them all.
  np.testing.assert_array_equal(found.label(POOL), data.pool.labels)
  assert found.label(POOL).dtype == np.int32
  p = found.probabilities(TEST)
  assert p.shape == (37, classes)
  assert p.dtype == np.float32
  np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
  assert np.all(found.probabilities(POOL)[np.arange(24), data.pool.labels] > 1 / 2)
  right = sum(int(np.argmax(row)) == label for row, label in zip(p, data.test.labels, strict=True))
  assert found.test_accuracy == pytest.approx(right / 37)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("confidence", [0.6, 0.7])
def test_what_it_is_unsure_of_it_rejects(tmp_path, classes, confidence):
  data = splits(classes)
  sure, found = (judged(data, tmp_path, confidence=c, epochs=20) for c in (0.0, confidence))
  p = found.probabilities(TEST)
  np.testing.assert_array_equal(p, sure.probabilities(TEST))
  expected = [int(row.argmax()) if row.max() >= confidence else -1 for row in p]
  assert found.label(TEST).tolist() == expected
  assert {-1} < set(expected)
  # What it rejects is neither its accuracy nor another judge: that of `sure` was taken from the cache.
  assert found.test_accuracy == sure.test_accuracy == np.mean(sure.label(TEST) == data.test.labels)
  assert len(list(tmp_path.glob("judge-*"))) == 1


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_one_that_diverged_is_told(tmp_path, optimizer):
  with pytest.raises(InputError, match=r"^judge.learning_rate: the judge .* weights or logits"):
    judged(splits(2), tmp_path, learning_rate=1e30, optimizer=optimizer)


def test_its_section_is_a_classifier_s():
  config = get_config()
  config.classifier.pixel_range, config.classifier.loss = (-1.0, 1.0), "hinge"
  section = classifier_section(config)
  assert set(section) == set(config.classifier)
  assert (section.network, section.loss, section.pixel_range) == ("lenet5", "cross_entropy", (-1.0, 1.0))
  config.judge.confidence = 0.5
  assert classifier_section(config) == section
  config.judge.epochs += 1
  assert classifier_section(config) != section


def test_of_a_large_pool_it_sees_a_sample(tmp_path, monkeypatch):
  monkeypatch.setattr(judge, "MOST", 20)
  data, rows = splits(2), sample_ids(24, 20)
  assert len(set(rows.tolist())) == 20
  part = data._replace(pool=Data(ArrayPool(POOL[rows]), data.pool.labels[rows]))
  found, expected = judged(data, tmp_path / "all"), judged(part, tmp_path / "part")
  np.testing.assert_array_equal(found.probabilities(TEST), expected.probabilities(TEST))


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_a_linear_model_s(tmp_path, classes):
  found = judged(splits(classes), tmp_path, epochs=2)
  a, b = (RNG.integers(0, 128, (9, 5, 6, 1), np.uint8) for _ in range(2))

  def log_odds(images):
    p = found.probabilities(images).astype(float)
    return np.log(p[:, 1:] / p[:, :1])

  # A softmax of affine functions of the pixels, and of nothing else, adds up so.
  np.testing.assert_allclose(log_odds(a) + log_odds(b), log_odds(a + b) + log_odds(0 * a), atol=1e-4)
  assert np.ptp(log_odds(a)) > 0.01


def test_it_is_made_once_for_its_settings_images_and_labels(tmp_path, monkeypatch):
  data = splits(3)
  first = judged(data, tmp_path)

  def refuse(*_, **__):
    raise AssertionError("trained")

  monkeypatch.setattr(judge, "make_fit", refuse)
  again = judged(data, tmp_path)
  np.testing.assert_array_equal(first.probabilities(TEST), again.probabilities(TEST))
  assert again.test_accuracy == first.test_accuracy
  flipped = data._replace(test=data.test._replace(labels=again.label(TEST)))
  assert judged(flipped, tmp_path).test_accuracy == 1
  others = [
    lambda: judged(splits(3, shift=1), tmp_path),
    lambda: judged(data._replace(pool=data.pool._replace(images=ArrayPool(255 - POOL))), tmp_path),
    lambda: judged(data, tmp_path, epochs=3),
    lambda: judged(data, tmp_path, pixel_range=(0.0, 1.0)),
    lambda: judged(data._replace(class_names=("0", "1", "2", "3")), tmp_path),
  ]
  for other in others:
    with pytest.raises(AssertionError, match="trained"):
      other()


def test_a_judge_whose_maker_was_killed_is_made_again(tmp_path, monkeypatch):
  monkeypatch.setattr(judge, "make_fit", lambda *_, **__: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    judged(splits(2), tmp_path)
  monkeypatch.undo()
  first = judged(splits(2), tmp_path)
  (mark,) = tmp_path.glob("judge-*/made_from.json")
  mark.unlink()
  again = judged(splits(2), tmp_path)
  np.testing.assert_array_equal(first.probabilities(TEST), again.probabilities(TEST))
  assert mark.exists()


def test_score_by_hand():
  p = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
  q = p.sum(axis=0) / 3
  expected = np.exp(np.mean([scipy.stats.entropy(row, q) for row in p]))
  assert classifier_score(p) == pytest.approx(expected)
  # About the mean (1/2, 1/2) two images diverge by ln 2, two by nothing: exp(ln 2 / 2).
  halves = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5]], np.float32)
  assert classifier_score(halves) == pytest.approx(np.sqrt(2))


def test_score_is_from_one_to_the_classes():
  assert classifier_score(np.tile(np.eye(5), (7, 1))) == pytest.approx(5)
  assert classifier_score(np.tile([[0.7, 0.3, 0.0]], (4, 1))) == pytest.approx(1)
  assert classifier_score(np.tile([[1.0, 0.0, 0.0]], (4, 1))) == pytest.approx(1)
  p = RNG.dirichlet([0.2] * 4, 50).astype(np.float32)
  assert 1 < classifier_score(p) < 4
  assert classifier_score(np.asarray(jnp.asarray(p))[::-1]) == pytest.approx(classifier_score(p))
