"""Labels that are likely mistakes: planted ones are found, and none is judged by what was trained on it."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats
from finished import RANGE, settings

from asal_jax.models.classifier import make_classifier, make_fit
from asal_jax.pools.data import load_digits
from asal_jax.reporting.mistakes import FOLDS, deal, doubts


def test_folds_share_every_class_evenly():
  labels = np.random.default_rng(0).choice(3, 101, p=(0.7, 0.25, 0.05)).astype(np.int32)
  folds = deal(jax.random.key(1), labels)
  shares = np.array([[np.sum((folds == f) & (labels == k)) for k in range(3)] for f in range(FOLDS)])
  assert np.all(np.ptp(shares, axis=0) <= 1)
  assert np.ptp(shares.sum(axis=1)) <= 1


def test_planted_mistakes_are_found():
  """Five of 150 labels of digits: by chance 0.8 of them would be among the first 24."""
  whole, config = load_digits(), settings()
  images, labels = np.asarray(whole.pool.images[:150]), whole.pool.labels[:150].copy()
  flipped = np.random.default_rng(0).choice(150, 5, replace=False)
  labels[flipped] = (labels[flipped] + 1 + np.arange(5)) % 10
  classifier = make_classifier(config.classifier, (8, 8, 1), 10, RANGE)
  found = doubts(jax.random.key(0), classifier, config.classifier, RANGE, images, labels, 10)
  assert len({*found.rows.tolist()} & {*range(150)}) == 150
  assert np.all(np.diff(found.given) >= 0)
  assert len({*found.rows[:24].tolist()} & {*flipped.tolist()}) == 5


def test_a_label_is_judged_without_it():
  """Images that say nothing but which they are: what was trained on a label would know it."""
  config, n = settings(**{"classifier.epochs": 200}), 20
  images = np.uint8(255 * np.eye(n))[:, :, None, None].reshape(n, 4, 5, 1)
  labels = (np.arange(n) % 2).astype(np.int32)
  classifier = make_classifier(config.classifier, (4, 5, 1), 2, RANGE)
  found = doubts(jax.random.key(0), classifier, config.classifier, RANGE, images, labels, 2)
  assert 0.2 < found.given.mean() < 0.8
  fitted = make_fit(classifier, config.classifier, RANGE, shared=True)(
    jax.random.key(0)[None], 0, images, labels[None], np.int32(n)
  )
  logits = np.asarray(
    classifier.logits(jax.tree.map(lambda x: x[0], fitted), jnp.asarray(images) / jnp.float32(255))
  )[:, 0]
  known = scipy.special.expit(np.where(labels == 1, logits, -logits))
  assert known.mean() > found.given.mean() + 0.1


def test_classes_of_few_labels_are_not_judged():
  whole, config = load_digits(), settings(**{"classifier.epochs": 2})
  of = lambda k, n: np.flatnonzero(whole.pool.labels == k)[:n]  # noqa: E731
  rows = np.concatenate([of(0, 4), of(1, 5), of(2, 3)])
  images, labels = np.asarray(whole.pool.images)[rows], whole.pool.labels[rows].copy()
  classifier = make_classifier(config.classifier, (8, 8, 1), 10, RANGE)
  judge = lambda images, labels: doubts(  # noqa: E731
    jax.random.key(0), classifier, config.classifier, RANGE, images, labels, 10
  )
  found = judge(images, labels)
  assert found.skipped == (2,)
  assert sorted(found.rows.tolist()) == list(range(9))
  labels[0] = -1
  assert judge(images, labels) is None
