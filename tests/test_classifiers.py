"""Every classifier network: its first loss, its dropout, and that it learns a batch."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asal_jax.models.classifier import make_accuracy, make_classifier, make_fit
from asal_jax.networks.classifiers import CLASSIFIERS, AllCNN
from asal_jax.rng import seed_keys
from configs.base import get_config

RANGE = (-1.0, 1.0)


def settings(**overrides):
  config = get_config().classifier
  config.update(overrides)
  return config


@pytest.mark.parametrize(
  ("network", "side", "classes", "rate", "epochs"),
  [
    ("linear", 28, 2, 3e-3, 50),
    ("lenet5", 16, 3, 3e-3, 50),
    ("lenet_20_50_500", 16, 3, 3e-3, 50),
    ("celeba", 8, 2, 3e-3, 50),
    ("all_cnn", 12, 3, 2e-4, 100),
  ],
)
def test_one_batch_is_learned(network, side, classes, rate, epochs):
  config = settings(network=network, epochs=epochs, learning_rate=rate, batch_size=6)
  pool = jnp.asarray(np.random.default_rng(3).integers(0, 256, (6, side, side, 3), np.uint8))
  ids = np.arange(6, dtype=np.int32)
  classifier = make_classifier(config, (side, side, 3), classes, RANGE)
  fit = make_fit(classifier, config, RANGE)
  params = fit(seed_keys((6,)), 0, pool[None], ids[None] % classes, np.int32(6))
  # Random images: only a net that is trained rightly knows them.
  assert make_accuracy(classifier, RANGE, classes)(params, pool, jnp.asarray(ids % classes)).overall == 1


def test_a_single_logit_of_all_cnn_takes_both_signs():
  net, x = AllCNN(1), jax.random.normal(jax.random.key(0), (4, 12, 12, 3))
  params = net.init(jax.random.key(1), x)
  last = params["params"]["Conv_8"]
  turned = {"params": {**params["params"], "Conv_8": jax.tree.map(lambda p: -p, last)}}
  logits = net.apply(params, x)
  assert np.abs(logits).min() > 0
  np.testing.assert_allclose(net.apply(turned, x), -logits, atol=1e-6)
  # Of several, as published, none is negative.
  ten = AllCNN(10)
  assert ten.apply(ten.init(jax.random.key(1), x), x).min() >= 0


@pytest.mark.parametrize(
  ("network", "size", "classes"),
  [
    ("linear", (28, 28, 1), 2),
    ("lenet5", (28, 28, 1), 10),
    ("lenet_20_50_500", (28, 28, 1), 10),
    ("all_cnn", (32, 32, 3), 10),
    ("celeba", (64, 64, 3), 2),
  ],
)
def test_fresh_classifiers_know_nothing(network, size, classes):
  classifier = make_classifier(settings(network=network), size, classes, RANGE)
  x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (8, *size)), jnp.float32)
  labels = jnp.arange(8, dtype=jnp.int32) % classes
  loss = jax.jit(lambda key: classifier.loss(classifier.logits(classifier.init(key), x), labels).mean())
  assert abs(loss(jax.random.key(1)) - math.log(classes)) < 0.4


@pytest.mark.parametrize("network", CLASSIFIERS)
def test_dropout_is_of_training_alone(network):
  classifier = make_classifier(settings(network=network), (16, 16, 3), 3, RANGE)
  x = jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
  params = jax.jit(classifier.init)(jax.random.key(1))
  run = jax.jit(lambda key: classifier.training_logits(params, x, key))
  first, again, other = (run(jax.random.key(seed)) for seed in (2, 2, 3))
  np.testing.assert_array_equal(first, again)
  assert np.any(first != other) == (network in ("all_cnn", "celeba"))
  sure = jax.jit(classifier.logits)(params, x)
  assert sure.shape == (4, 3)
  assert np.allclose(sure, first, atol=1e-6) != (network in ("all_cnn", "celeba"))


LAYERS = {"linear": (0, 1), "lenet5": (2, 3), "lenet_20_50_500": (2, 2), "celeba": (3, 2), "all_cnn": (9, 0)}
"""Convolutions and dense layers."""


@pytest.mark.parametrize("network", CLASSIFIERS)
def test_hidden_is_what_goes_into_the_last_layer(network):
  classifier = make_classifier(settings(network=network), (16, 16, 3), 3, RANGE)
  x = jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
  params = jax.jit(classifier.init)(jax.random.key(1))
  # Checkpoints hold these names.
  convolutions, dense = LAYERS[network]
  names = [f"Conv_{i}" for i in range(convolutions)] + [f"Dense_{i}" for i in range(dense)]
  assert sorted(params["params"]) == sorted(names)
  hidden = jax.jit(classifier.hidden)(params, x)
  if network == "all_cnn":
    _, seen = AllCNN(3).apply(params, x, capture_intermediates=True)
    before = seen["intermediates"]["Conv_7"]["__call__"][0]
    np.testing.assert_allclose(hidden, np.maximum(before, 0).mean(axis=(1, 2)), atol=1e-5)
  else:
    last = jax.tree.map(np.asarray, params["params"][names[-1]])
    found = np.asarray(hidden) @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(found, jax.jit(classifier.logits)(params, x), atol=1e-4)
