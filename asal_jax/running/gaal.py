"""GAAL, generative adversarial active learning (Zhu and Bento 2017): the synthetic samples themselves are labelled."""

import pathlib
import time

import jax
import numpy as np
from jaxtyping import Array, Int32, Key, UInt8

from asal_jax import devices, processes
from asal_jax.acquisition.table import World
from asal_jax.running.loop import Labelled, Strategy, read_images
from asal_jax.store.journal import Journal, Record
from asal_jax.types import Labeller, Params, PixelRange, encode


class SyntheticStore:
  """The synthetic images of a run on disk, uint8 [s b h w c] a cycle: what was labelled is trained on, bit for bit."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder

  def path(self, cycle: int) -> pathlib.Path:
    """The file of a cycle."""
    return self.folder / f"cycle_{cycle}.npy"

  def save(self, cycle: int, images: UInt8[np.ndarray, "s b h w c"]) -> None:
    """Keeps a cycle's images."""
    if processes.is_writer():
      self.folder.mkdir(parents=True, exist_ok=True)
      np.save(self.path(cycle), images)
    processes.barrier()

  def load(self, cycle: int) -> UInt8[np.ndarray, "s b h w c"]:
    """A cycle's images."""
    return np.load(self.path(cycle))


def gaal(
  name: str, keys: Key[Array, " s"], world: World, labeller: Labeller, store: SyntheticStore, pixel_range: PixelRange,
  journal: Journal,
) -> Strategy:  # fmt: skip
  """The strategy, called `name`: ascended latents, rendered to bytes, are what is labelled; nothing is matched."""
  assert world.synthesis is not None, "GAAL needs a GAN"
  synthesis, score = world.synthesis, world.scorers["entropy"].images

  def render(generator, z):
    # A seed at a time, because batch statistics must not couple the seeds.
    return jax.vmap(lambda z: synthesis.generate(generator, z))(z)

  render = devices.jit(devices.over_devices(render, (None, 0)))

  def choose(cycle: int, params: Params, _: Labelled) -> Record:
    started = time.perf_counter()
    z = synthesis.ascended(keys, cycle, synthesis.params, params)
    images = encode(render(synthesis.params, z), pixel_range)
    seconds = (time.perf_counter() - started) / len(keys)
    store.save(cycle, images)
    entropy = np.asarray(score(params, images)).mean(axis=1)
    return journal.selection(name, cycle, None, entropy, seconds, np.zeros(len(keys), np.int32))

  def images(selection: Record) -> UInt8[np.ndarray, "s b h w c"]:
    if selection["ids"] is not None:
      return read_images(world.pool, selection["ids"])
    return store.load(selection["cycle"])

  def label(selection: Record) -> Int32[np.ndarray, "s b"]:
    return labeller(name, selection["cycle"], store.load(selection["cycle"]))

  return Strategy(name, choose, images, label)
