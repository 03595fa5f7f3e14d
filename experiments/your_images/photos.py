"""Writes a folder of photographs as people have them: JPEGs of many sizes without labels, and the truth beside it.

The images are CIFAR-10's of two classes, or sprites with and without a hat, stretched to sides of 96 to 400 pixels;
their class is in `truth.csv` beside the folder, never in it.

python -m experiments.your_images.photos FOLDER [--images=2000] [--test=500] [--sprites=runs/sprites]
"""

import argparse
import csv
import pathlib

import numpy as np
from PIL import Image

from asal_jax.pools.attributes import attribute_splits
from asal_jax.pools.data import load_cifar10
from asal_jax.store.progress import Progress
from asal_jax.types import Splits

CIFAR_TWO = (1, 7)
"""Automobiles and horses, as in CIFAR two."""


def write(images: np.ndarray, names: list[str], folder: pathlib.Path) -> None:
  """Images u8[n h w c] as JPEGs of sizes drawn by NumPy's generator 0, in folders of a hundred."""
  random = np.random.default_rng(0)
  with Progress(f"writing {folder}", len(images), unit="image") as progress:
    for name, image in zip(names, images, strict=True):
      width, height = (int(side) for side in random.integers(96, 400, 2))
      path = folder / name
      path.parent.mkdir(parents=True, exist_ok=True)
      Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
      progress.update()


def make(folder: pathlib.Path, splits: Splits, classes: tuple[int, ...], images: int, test: int) -> None:
  """`folder/pool`, `folder/test` in sub-folders by class, and `folder/truth.csv` of the pool."""
  rows = [np.flatnonzero(np.isin(part.labels, classes)) for part in (splits.pool, splits.test)]
  rows = [found[:most] for found, most in zip(rows, (images, test), strict=True)]
  names = [f"{i // 100:03}/IMG_{i:05}.jpg" for i in range(len(rows[0]))]
  write(splits.pool.images[rows[0]], names, folder / "pool")
  truth = [splits.class_names[k] for k in splits.pool.labels[rows[0]]]
  with (folder / "truth.csv").open("w", newline="") as file:
    csv.writer(file).writerows([("file", "label"), *zip(names, truth, strict=True)])
  of_test = [splits.class_names[k] for k in splits.test.labels[rows[1]]]
  write(splits.test.images[rows[1]], [f"{k}/{i:05}.jpg" for i, k in enumerate(of_test)], folder / "test")


if __name__ == "__main__":
  parser = argparse.ArgumentParser("experiments.your_images.photos", description=__doc__)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("--images", type=int, default=2_000)
  parser.add_argument("--test", type=int, default=500)
  parser.add_argument(
    "--sprites", type=pathlib.Path, help="made by experiments.sprites.make; default: CIFAR-10"
  )
  asked = parser.parse_args()
  if asked.sprites:
    make(asked.folder, attribute_splits(asked.sprites, "Wearing_Hat"), (0, 1), asked.images, asked.test)
  else:
    make(asked.folder, load_cifar10(asked.folder / "cache"), CIFAR_TWO, asked.images, asked.test)
