"""What the classifier makes of every image of the pool: predictions.csv, and the images it is least sure about."""

import csv
import io
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int32

from asal_jax import devices, processes
from asal_jax.acquisition.score import entropy
from asal_jax.models.classifier import probabilities
from asal_jax.pools import blocks
from asal_jax.store.files import whole_file
from asal_jax.types import Classifier, Params, PixelRange, Pool, decode

COLUMNS = ("file", "class", "probability", "entropy")
"""Of predictions.csv; entropy in nats."""


class Predicted(NamedTuple):
  """Of m images the most probable class, its probability, and the entropy in nats."""

  classes: Int32[np.ndarray, " m"]
  probabilities: Float[np.ndarray, " m"]
  entropies: Float[np.ndarray, " m"]


class Outlook(NamedTuple):
  """`counts`: the pool's images of each predicted class; the most uncertain that were not asked for, by falling
  entropy: their `ids` i32[m] and what is `predicted` of them."""

  counts: tuple[int, ...]
  ids: Int32[np.ndarray, " m"]
  predicted: Predicted


def make_predicted(classifier: Classifier, pixel_range: PixelRange):
  """Jitted (params, images u8[n h w c]) -> the columns of Predicted, of many images in little memory."""

  def predicted(params, images):
    logits = blocks.map_blocks(lambda block: classifier.logits(params, decode(block, pixel_range)), images)
    shares = probabilities(logits)
    return jnp.argmax(shares, axis=1).astype(jnp.int32), jnp.max(shares, axis=1), entropy(logits)

  return devices.jit(predicted)


def name_of(files: Sequence[str], i: int) -> str:
  """What image `i` is called: its path, or its id where the images have no names."""
  return files[i] if len(files) else str(i)


def write_predictions(
  path: pathlib.Path, pool: Pool, files: Sequence[str], class_names: Sequence[str], classifier: Classifier,
  params: Params, pixel_range: PixelRange, asked: Int32[np.ndarray, " a"], most: int,
) -> Outlook:  # fmt: skip
  """predictions.csv of the whole pool in the order of its ids, block by block; of several processes the first writes.

  `asked` are the ids that people were asked for already, `most` how many of the others `Outlook` names.
  """
  predict = make_predicted(classifier, pixel_range)
  counts = np.zeros(len(class_names), np.int64)
  none = np.zeros(0, np.float32)
  ids, kept = np.zeros(0, np.int32), Predicted(np.zeros(0, np.int32), none, none)
  with whole_file(path) if processes.is_writer() else open(os.devnull, "wb") as raw:
    # Names that are no UTF-8 go out as they came in.
    file = io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for block in blocks.walk(pool):
      of_block = Predicted(
        *(np.asarray(x)[block.fresh - block.start :] for x in predict(params, block.images))
      )
      fresh = np.arange(block.fresh, block.fresh + len(of_block.classes), dtype=np.int32)
      _write_rows(writer, files, class_names, fresh, of_block)
      counts += np.bincount(of_block.classes, minlength=len(counts))
      open_ = ~np.isin(fresh, asked)
      ids = np.concatenate([ids, fresh[open_]])
      kept = Predicted(*(np.concatenate([a, b[open_]]) for a, b in zip(kept, of_block, strict=True)))
      order = np.argsort(-kept.entropies, kind="stable")[:most]
      ids, kept = ids[order], Predicted(*(x[order] for x in kept))
    file.detach()
  return Outlook(tuple(counts.tolist()), ids, kept)


def _write_rows(writer, files, class_names, ids: Int32[np.ndarray, " m"], predicted: Predicted) -> None:
  """The lines of some images, so many at a time that a pool on the device needs no more memory than one on disk."""
  for start in range(0, len(ids), blocks.READ):
    columns = (x[start : start + blocks.READ].tolist() for x in (ids, *predicted))
    writer.writerows(
      (name_of(files, i), class_names[k], f"{p:.6g}", f"{h:.6g}") for i, k, p, h in zip(*columns, strict=True)
    )
