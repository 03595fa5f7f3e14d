"""Agreement by hand, against scikit-learn's balanced accuracy, and its matches against NumPy."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from asal_jax.reporting.agreement import balanced_agreement, measure_agreement
from asal_jax.search.exact import ExactIndex
from asal_jax.search.features import PCA, FeatureSet, make_project, pixels
from asal_jax.search.kdtree import KDTreeIndex

RANGE = (-1.0, 1.0)


def ints(*values):
  return np.array(values, np.int32)


def test_by_hand():
  # Class 0: 3 of 4. Class 1: none. Class 2: 1 of 2. Class 3: one of one. Two rejected.
  annotations = ints(0, 0, 0, 0, 2, 2, 3, -1, -1)
  found = balanced_agreement(annotations, ints(0, 0, 0, 1, 2, 1, 3, 0, 1), 4)
  assert found.agreement == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
  # Agresti and Coull: 5 of 8, 3 of 6, 3 of 5.
  mean = (5 / 8 + 3 / 6 + 3 / 5) / 3
  half = 1.96 * (5 / 8 * 3 / 8 / 8 + 1 / 4 / 6 + 3 / 5 * 2 / 5 / 5) ** 0.5 / 3
  assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
  assert found.per_class == (3 / 4, None, 1 / 2, 1.0)
  assert found.counts == (4, 0, 2, 1)
  assert found.rejected == 2
  assert json.loads(json.dumps(found._asdict()))["per_class"] == [0.75, None, 0.5, 1]


def test_all_rejected_agree_on_nothing():
  assert balanced_agreement(ints(-1, -1), ints(0, 1), 2) == (None, None, None, (None, None), (0, 0), 2)


def test_where_all_agree_the_interval_has_a_width():
  found = balanced_agreement(ints(*[0] * 50), ints(*[0] * 50), 2)
  assert found.agreement == 1
  assert 0.85 < found.low < found.high <= 1


def test_equals_balanced_accuracy():
  rng = np.random.default_rng(0)
  annotations = rng.choice(5, 300, p=[0.6, 0.2, 0.1, 0.05, 0.05]).astype(np.int32)
  matches = np.where(rng.random(300) < 0.7, annotations, rng.integers(0, 5, 300)).astype(np.int32)
  found = balanced_agreement(annotations, matches, 5)
  assert found.agreement == pytest.approx(balanced_accuracy_score(annotations, matches))
  # A frequent class weighs no more than a rare one.
  assert abs(found.agreement - np.mean(annotations == matches)) > 1e-3


@pytest.mark.parametrize("index", [ExactIndex, KDTreeIndex])
def test_every_sample_is_matched_for_itself_in_each_feature_set(index):
  rng = np.random.default_rng(1)
  pool, images = (rng.integers(0, 256, (n, 4, 4, 1), np.uint8) for n in (11, 40))
  # Two samples have one match, and there are more samples than the pool has.
  images[1] = images[0]
  labels, annotations = (rng.integers(low, 3, n).astype(np.int32) for low, n in ((0, 11), (-1, 40)))

  def decoded(x):
    return x.reshape(len(x), -1) * (2 / 255) - 1

  sets, truth = {}, {}
  for name, columns in {"left": slice(0, 8), "right": slice(8, 16)}.items():
    components = np.eye(16, dtype=np.float32)[:, columns]
    pca = PCA(jnp.full(16, 0.25), jnp.asarray(components))
    features = ((decoded(pool) - 0.25) @ components).astype(np.float32)
    sets[name] = FeatureSet(make_project(pixels), ((), pca), features, index.build(features))
    difference = decoded(images)[:, None, columns] - decoded(pool)[None, :, columns]
    matched = labels[np.argmin(np.sum(difference**2, axis=2), axis=1)]
    kept = annotations >= 0
    truth[name] = balanced_accuracy_score(annotations[kept], matched[kept])
  found = measure_agreement(images, annotations, sets, labels, 3, RANGE)
  assert list(found) == ["left", "right"]
  assert truth["left"] != truth["right"]
  for name, agreement in found.items():
    assert agreement.agreement == pytest.approx(truth[name])
    assert agreement.rejected == np.sum(annotations == -1)
