"""GAAL, generative adversarial active learning (Zhu and Bento 2017): the synthetic samples themselves are labelled."""

import contextlib
import pathlib
import time

import jax
import numpy as np
from jaxtyping import Array, Int32, Key, UInt8

from asal_jax import devices, processes
from asal_jax.acquisition.table import World
from asal_jax.errors import InputError
from asal_jax.pools.arrays import open_npy
from asal_jax.running.loop import Labelled, Strategy, read_images
from asal_jax.running.watch import watch_latents
from asal_jax.store.checkpoint import fingerprint
from asal_jax.store.files import save_array, set_aside
from asal_jax.store.journal import Journal, Record
from asal_jax.types import Labeller, Params, PixelRange, encode


class SyntheticStore:
  """The synthetic images of a run on disk, uint8 [s b h w c] a cycle: what was labelled is trained on, bit for bit.

  Their fingerprint is in the journal, as `images` of the selection.
  """

  def __init__(self, folder: pathlib.Path):
    self.folder = folder

  def path(self, cycle: int) -> pathlib.Path:
    """The file of a cycle."""
    return self.folder / f"cycle_{cycle}.npy"

  def save(self, cycle: int, images: UInt8[np.ndarray, "s b h w c"]) -> None:
    """Keeps a cycle's images."""
    if processes.is_writer():
      self.folder.mkdir(parents=True, exist_ok=True)
      save_array(self.path(cycle), images)
    processes.barrier()

  def load(self, cycle: int) -> UInt8[np.ndarray, "s b h w c"]:
    """A cycle's images."""
    return np.load(self.path(cycle))

  def forget_lost(self, strategy: str, journal: Journal) -> None:
    """Forgets the selections whose images are gone or damaged: they are made again, to the same bits."""
    of_strategy = [r for r in journal.selections.values() if r["strategy"] == strategy and r["cycle"] > 0]
    for record in of_strategy:
      if not processes.by_writer(self._whole)(record["cycle"], record.get("images")):
        journal.forget(strategy, record["cycle"])

  def _whole(self, cycle: int, wanted: str | None) -> bool:
    """Whether a cycle's images are those of its selection, `wanted` by fingerprint; others are set aside."""
    path = self.path(cycle)
    if not path.exists():
      return False
    with contextlib.suppress(InputError):
      found = np.asarray(open_npy(path, "synthetic", ""))
      if found.dtype == np.uint8 and wanted in (None, fingerprint(found)):
        return True
    set_aside(path, "damaged, or of another run: not the images that were labelled; they are made again")
    return False


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
    rendered = render(synthesis.params, z)
    # As bytes they would be some image.
    watch_latents(name, cycle, journal.seeds, np.isfinite(rendered).all(axis=(1, 2, 3, 4)))
    images = encode(rendered, pixel_range)
    seconds = (time.perf_counter() - started) / len(keys)
    store.save(cycle, images)
    entropy = np.asarray(score(params, images)).mean(axis=1)
    selection = journal.selection(name, cycle, None, entropy, seconds, np.zeros(len(keys), np.int32))
    return {**selection, "images": fingerprint(np.asarray(images))}

  def images(selection: Record) -> UInt8[np.ndarray, "s b h w c"]:
    if selection["ids"] is not None:
      return read_images(world.pool, selection["ids"])
    return store.load(selection["cycle"])

  def label(selection: Record) -> Int32[np.ndarray, "s b"]:
    return labeller(selection["cycle"], store.load(selection["cycle"]))

  return Strategy(name, choose, images, label)
