"""Predictions of a pool, block by block, against NumPy."""

import csv
import os

import numpy as np
import pytest
import scipy.special
import scipy.stats
from finished import RANGE, Run, softmax_of

from asal_jax.pools import blocks
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.reporting.predictions import write_predictions


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return Run(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("n", [1437, 64, 37])
def test_blocks_of_a_pool_on_disk_make_the_same_lines(run, tmp_path, monkeypatch, n):
  monkeypatch.setattr(blocks, "READ", 64)
  images = np.asarray(run.splits.pool.images.block(0, n))
  found = {}
  for kind, pool in (("resident", ArrayPool(images)), ("mapped", MappedPool(images))):
    path = tmp_path / f"{kind}.csv"
    asked = np.arange(20, dtype=np.int32)
    outlook = write_predictions(
      path, pool, (), run.splits.class_names, run.classifier, run.params, RANGE, asked, 24
    )
    with path.open() as file:
      found[kind] = list(csv.DictReader(file)), outlook
  (lines, a), (others, b) = found["resident"], found["mapped"]
  assert [row["file"] for row in lines] == [str(i) for i in range(n)]
  assert [(row["file"], row["class"]) for row in lines] == [(row["file"], row["class"]) for row in others]
  for column in ("probability", "entropy"):
    values = [[float(row[column]) for row in side] for side in (lines, others)]
    np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-6)
  wanted = softmax_of(run)[:n]
  for outlook in (a, b):
    np.testing.assert_array_equal(outlook.counts, np.bincount(wanted.argmax(axis=1), minlength=10))
    order = 20 + np.argsort(-scipy.stats.entropy(wanted[20:], axis=1))[:24]
    np.testing.assert_array_equal(outlook.ids, order)


def test_a_block_function_is_compiled_once(run, tmp_path, monkeypatch):
  monkeypatch.setattr(blocks, "READ", 64)
  pool, traced = MappedPool(np.asarray(run.splits.pool.images.block(0, 300))), []

  def logits(params, images):
    traced.append(images.shape)
    return run.classifier.logits(params, images)

  spied = run.classifier._replace(logits=logits)
  none = np.zeros(0, np.int32)
  write_predictions(tmp_path / "p.csv", pool, (), run.splits.class_names, spied, run.params, RANGE, none, 5)
  # The shape is asked for once, and once the loop's body is traced.
  assert traced == [(64, 8, 8, 1)] * 2


def test_a_file_name_that_is_no_utf8_keeps_its_bytes(run, tmp_path):
  name = os.fsdecode(b"caf\xe9,1.png")
  pool = ArrayPool(np.asarray(run.splits.pool.images.block(0, 1)))
  args = (run.splits.class_names, run.classifier, run.params, RANGE, np.zeros(0, np.int32), 5)
  write_predictions(tmp_path / "p.csv", pool, (name,), *args)
  assert (tmp_path / "p.csv").read_bytes().splitlines()[1].startswith(b'"caf\xe9,1.png",')
