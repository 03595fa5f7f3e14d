"""Start sets: the orders, labels until each class was seen, and the table."""

import numpy as np
import pytest

from asal_jax.types import Data
from experiments.your_images import start_sets

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(400, 3)).astype(np.float32)


@pytest.mark.parametrize("name", start_sets.ORDERS)
def test_an_order_names_samples_once_and_begins_where_all_do(name):
  ids = start_sets.order(name, FEATURES, seed=3)
  assert len({*ids.tolist()}) == len(ids) == start_sets.MOST
  shuffled = np.random.default_rng(3).permutation(400)
  assert ids[0] == shuffled[0]
  if start_sets.ORDERS[name] == 300:
    assert {*ids} <= {*shuffled[:300]}
  if start_sets.ORDERS[name] >= 400:
    # The second is the farthest of all.
    assert ids[1] == np.square(FEATURES - FEATURES[ids[0]]).sum(axis=1).argmax()


def test_labels_until_each_class_was_seen():
  assert start_sets.until_all(np.array([0, 0, 2, 0, 1, 2]), 3) == 5
  assert start_sets.until_all(np.array([0, 0, 2, 0]), 3) is None


def test_measure_and_table(monkeypatch):
  monkeypatch.setattr(start_sets, "SEEDS", (0, 1))
  labels = (FEATURES[:, 0] > 0).astype(np.int32)
  record = start_sets.measure("random", Data(None, labels), FEATURES, FEATURES[:100], labels[:100])
  assert min(record["accuracy"]["100"]) > 0.9
  assert all(2 <= n <= 20 for n in record["until_all_classes"])
  row = start_sets.table([{"images": "two", **record, "until_all_classes": [5, None]}]).splitlines()[2]
  assert row.startswith("| two | random | more than 200 | more than 200 |")


def test_of_one_class_alone_it_is_that_class_everywhere():
  truth = np.array([0, 1, 1, 1])
  assert start_sets.accuracy(FEATURES[:3], np.ones(3, int), FEATURES[:4], truth) == 0.75
