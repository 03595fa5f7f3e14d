"""What is made once and shared by all strategies and seeds: GAN, auto-encoder, features, index; all cached."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8
from ml_collections import ConfigDict

from asal_jax.errors import InputError
from asal_jax.models.autoencoder import AutoEncoder, AutoEncoderState, make_autoencoder
from asal_jax.models.gan import GANState, make_gan
from asal_jax.models.train import train
from asal_jax.search.features import PCA, FeatureSet, fit_pca, make_project, pixels, pool_features
from asal_jax.search.index import INDICES
from asal_jax.store.checkpoint import Cache, fingerprint
from asal_jax.store.progress import log
from asal_jax.store.stages import Stages
from asal_jax.types import GAN, Extract, Index, Params

VERSION = 3
"""Raised when code changes what the same settings make, so that older cached things are not used."""


class Preparation:
  """GAN, auto-encoder and feature sets of one pool: read from the cache, or made and put there.

  `makes` names what may be made here ('gan', 'features'); the rest must be in the cache, or InputError tells
  which stage to run. Everything is keyed by a hash of its settings and of the pool's images. `look` is called with
  the GAN, the iteration and the generator's variables while the GAN trains; `stages` times what is made.
  """

  def __init__(
    self, config: ConfigDict, images: UInt8[np.ndarray, "n h w c"], cache: pathlib.Path, makes: frozenset[str],
    stages: Stages, look: Callable[[GAN, int, Params], None],
  ):  # fmt: skip
    self.config, self.makes, self.cache, self.stages, self.look = config, makes, Cache(cache), stages, look
    self.images, self.shape = jnp.asarray(images), images.shape[1:]
    self.pixel_range = tuple(config.data.pixel_range)
    self.pool = {"version": VERSION, "images": fingerprint(images), "pixel_range": list(self.pixel_range)}

  def _folder(self, kind: str, stage: str, made_from: dict[str, Any]) -> pathlib.Path:
    """The cache folder of something; InputError where it is incomplete and not to be made in this stage."""
    folder = self.cache.folder(kind, made_from)
    if not self.cache.complete(folder) and stage not in self.makes:
      raise InputError(
        f"--stage: no finished {kind} for this config in {self.cache.root}; run --stage={stage} first"
      )
    return folder

  def _trained(self, name: str, maker: Any, iterations: int, made_from: dict[str, Any], **looks: Any) -> Any:
    """Trains `maker` (init, step), or reads its final state; `looks` as `train` takes them."""
    section = self.config[name]
    stage = "gan" if name == "gan" else "features"
    folder = self._folder(name, stage, made_from)
    with self.stages(name):
      state = train(
        name, maker.init, maker.step, self.images, iterations=iterations, seed=section.seed,
        folder=folder / "checkpoints", checkpoint_every=section.checkpoint_every, **looks,
      )  # fmt: skip
    self.cache.finish(folder, made_from)
    return state

  def _settings(self, section: str) -> dict[str, Any]:
    """What of a config section decides the result."""
    settings = self.config[section].to_dict()
    for field in ("checkpoint_every", "looks"):
      settings.pop(field, None)
    return {section: settings, **self.pool}

  @functools.cached_property
  def gan(self) -> tuple[GAN, GANState]:
    """The trained GAN."""
    config = self.config.gan
    gan = make_gan(config, self.shape, self.pixel_range)
    looks = {}
    if config.looks:
      every = -(-config.iterations // config.looks)
      looks = {"look_every": every, "look": lambda i, state: self.look(gan, i, state.generator)}
    return gan, self._trained("gan", gan, config.iterations, self._settings("gan"), **looks)

  @functools.cached_property
  def autoencoder(self) -> tuple[AutoEncoder, AutoEncoderState]:
    """The trained auto-encoder."""
    config = self.config.autoencoder
    autoencoder = make_autoencoder(config, self.shape, self.pixel_range)
    iterations = config.epochs * -(-self.images.shape[0] // config.batch_size)
    return autoencoder, self._trained("autoencoder", autoencoder, iterations, self._settings("autoencoder"))

  def _extractor(self, name: str) -> tuple[Extract, Params, dict[str, Any]]:
    """The feature extractor, its parameters, and what made them."""
    if name == "critic":
      gan, state = self.gan
      return gan.critic_features, state.critic, self._settings("gan")
    if name == "autoencoder":
      autoencoder, state = self.autoencoder
      return autoencoder.encode, state.variables, self._settings("autoencoder")
    return pixels, (), self.pool

  def feature_set(self, name: str) -> FeatureSet:
    """Features `name`, PCA fitted on the pool, and the pool's index."""
    extract, extractor, made_by = self._extractor(name)
    made_from = {"extract": name, "made_by": made_by, "features": self.config.features.to_dict()}
    project = make_project(extract)
    folder = self._folder(f"features_{name}", "features", made_from)
    if not self.cache.complete(folder):
      log.info("features: %s, PCA on %d images", name, self.images.shape[0])
      with self.stages(f"features {name}"):
        pca = fit_pca(extract, extractor, self.images, self.config.features.dimensions, self.pixel_range)
        np.savez(folder / "pca.npz", **pca._asdict())
        np.save(folder / "pool.npy", pool_features(project, (extractor, pca), self.images, self.pixel_range))
        self.cache.finish(folder, made_from)
    pca = PCA(**{field: jnp.asarray(values) for field, values in np.load(folder / "pca.npz").items()})
    return FeatureSet(project, (extractor, pca), self._index(folder / "pool.npy", name, made_from))

  def _index(self, features: pathlib.Path, name: str, features_from: dict[str, Any]) -> Index:
    """The nearest-neighbour index over the pool's features."""
    config = self.config.index
    options = {} if config.name != "pynndescent" else {k: v for k, v in config.items() if k != "name"}
    made_from = {"index": config.name, **options, "features": features_from}
    folder = self._folder(f"index_{name}", "features", made_from)
    if not self.cache.complete(folder):
      log.info("index: %s over %s features", config.name, name)
      with self.stages(f"index {name}"):
        INDICES[config.name].build(np.load(features), **options).save(folder)
        self.cache.finish(folder, made_from)
    return INDICES[config.name].load(folder)
