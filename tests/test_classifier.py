"""The classifier: losses against scikit-learn, `fit` against a NumPy loop, accuracy and scores against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from sklearn import metrics

from asal_jax.acquisition.score import entropy
from asal_jax.models.classifier import (
  LOSSES,
  make_accuracy,
  make_classifier,
  make_fit,
  make_scorer,
  make_slices,
  shuffle,
)
from asal_jax.pools import blocks
from asal_jax.rng import seed_keys, stream
from configs.base import get_config

RANGE = (-1.0, 1.0)
KEYS = seed_keys((5, 2))
RNG = np.random.default_rng(0)
IMAGES = jnp.asarray(RNG.integers(0, 256, (40, 3, 3, 1), np.uint8))
PIXELS = np.asarray(IMAGES, float).reshape(40, 9) * 2 / 255 - 1
CAPACITY, COUNT, CYCLE = 20, 13, 1
IDS = np.stack([RNG.permutation(40)[:CAPACITY] for _ in KEYS]).astype(np.int32)


def settings(**overrides):
  config = get_config().classifier
  config.update({"epochs": 3, "batch_size": 5, "learning_rate": 0.02, **overrides})
  return config


def labels_of(classes):
  return np.random.default_rng(1).integers(0, classes, (len(KEYS), CAPACITY)).astype(np.int32)


def fitted(config, classes, ids=IDS, labels=None, count=COUNT):
  classifier = make_classifier(config, (3, 3, 1), classes, RANGE)
  fit = make_fit(classifier, config, RANGE)
  labels = labels_of(classes) if labels is None else labels
  return classifier, fit, fit(KEYS, CYCLE, IMAGES[ids], labels, np.int32(count))


def linear(params, row=0):
  dense = jax.tree.map(lambda p: np.asarray(p[row], float), params)["params"]["Dense_0"]
  return dense["kernel"], dense["bias"]


@pytest.mark.parametrize("k", [1, 3])
def test_cross_entropy(k):
  logits = RNG.normal(scale=3, size=(30, k)).astype(np.float32)
  labels = RNG.integers(0, max(k, 2), 30).astype(np.int32)
  wide = np.concatenate([0 * logits, logits], axis=1) if k == 1 else logits
  p = scipy.special.softmax(wide.astype(float), axis=1)
  losses = LOSSES["cross_entropy"](jnp.asarray(logits), jnp.asarray(labels))
  assert losses.shape == (30,)
  np.testing.assert_allclose(losses.mean(), metrics.log_loss(labels, p), rtol=1e-5)
  np.testing.assert_allclose(losses, -np.log(p[np.arange(30), labels]), rtol=1e-4, atol=1e-6)


def test_hinge():
  logits = RNG.normal(scale=2, size=(30, 1)).astype(np.float32)
  labels = RNG.integers(0, 2, 30).astype(np.int32)
  losses = LOSSES["hinge"](jnp.asarray(logits), jnp.asarray(labels))
  assert losses.shape == (30,)
  np.testing.assert_allclose(losses.mean(), metrics.hinge_loss(labels, logits[:, 0]), rtol=1e-5)


def slope(loss, logits, labels):
  """Derivative of the loss in the logits, by hand."""
  if loss == "hinge":
    y = 2.0 * labels[:, None] - 1
    return np.where(y * logits < 1, -y, 0)
  if logits.shape[1] == 1:
    return scipy.special.expit(logits) - labels[:, None]
  return scipy.special.softmax(logits, axis=1) - np.eye(logits.shape[1])[labels]


def numpy_fit(config, key, initial, ids, labels):
  """Adam (Kingma & Ba 2015) or SGD with momentum on a linear model, float64, on the batches of the stream."""
  params, moments, t = list(initial), [(0.0, 0.0), (0.0, 0.0)], 0
  for epoch in range(config.epochs):
    rate = config.learning_rate * 0.1 ** sum(epoch >= e for e in config.decay_epochs)
    draws = np.asarray(jax.random.uniform(stream(key, "batches", CYCLE, epoch), (CAPACITY,)))
    order = np.argsort(draws[:COUNT], kind="stable")
    for rows in np.split(order, range(config.batch_size, COUNT, config.batch_size)):
      # The oracle rejects with -1.
      kept = rows[labels[rows] >= 0]
      x = PIXELS[ids[kept]]
      error = slope(config.loss, x @ params[0] + params[1], labels[kept]) / max(len(kept), 1)
      t += 1
      for i, gradient in enumerate((x.T @ error, error.sum(axis=0))):
        gradient = gradient + config.weight_decay * params[i]
        first, second = moments[i]
        if config.optimizer == "sgd":
          step = first = 0.9 * first + gradient
        else:
          first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
          step = (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        moments[i] = first, second
        params[i] = params[i] - rate * step
  return params


def test_the_network_s_own_pixel_range():
  """Images in [1, 3], the network's in [-1, 1]: logits, dropout's too, and the hidden layer of images brought there."""
  classifier = make_classifier(settings(pixel_range=(-1.0, 1.0)), (3, 3, 1), 4, (1.0, 3.0))
  params = classifier.init(jax.random.key(0))
  kernel, bias = linear(jax.tree.map(lambda p: p[None], params))
  images = jnp.asarray(PIXELS.reshape(40, 3, 3, 1) + 2, jnp.float32)
  for logits in (
    classifier.logits(params, images),
    classifier.training_logits(params, images, jax.random.key(1)),
  ):
    np.testing.assert_allclose(logits, PIXELS @ kernel + bias, atol=1e-5)
  np.testing.assert_allclose(classifier.hidden(params, images), PIXELS, atol=1e-5)


def test_training_in_an_own_pixel_range_is_training_in_that_range():
  config = settings(pixel_range=RANGE)
  classifier = make_classifier(config, (3, 3, 1), 4, (0.0, 1.0))
  fit = make_fit(classifier, config, (0.0, 1.0))
  params, (_, _, expected) = (
    fit(KEYS, CYCLE, IMAGES[IDS], labels_of(4), np.int32(COUNT)),
    fitted(settings(), 4),
  )
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), params, expected)
  found, truth = (
    np.asarray(make_scorer(made, entropy, seen).block(weights, IMAGES))
    for made, seen, weights in (
      (classifier, (0.0, 1.0), params),
      (make_classifier(settings(), (3, 3, 1), 4, RANGE), RANGE, expected),
    )
  )
  np.testing.assert_allclose(found, truth, atol=1e-5)
  # Trained on pixels in [0, 1] it is another one.
  other = make_classifier(settings(), (3, 3, 1), 4, (0.0, 1.0))
  plain = make_fit(other, settings(), (0.0, 1.0))(KEYS, CYCLE, IMAGES[IDS], labels_of(4), np.int32(COUNT))
  assert np.abs(linear(params)[0] - linear(plain)[0]).max() > 1e-3


def test_the_range_of_the_data_is_the_default_bit_for_bit():
  named, unnamed = (fitted(settings(pixel_range=pixel_range), 4)[2] for pixel_range in (RANGE, ()))
  jax.tree.map(np.testing.assert_array_equal, named, unnamed)
  classifier = make_classifier(settings(), (3, 3, 1), 4, RANGE)
  params = jax.eval_shape(classifier.init, jax.random.key(0))
  images = jax.ShapeDtypeStruct((2, 3, 3, 1), jnp.float32)
  operations = [
    equation.primitive.name for equation in jax.make_jaxpr(classifier.logits)(params, images).eqns
  ]
  assert not {"sub", "mul"} & set(operations)


SGD = {"optimizer": "sgd", "weight_decay": 0.1, "epochs": 5, "decay_epochs": (2, 4)}
NONE, SOME, BATCHES = (), (0, 4, 5, 11), range(1, COUNT)


@pytest.mark.parametrize(
  ("overrides", "classes", "rejected"),
  [
    ({}, 2, NONE),
    ({}, 4, NONE),
    ({"loss": "hinge"}, 2, NONE),
    (SGD, 4, NONE),
    ({**SGD, "optimizer": "adam"}, 2, NONE),
    ({}, 4, SOME),
    # Of whole batches nothing is left.
    ({}, 2, BATCHES),
    (SGD, 4, BATCHES),
  ],
)
def test_fit_equals_a_numpy_loop(overrides, classes, rejected):
  config, labels = settings(**overrides), labels_of(classes)
  labels[:, list(rejected)] = -1
  classifier, _, params = fitted(config, classes, labels=labels)
  for row, key in enumerate(KEYS):
    initial = jax.tree.map(lambda p: p[None], classifier.init(stream(key, "weights", CYCLE)))
    expected = numpy_fit(config, key, linear(initial), IDS[row], labels[row])
    for found, truth in zip(linear(params, row), expected, strict=True):
      np.testing.assert_allclose(found, truth, atol=1e-4)


@pytest.mark.parametrize(
  ("network", "shared", "tolerance"),
  # Of convolutions XLA lays the weights out otherwise where they come as an argument: equal to rounding.
  [("linear", False, 0), ("linear", True, 0), ("celeba", True, 1e-5)],
)
def test_a_fit_in_slices_is_the_fit(network, shared, tolerance):
  """The same bits wherever it is cut, dropout and the epochs at which the rate falls included."""
  config, shape, rng = settings(network=network, **SGD), (8, 8, 1), np.random.default_rng(7)
  classifier = make_classifier(config, shape, 4, RANGE)
  images = rng.integers(0, 256, (*(() if shared else (2,)), CAPACITY, *shape), np.uint8)
  data = images, labels_of(4), np.int32(COUNT)
  begin, epochs = make_slices(classifier, config, RANGE, shared)
  first = begin(KEYS, CYCLE)
  run = lambda state, start, stop: epochs(state, KEYS, CYCLE, *data, start, stop)  # noqa: E731
  at_once, cut = run(first, 0, 5), run(run(run(run(first, 0, 1), 1, 3), 3, 3), 3, 5)
  jax.tree.map(np.testing.assert_array_equal, cut, at_once)
  assert epochs._cache_size() == 1
  whole = make_fit(classifier, config, RANGE, shared)(KEYS, CYCLE, *data)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance), cut.params, whole)
  # Every epoch moves the weights.
  fewer = run(first, 0, 4)
  assert (
    max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (fewer.params, whole)), strict=True)) > 1e-4
  )


def test_images_of_rejected_rows_do_not_matter():
  labels, ids = labels_of(4), IDS.copy()
  labels[:, SOME] = -1
  first = fitted(settings(), 4, labels=labels)[2]
  ids[:, SOME] = (ids[:, SOME] + 1) % 40
  jax.tree.map(np.testing.assert_array_equal, first, fitted(settings(), 4, ids, labels)[2])


def test_images_shared_by_all_seeds():
  config, labels = settings(), labels_of(4)
  classifier, _, own = fitted(config, 4, ids=np.stack([IDS[0]] * 2))
  fit = make_fit(classifier, config, RANGE, shared=True)
  shared = fit(KEYS, CYCLE, IMAGES[IDS[0]], labels, np.int32(COUNT))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), own, shared)


def test_rows_beyond_the_count_are_ignored():
  ids, labels = IDS.copy(), labels_of(4)
  ids[:, COUNT:], labels[:, COUNT:] = 0, 3
  first, garbage = (fitted(settings(), 4, *buffers)[2] for buffers in ((IDS, None), (ids, labels)))
  jax.tree.map(np.testing.assert_array_equal, first, garbage)
  used = labels_of(4)
  used[:, COUNT - 1] = (used[:, COUNT - 1] + 1) % 4
  other = fitted(settings(), 4, IDS, used)[2]
  assert np.any(linear(first)[0] != linear(other)[0])


def test_a_growing_set_compiles_once():
  _, fit, _ = fitted(settings(), 2)
  for cycle, count in enumerate((1, 5, 6, CAPACITY)):
    params = fit(KEYS, cycle, IMAGES[IDS], labels_of(2), np.int32(count))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(params))
  assert fit._cache_size() == 1


def test_seeds_side_by_side_equal_one_by_one():
  _, fit, together = fitted(settings(), 4)
  for row, seed in enumerate((5, 2)):
    rows = slice(row, row + 1)
    alone = fit(seed_keys((seed,)), CYCLE, IMAGES[IDS[rows]], labels_of(4)[rows], np.int32(COUNT))
    for a, b in zip(linear(together, row), linear(alone), strict=True):
      np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_accuracy_and_scores_equal_numpy(classes, monkeypatch):
  # 40 images in blocks of 16: the last one overlaps.
  monkeypatch.setattr(blocks, "block_size", lambda n: min(n, 16))
  classifier, _, params = fitted(settings(), classes)
  truth = np.random.default_rng(4).integers(0, classes, 40).astype(np.int32)
  accuracy = make_accuracy(classifier, RANGE, classes + 1)(params, IMAGES, jnp.asarray(truth))
  scorer = make_scorer(classifier, entropy, RANGE)
  scores = scorer.block(params, IMAGES)
  assert scores.shape == (len(KEYS), 40)
  np.testing.assert_allclose(
    scorer.images(params, IMAGES[IDS]), np.take_along_axis(np.asarray(scores), IDS, axis=1), atol=1e-6
  )
  for row in range(len(KEYS)):
    kernel, bias = linear(params, row)
    logits = PIXELS @ kernel + bias
    if classes == 2:
      logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    p = scipy.special.softmax(logits, axis=1)
    np.testing.assert_allclose(scores[row], -np.sum(p * np.log(p), axis=1), atol=1e-5)
    right = p.argmax(axis=1) == truth
    np.testing.assert_allclose(accuracy.overall[row], np.mean(right), atol=1e-6)
    # The last class has no image.
    recall = [np.mean(right[truth == k]) for k in range(classes)]
    np.testing.assert_allclose(accuracy.balanced[row], np.mean(recall), atol=1e-6)


@pytest.mark.parametrize(
  ("capacity", "count"), [(1, 1), (2, 0), (5, 5), (300, 170), (512, 511), (513, 513), (70_000, 50_000)]
)
def test_shuffle(capacity, count):
  order = np.asarray(jax.jit(shuffle, static_argnums=1)(jax.random.key(capacity), capacity, jnp.int32(count)))
  assert sorted(order[:count]) == list(range(count))
  assert list(order[count:]) == list(range(count, capacity))
  draws = np.asarray(jax.random.uniform(jax.random.key(capacity), (capacity,)))[:count]
  if capacity <= 512:
    np.testing.assert_array_equal(order[:count], np.argsort(draws, kind="stable"))
  # The draws ascend but for the bits that had to give way to the row's number.
  lost = 2.0 ** (max(9, (capacity - 1).bit_length()) - 32)
  assert np.all(np.diff(draws[order[:count]]) > -lost)
