"""What a fresh process makes of one config, or of sizes that several threads share; started by test_determinism."""

import os
import pathlib
import sys

import jax
import numpy as np
import tiny

import asal_jax
from asal_jax.models.classifier import make_classifier, make_fit
from asal_jax.models.gan import make_gan
from asal_jax.rng import seed_keys
from asal_jax.store.checkpoint import restored
from configs import base


def leaves(name, tree):
  """The arrays of a tree, by name."""
  return {f"{name}_{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(tree))}


def job(folder):
  """A tiny job: what it measured and selected, the GAN's last state, the features."""
  config = tiny.config(
    strategies=("entropy", "asal_critic"), seeds=(0,), **tiny.QUICK_GAN, **{"gan.looks": 0}
  )
  records = tiny.without_seconds(asal_jax.run(config, workdir=folder).records)
  found = {"records": np.array([repr(record) for record in records])}
  lines = (folder / "selections.jsonl").read_text().splitlines()
  found["selections"] = np.array([line.split('"select_seconds"')[0] for line in lines])
  gan = make_gan(config.gan, (8, 8, 1), tuple(config.data.pixel_range))
  checkpoints = next((folder / "cache").glob("gan-*")) / "checkpoints"
  state = restored(checkpoints, jax.eval_shape(gan.init, jax.random.key(0)))
  features = np.load(next((folder / "cache").glob("features_critic-*")) / "pool.npy")
  return found | leaves("gan", state) | {"features": features}


def shared(_):
  """An iteration of MNIST's GAN and an epoch of LeNet-5, whose sums the threads of a CPU share among them."""
  config = base.get_config()
  images = np.random.default_rng(0).integers(0, 256, (500, 28, 28, 1), np.uint8)
  gan, key = make_gan(config.gan, (28, 28, 1), (0.0, 1.0)), jax.random.key(0)
  state = jax.jit(gan.init)(key)
  state, metrics = jax.jit(gan.step)(state, key, images[np.asarray(gan.batch_ids(key, 500))])
  config.classifier.update({"network": "lenet5", "epochs": 1, "batch_size": 50})
  classifier = make_classifier(config.classifier, (28, 28, 1), 10, (0.0, 1.0))
  labels = np.arange(200, dtype=np.int32)[None] % 10
  params = make_fit(classifier, config.classifier, (0.0, 1.0))(
    seed_keys((0,)), 0, images[None, :200], labels, np.int32(200)
  )
  return leaves("metrics", metrics) | leaves("running", state.generator) | leaves("fit", params)


def graph(_):
  """A graph of pynndescent."""
  from asal_jax.search.graph import make_graph

  built = make_graph(np.random.default_rng(0).normal(size=(2000, 20)).astype(np.float32), 15, 3, 1)
  return {"neighbours": built.neighbours}


if __name__ == "__main__":
  if sys.argv[3:]:
    # Before jax counts them, which is at its first array.
    os.sched_setaffinity(0, [int(cpu) for cpu in sys.argv[3:]])
  np.savez(sys.argv[2] + ".npz", **globals()[sys.argv[1]](pathlib.Path(sys.argv[2])))
