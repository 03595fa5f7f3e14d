"""What is made once and shared by all strategies and seeds: GAN, auto-encoder, features, index; all cached."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32
from ml_collections import ConfigDict

from asal_jax import processes
from asal_jax.models.autoencoder import AutoEncoderState, make_autoencoder
from asal_jax.models.gan import GANState, make_gan
from asal_jax.models.train import train
from asal_jax.pools.blocks import sample_ids
from asal_jax.pools.kinds import SubsetPool
from asal_jax.search.features import PCA, FeatureSet, fit_pca, make_project, pixels, write_features
from asal_jax.search.index import AUTO, INDICES, choose
from asal_jax.search.neighbours import write_graph
from asal_jax.store.checkpoint import Cache, restored
from asal_jax.store.progress import log
from asal_jax.store.rows import Partial
from asal_jax.store.space import check_disk
from asal_jax.store.stages import Stages
from asal_jax.types import GAN, AutoEncoder, Extract, Index, Params, Pool

PCA_IMAGES = 200_000
"""Images that principal components are fitted on; of a larger pool a random sample of so many."""

VERSION = 3
"""Raised when code changes what the same settings make, so that older cached things are not used."""

RESIDUAL_VERSION = 1
"""The same for residual GANs alone; 1: Glorot's initial weights on shortcuts and output."""


