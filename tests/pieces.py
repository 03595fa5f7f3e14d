"""Parts of a run whose results must not depend on the devices: `python pieces.py OUT.npz` on those there are."""

import pathlib
import re
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np

from asal_jax import devices
from asal_jax.acquisition.score import entropy
from asal_jax.models.autoencoder import make_autoencoder
from asal_jax.models.classifier import make_accuracy, make_classifier, make_fit, make_scorer
from asal_jax.models.gan import make_gan
from asal_jax.models.train import CHUNK, make_chunk, make_draw, train
from asal_jax.pools import blocks
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.search.exact import ExactIndex, shares
from asal_jax.search.features import fit_pca, make_features, make_project, pixels, write_features
from asal_jax.search.quantised import Int8Index
from configs.base import get_config

RANGE, SHAPE, CLASSES = (0.0, 1.0), (8, 8, 1), 4


def images(n, seed=0):
  """Images whose brightness tells their class."""
  rng = np.random.default_rng(seed)
  labels = np.arange(n, dtype=np.int32) % CLASSES
  return (rng.integers(0, 64, (n, *SHAPE)) + 48 * labels[:, None, None, None]).astype(np.uint8), labels


def leaves(name, tree):
  return {f"{name}_{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}


def gan_config(batch, batch_norm):
  config = get_config().gan
  config.update({"width": 4, "critic_width": 4, "latent_dim": 8, "critic_steps": 2, "learning_rate": 0.01})
  config.update({"batch_norm": batch_norm, "batch_size": batch, "generator_batch_size": batch})
  return config


def trained(folder):
  """States after three iterations, of a batch that all of 8 devices share and of one that 2 of them do."""
  pool, settings = ArrayPool(images(37)[0]), {"iterations": 3, "seed": 0, "checkpoint_every": 2}
  z = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
  found = {}
  for batch, batch_norm in ((16, "none"), (10, "generator")):
    name, gan = f"gan{batch}", make_gan(gan_config(batch, batch_norm), SHAPE, RANGE)
    state = train("gan", gan, pool, folder=folder / name, **settings)
    made = devices.jit(gan.generate_by_batch)(state.generator, z)
    seen = devices.jit(gan.critic_features)(state.critic, made)
    # Of biases without a gradient (the critic's last, those before a normalisation) Adam makes steps of the rounding.
    weights = [leaf for leaf in jax.tree.leaves((state.generator, state.critic)) if leaf.ndim > 1]
    found |= leaves(f"{name}_", (made, seen, weights))
  config = get_config().autoencoder
  config.update({"code_channels": 2, "batch_size": 16})
  autoencoder = make_autoencoder(config, SHAPE, RANGE)
  return found | leaves(
    "autoencoder", train("auto-encoder", autoencoder, pool, folder=folder / "ae", **settings)
  )


def passes(folder):
  """PCA and features of pools of 64 resident rows, and of 37 that are read 16 at a time."""
  found, read = {}, blocks.READ
  blocks.READ = 16
  for name, pool in (("resident", ArrayPool(images(64)[0])), ("mapped", MappedPool(images(37)[0]))):
    pca = fit_pca(pixels, (), pool, 5, RANGE)
    found |= {f"{name}_mean": np.asarray(pca.mean), f"{name}_components": np.asarray(pca.components)}
    write_features(make_project(pixels), ((), pca), pool, RANGE, folder / f"{name}.npy")
    found[f"{name}_features"] = np.load(folder / f"{name}.npy")
  blocks.READ = read
  features = make_features(make_project(pixels), RANGE)
  return found | {"odd_features": np.asarray(features(((), pca), images(19)[0]))}


def seeds():
  """Three seeds' classifiers: their weights, accuracy, and scores of few and of many images."""
  config = get_config().classifier
  classifier = make_classifier(config, SHAPE, CLASSES, RANGE)
  x, y = images(60)
  keys = jax.vmap(jax.random.key)(jnp.arange(3))
  params = make_fit(classifier, config, RANGE)(
    keys, 0, x.reshape(3, 20, *SHAPE), y.reshape(3, 20), np.int32(17)
  )
  scorer = make_scorer(classifier, entropy, RANGE)
  test, labels = images(21, seed=1)
  return leaves("weights", params) | {
    "accuracy": np.asarray(make_accuracy(classifier, RANGE, CLASSES)(params, test, labels)[:2]),
    "scores": np.asarray(scorer.block(params, test)),
    "few_scores": np.asarray(scorer.images(params, test.reshape(3, 7, *SHAPE))),
  }


def search():
  """Neighbours by the two indices whose rows lie on the devices."""
  rng = np.random.default_rng(0)
  features, queries = rng.normal(size=(900, 6)).astype(np.float32), rng.normal(size=(9, 6)).astype(np.float32)
  excluded = np.arange(0, 900, 7, dtype=np.int32)
  exact = ExactIndex.build(features).search(queries, 20, excluded)
  eight = Int8Index.build(features).search(queries, 20, excluded)
  return {"distances": exact[0], "ids": exact[1], "int8_ids": eight[1], "parts": np.int32(len(shares(900)))}


def layout():
  """How the work is split: rows of a pool and of a batch on a device, and shapes in the compiled GAN step."""
  pool, config = ArrayPool(images(64)[0]), gan_config(16, "generator")
  gan = make_gan(config, SHAPE, RANGE)
  ids = np.asarray(make_draw(gan.batch_ids, 64)(jax.random.key(0), np.int32(0)))
  batches = devices.place_batches(pool.read, ids, SHAPE)
  state = devices.jit(gan.init)(jax.random.key(0))
  chunk = make_chunk(gan.step).lower(state, jax.random.key(1), np.int32(0), np.int32(CHUNK), batches)
  text = chunk.compile().as_text()
  shapes = {tuple(int(n) for n in found.split(",")) for found in re.findall(r"f32\[([\d,]+)\]", text)}
  return {
    "pool_rows": np.int32(pool.resident.addressable_shards[0].data.shape[0]),
    "batch_rows": np.int32(batches.addressable_shards[0].data.shape[2]),
    # The two axes of images are 8 x 8; what comes before them is the batch.
    "image_batches": np.array(sorted({shape[0] for shape in shapes if shape[1:] == SHAPE}), np.int32),
  }


def main(path):
  with tempfile.TemporaryDirectory() as folder:
    found = trained(pathlib.Path(folder)) | passes(pathlib.Path(folder)) | seeds() | search() | layout()
  np.savez(path, devices=jax.device_count(), **found)


if __name__ == "__main__":
  main(sys.argv[1])
