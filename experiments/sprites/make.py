"""Writes a folder of 64x64 characters with binary attributes for `config.data.folder`, a stand-in for CelebA.

SPRITES_DIR holds a generator `lpc_pool.py`: ATTRS, the names of the attributes, and Pool().one(rng) -> (image uint8
[64, 64, 3], attributes uint8 [k]). Sample i depends on the seed and on i alone; the parts follow one another.

  python -m experiments.sprites.make SPRITES_DIR FOLDER --train N --validation N --test N [--seed S]
"""

import argparse
import importlib.util
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from asal_jax.pools.attributes import PARTS, Part, Sample, write_attributes_folder


def generator(sprites: pathlib.Path) -> ModuleType:
  """The module lpc_pool of that folder."""
  spec = importlib.util.spec_from_file_location("lpc_pool", sprites / "lpc_pool.py")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def make(pool: Any, names: tuple[str, ...], folder: pathlib.Path, counts: dict[str, int], seed: int) -> None:
  """Writes `counts` samples of each part, drawn by lpc_pool's `Pool`."""

  def samples(start: int, count: int) -> Iterator[Sample]:
    for i in range(start, start + count):
      yield pool.one(np.random.default_rng([seed, i]))

  parts, start = {}, 0
  for part in PARTS:
    parts[part] = Part(counts[part], samples(start, counts[part]))
    start += counts[part]
  write_attributes_folder(folder, names, parts)


if __name__ == "__main__":
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("sprites", type=pathlib.Path)
  parser.add_argument("folder", type=pathlib.Path)
  for part in PARTS:
    parser.add_argument(f"--{part}", type=int, required=True)
  parser.add_argument("--seed", type=int, default=0)
  arguments = parser.parse_args()
  lpc_pool = generator(arguments.sprites)
  counts = {part: getattr(arguments, part) for part in PARTS}
  make(lpc_pool.Pool(), tuple(lpc_pool.ATTRS), arguments.folder, counts, arguments.seed)
