"""Eight virtual devices compute what one does, to rounding, and each its share."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pieces
import pytest


@pytest.fixture(scope="module")
def found(tmp_path_factory):
  """Results of one device, and of eight."""
  folder = tmp_path_factory.mktemp("devices")
  tests = pathlib.Path(__file__).parent
  environ = os.environ | {
    "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8",
    "PYTHONPATH": str(tests.parent),
  }  # fmt: skip
  command = [sys.executable, str(tests / "pieces.py"), str(folder / "eight.npz")]
  with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
    pieces.main(folder / "one.npz")
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
  one, eight = (dict(np.load(folder / f"{name}.npz")) for name in ("one", "eight"))
  assert one.keys() == eight.keys()
  assert (one["devices"], eight["devices"]) == (1, 8)
  return one, eight


def check(found, *prefixes, atol):
  names = [name for name in found[0] if name.startswith(prefixes)]
  assert len(names) >= len(prefixes)
  for name in names:
    np.testing.assert_allclose(found[1][name], found[0][name], atol=atol, err_msg=name)


def test_gan_and_autoencoder_train_to_the_same_states(found):
  check(found, "gan16_", "gan10_", "autoencoder_", atol=1e-3)


def test_principal_components_and_features_are_the_same(found):
  check(found, "resident_", "mapped_", "odd_features", atol=1e-4)


def test_seeds_have_the_same_classifiers_accuracies_and_scores(found):
  check(found, "weights_", "scores", "few_scores", atol=1e-5)
  np.testing.assert_array_equal(found[0]["accuracy"], found[1]["accuracy"])


def test_exact_search_finds_the_same_neighbours_in_more_parts(found):
  one, eight = found
  check(found, "distances", atol=1e-6)
  np.testing.assert_array_equal(one["ids"], eight["ids"])
  np.testing.assert_array_equal(one["int8_ids"], eight["int8_ids"])
  assert (one["parts"], eight["parts"]) == (1, 8)


def test_each_device_holds_and_computes_its_share(found):
  one, eight = found
  assert (one["pool_rows"], eight["pool_rows"]) == (64, 8)
  assert (one["batch_rows"], eight["batch_rows"]) == (16, 2)
  # Real, fake and both together: no device ever has a whole batch.
  assert one["image_batches"].max() >= 16
  assert eight["image_batches"].max() <= 4
