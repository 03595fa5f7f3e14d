"""Small budgets: a fit in slices against one in one call, features, and the table."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from asal_jax.models.classifier import make_accuracy, make_classifier, make_fit
from asal_jax.rng import seed_keys
from asal_jax.types import Data
from experiments.your_images import small_budgets

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few(monkeypatch):
  for name, values in (("LABELS", (9, 30)), ("EPOCHS", (1, 4)), ("SEEDS", (0, 1))):
    monkeypatch.setattr(small_budgets, name, values)


def data(n, kind):
  labels = RNG.integers(0, 3, n).astype(np.int32)
  return Data(kind(np.eye(4)[labels] * 3 + RNG.normal(size=(n, 4))), labels)


def images(x):
  return np.clip(x * 20 + 80, 0, 255).astype(np.uint8)[:, None, None]


def test_accuracies_are_those_of_the_fit():
  pool, test = data(60, images), data(80, images)
  config = small_budgets.BENCHMARKS["mnist"].config
  found = small_budgets.of_network(config, "linear", pool, test)
  assert {count: np.shape(rows) for count, rows in found.items()} == {"9": (2, 2), "30": (2, 2)}
  section, pixel_range = config.classifier.copy_and_resolve_references(), tuple(config.data.pixel_range)
  section.update(network="linear", epochs=4, batch_size=10)
  classifier = make_classifier(section, (1, 1, 4), 3, pixel_range)
  ids = np.stack([np.random.default_rng(seed).permutation(60)[:30] for seed in (0, 1)])
  labelled = pool.images[ids], pool.labels[ids], np.int32(30)
  params = make_fit(classifier, section, pixel_range)(seed_keys((0, 1)), 30, *labelled)
  expected = make_accuracy(classifier, pixel_range, 3)(params, *jax.device_put(tuple(test)))
  np.testing.assert_allclose(found["30"][1], expected.overall, atol=1e-4)


def test_a_linear_model_on_features():
  pool, test = data(60, np.float32), data(80, np.float32)
  found = small_budgets.of_features(pool, test)
  assert min(found["30"][0]) > 0.7
  ids = np.random.default_rng(1).permutation(60)[:9]
  truth = LogisticRegression(C=0.1).fit(pool.images[ids], pool.labels[ids]).predict(test.images)
  assert found["9"][0][1] == pytest.approx(np.mean(truth == test.labels), abs=1e-4)


@pytest.mark.parametrize(("axis", "ones"), [(None, 1), (0, 4)])
def test_scales(axis, ones):
  pool, test = data(50, np.float32), data(10, np.float32)
  pool.images[..., 0] *= 9
  found, seen = small_budgets.scaled(pool, test, axis)
  assert found.images.std() == pytest.approx(1, abs=0.5)
  deviations = found.images.std(axis=0).ravel()
  assert np.sum(np.isclose(deviations, 1, atol=1e-5)) == (4 if ones == 4 else 0)
  np.testing.assert_allclose(seen.images / test.images, (found.images / pool.images)[:10], rtol=1e-5)


def test_the_table_has_the_data_sets_in_order():
  accuracy = {str(count): [[0.2, 0.4], [0.3, 0.5], [0.5, 0.7]] for count in small_budgets.LABELS}
  records = [{"images": name, "learner": "linear", "accuracy": accuracy} for name in ("cifar10", "mnist")]
  records.append(
    {"images": "mnist", "learner": "other", "accuracy": {k: v[-1:] for k, v in accuracy.items()}}
  )
  rows = [row.split(" | ") for row in small_budgets.table(records).splitlines()[2:]]
  assert [row[0] for row in rows] == ["| mnist", "| mnist", "| cifar10"]
  assert rows[0][2:4] == ["60.0 ±127.1"] * 2
  assert rows[0][4] == "30.0"
  assert rows[1][2] == "60.0 ±127.1"
  assert rows[1][4] == "-"