class Preparation:
  """GAN, auto-encoder and feature sets of one pool: read from the cache, or made and put there.

  `makes` names what may be made here ('gan', 'features'); the rest must be in the cache, or InputError tells
  which stage to run. Everything is keyed by a hash of its settings and of the pool's images. `look` is called with
  the GAN, the iteration and the generator's variables while the GAN trains; `stages` times what is made.
  """

  def __init__(
    self, config: ConfigDict, pool: Pool, cache: pathlib.Path, makes: frozenset[str],
    stages: Stages, look: Callable[[GAN, int, Params], None],
  ):  # fmt: skip
    self.config, self.makes, self.cache, self.stages, self.look = config, makes, Cache(cache), stages, look
    self.pool, self.pixel_range = pool, tuple(config.data.pixel_range)
    self.made_of = {
      "version": VERSION,
      "images": pool.fingerprint(),
      "pixel_range": list(self.pixel_range),
      "precision": config.precision,
    }

  def _once(
    self, kind: str, stage: str, made_from: dict[str, Any], make: Callable[[pathlib.Path], Any]
  ) -> pathlib.Path:
    """The complete cache folder of something; InputError where it is not, and not to be made in this stage."""
    return self.cache.once(kind, made_from, make, "" if stage in self.makes else stage)

  def _trained(
    self, name: str, model: GAN | AutoEncoder, iterations: int, made_from: dict[str, Any], **looks: Any
  ) -> Any:
    """The final state of `model`, which is trained where the cache lacks it; `looks` as `train` takes them."""
    section = self.config[name]

    def make(folder: pathlib.Path) -> None:
      with self.stages(name):
        train(
          name, model, self.pool, iterations=iterations, seed=section.seed, folder=folder / "checkpoints",
          checkpoint_every=section.checkpoint_every, **looks,
        )  # fmt: skip

    folder = self._once(name, "gan" if name == "gan" else "features", made_from, make)
    return restored(folder / "checkpoints", jax.eval_shape(model.init, jax.random.key(0)))

  def _settings(self, section: str) -> dict[str, Any]:
    """What of a config section decides the result."""
    settings = self.config[section].to_dict()
    for field in ("checkpoint_every", "looks", "epochs" if settings["iterations"] else "iterations"):
      settings.pop(field, None)
    residual = section == "gan" and settings["network"] == "residual"
    return {section: settings, **self.made_of} | ({"residual": RESIDUAL_VERSION} if residual else {})

  @functools.cached_property
  def gan(self) -> tuple[GAN, GANState]:
    """The trained GAN."""
    config = self.config.gan
    gan = make_gan(config, self.pool.image_shape, self.pixel_range)
    looks = {}
    if config.looks:
      every = -(-config.iterations // config.looks)

      def look(iteration: int, state: GANState) -> None:
        with self.stages("look"):
          self.look(gan, iteration, state.generator)

      looks = {"look_every": every, "look": look}
    return gan, self._trained("gan", gan, config.iterations, self._settings("gan"), **looks)

  @functools.cached_property
  def autoencoder(self) -> tuple[AutoEncoder, AutoEncoderState]:
    """The trained auto-encoder."""
    config = self.config.autoencoder
    autoencoder = make_autoencoder(config, self.pool.image_shape, self.pixel_range)
    iterations = config.iterations or config.epochs * -(-len(self.pool) // config.batch_size)
    return autoencoder, self._trained("autoencoder", autoencoder, iterations, self._settings("autoencoder"))

  def _extractor(self, name: str) -> tuple[Extract, Params, dict[str, Any]]:
    """The feature extractor, its parameters, and what the features are made from."""
    extract, extractor, made_by = pixels, (), self.made_of
    if name == "critic":
      gan, state = self.gan
      extract, extractor, made_by = gan.critic_features, state.critic, self._settings("gan")
    if name == "autoencoder":
      autoencoder, state = self.autoencoder
      extract, extractor, made_by = autoencoder.encode, state.variables, self._settings("autoencoder")
    dimensions = {"dimensions": self.config.features.dimensions}
    made_from = {"extract": name, "made_by": made_by, "features": dimensions}
    return extract, extractor, made_from

  @functools.cache  # noqa: B019 (as long as the run)
  def feature_set(self, name: str) -> FeatureSet:
    """Features `name`, PCA fitted on the pool, and the pool's index."""
    extract, extractor, made_from = self._extractor(name)
    project = make_project(extract)

    def make(folder: pathlib.Path) -> None:
      with self.stages(f"features {name}"):
        pca = self._pca(folder, extract, extractor)
        write_features(project, (extractor, pca), self.pool, self.pixel_range, folder / "pool.npy")

    folder = self._once(f"features_{name}", "features", made_from, make)
    pca, path = self._pca(folder, extract, extractor), folder / "pool.npy"
    index = self._index(path, name, made_from)
    return FeatureSet(project, (extractor, pca), np.load(path, mmap_mode="r"), index)

  @functools.cache  # noqa: B019
  def graph(self, name: str) -> Int32[np.ndarray, "n k"]:
    """The neighbour graph of the pool in features `name`, mapped."""
    found, k = self.feature_set(name), self.config.walk.neighbours
    made_from = {"neighbours": k, **self._index_from(type(found.index), self._extractor(name)[2])}

    def make(folder: pathlib.Path) -> None:
      log.info("neighbour graph: %d of each over %s features", k, name)
      with self.stages(f"graph {name}"):
        write_graph(found.index, found.features, k, folder / "graph.npy")

    folder = self._once(f"graph_{name}", "features", made_from, make)
    return np.load(folder / "graph.npy", mmap_mode="r")

  def _pca(self, folder: pathlib.Path, extract: Extract, extractor: Params) -> PCA:
    """The principal components kept in `folder`, fitted there first; on a sample where the pool is large."""
    kept = Partial(folder / "pca.npz", seconds=0)
    found = kept.load()
    if found is None:
      ids = sample_ids(len(self.pool), PCA_IMAGES)
      sample = self.pool if len(ids) == len(self.pool) else SubsetPool(self.pool, ids)
      log.info("features: %s, PCA on %d of %d images", folder.name, len(sample), len(self.pool))
      sums = Partial(folder / "sums.npz")
      pca = fit_pca(extract, extractor, sample, self.config.features.dimensions, self.pixel_range, sums)
      found = {field: np.asarray(value) for field, value in pca._asdict().items()}
      kept.save(lambda: found)
      sums.remove()
      processes.barrier()
    return PCA(**{field: jnp.asarray(found[field]) for field in PCA._fields})

  def _index(self, features: pathlib.Path, name: str, features_from: dict[str, Any]) -> Index:
    """The nearest-neighbour index over the pool's features."""
    index, pool = self.config.index.name, np.load(features, mmap_mode="r")
    if index == AUTO:
      index, why = processes.agreed(choose(*pool.shape))
      log.info("index: auto chose %s over %s features: %s", index, name, why)
    made_from = self._index_from(INDICES[index], features_from)

    def make(folder: pathlib.Path) -> None:
      log.info("index: %s over %s features", index, name)
      # About what most of them keep.
      check_disk(f"index {name}", folder, pool.nbytes)
      with self.stages(f"index {name}"):
        # Others only load it. What is built is dropped at once: it may be large.
        processes.by_writer(
          lambda: INDICES[index].build(pool, folder, **self.config.index.to_dict()) and None
        )()

    return INDICES[index].load(self._once(f"index_{name}", "features", made_from, make))

  def _index_from(self, kind: type[Index], features_from: dict[str, Any]) -> dict[str, Any]:
    """What an index of this kind is made from."""
    name = next(name for name, index in INDICES.items() if index is kind)
    options = {k: v for k, v in self.config.index.items() if k != "name"} if name == "pynndescent" else {}
    version = {"format": 2} if name == "pynndescent" else {}
    return {"index": name, **version, **options, "features": features_from}
