"""What a run leaves for people: summary.json, the figures, a table at the end."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt8
from ml_collections import ConfigDict

from asal_jax import pictures, plots
from asal_jax.features import FeatureSet
from asal_jax.matching import candidates, distinct
from asal_jax.strategy import Synthesis
from asal_jax.types import Params, PixelRange, Splits

SHOWN_MATCHES = 10
SHOWN_SAMPLES = 64


def encode(images: Float[Array, "n h w c"], pixel_range: PixelRange) -> UInt8[np.ndarray, "n h w c"]:
  """What networks see back to bytes: the inverse of `types.decode`."""
  low, high = pixel_range
  return np.clip(np.round((np.asarray(images) - low) * (255 / (high - low))), 0, 255).astype(np.uint8)


def draw_curves(records: list[dict], splits: Splits, title: str, folder: pathlib.Path) -> None:
  """accuracy.png, entropy.png, labels.png from the metrics."""
  plots.accuracy(records, folder / "accuracy.png", title)
  if any(record["new_entropy"] is not None for record in records):
    plots.entropy(records, folder / "entropy.png", title)
  counts = np.bincount(splits.pool.labels, minlength=len(splits.class_names))
  plots.labels(records, counts / counts.sum(), splits.class_names, folder / "labels.png", title)


def draw_samples(
  keys, params: Params, start: Int32[np.ndarray, "s start"], synthesis: Synthesis,
  feature_sets: dict[str, FeatureSet], splits: Splits, config: ConfigDict, folder: pathlib.Path,
) -> None:  # fmt: skip
  """matches.png and samples.png for the first seed's classifier trained on the start set (figures 28 to 35).

  `params` are those classifiers, of all seeds.
  """
  pixel_range, generate = tuple(config.data.pixel_range), jax.jit(synthesis.generate)

  def images(latents, first_cycle: int, count: int):
    rounds = -(-count // config.loop.per_cycle)
    z = [(latents(keys, first_cycle + r, synthesis.params, params))[0] for r in range(rounds)]
    return generate(synthesis.params, jnp.concatenate(z)[:count])

  uncertain = images(synthesis.ascended, 1, SHOWN_SAMPLES)
  random = images(synthesis.random, 1, SHOWN_SAMPLES)
  pictures.samples(
    encode(random, pixel_range), encode(uncertain, pixel_range), folder / "samples.png", config.name
  )
  generated = uncertain[:SHOWN_MATCHES]
  labelled = np.zeros(len(splits.pool.images), bool)
  labelled[start[0]] = True
  rows = []
  for name, features in feature_sets.items():
    queries = np.asarray(jax.jit(features.project)(features.params, generated))
    ids = distinct(candidates(features.index, queries, 1, labelled))
    names = [splits.class_names[k] for k in splits.pool.labels[ids]]
    rows.append(pictures.Matched(name, splits.pool.images[ids], names, ids.tolist()))
  pictures.matches(encode(generated, pixel_range), rows, folder / "matches.png", config.name)
