"""What a run leaves for people: summary.json, the figures, a table at the end."""

import pathlib
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Int32, UInt8
from ml_collections import ConfigDict

from asal_jax import devices, processes
from asal_jax.acquisition.strategy import Synthesis
from asal_jax.models.judge import Judge, classifier_score
from asal_jax.reporting import pictures, plots, summary
from asal_jax.rng import stream
from asal_jax.search.features import FeatureSet
from asal_jax.search.matching import match
from asal_jax.store.files import sealed, write_whole
from asal_jax.store.journal import read_lines
from asal_jax.store.progress import log
from asal_jax.types import GAN, Params, Splits, encode

SHOWN_MATCHES = 10
SHOWN_SAMPLES = 64
LOOK_SAMPLES = 1_000
COLLAPSED = 1.05
"""A classifier score below this is warned of: 1 means that the judge sees one thing in all samples."""


def draw_curves(records: list[dict], splits: Splits, title: str, folder: pathlib.Path) -> None:
  """accuracy.png from the metrics of a test set, and where sets have grown entropy.png and labels.png."""
  if any(record["test_accuracy"] is not None for record in records):
    plots.accuracy(records, folder / "accuracy.png", title)
  if any(record["new_entropy"] is not None for record in records):
    plots.entropy(records, folder / "entropy.png", title)
  if all(record["strategy"] == summary.CEILING for record in records):
    return  # no set has grown
  labels = splits.pool.labels[splits.pool.labels >= 0]
  counts = np.bincount(labels, minlength=len(splits.class_names))
  shares = counts / counts.sum() if len(labels) == len(splits.pool.labels) else None
  plots.labels(records, shares, splits.class_names, folder / "labels.png", title)


def draw_samples(
  keys, params: Params, start: Int32[np.ndarray, "s start"], synthesis: Synthesis,
  feature_sets: dict[str, FeatureSet], splits: Splits, config: ConfigDict, folder: pathlib.Path,
) -> None:  # fmt: skip
  """matches.png and samples.png for the first seed's classifier trained on the start set (figures 28 to 35).

  `params` are those classifiers, of all seeds.
  """
  pixel_range, generate = tuple(config.data.pixel_range), devices.jit(synthesis.generate)

  def images(latents, first_cycle: int, count: int):
    rounds = -(-count // config.loop.per_cycle)
    # A cycle's latents at a time, as in the run, because of batch statistics.
    z = (latents(keys, first_cycle + r, synthesis.params, params)[0] for r in range(rounds))
    # Each is waited for: with 32 programs under way XLA's CPU threads can all wait, and a collective has none left.
    return np.concatenate([np.asarray(generate(synthesis.params, batch)) for batch in z])[:count]

  uncertain = images(synthesis.ascended, 1, SHOWN_SAMPLES)
  random = images(synthesis.random, 1, SHOWN_SAMPLES)
  pictures.grids(
    {
      "random latents": encode(random, pixel_range),
      "uncertain (score ascended)": encode(uncertain, pixel_range),
    },
    folder / "samples.png", config.name,
  )  # fmt: skip
  pool, rows = splits.pool.images, []
  generated = uncertain[: min(SHOWN_MATCHES, len(pool) - start.shape[1])]
  if not len(generated):
    return  # All is labelled.
  for name, features in feature_sets.items():
    queries = np.asarray(devices.jit(features.project)(features.params, generated))
    ids = match(features.index, queries[None], start[:1])[0]
    names = [splits.class_names[k] if k >= 0 else "" for k in splits.pool.labels[ids]]
    rows.append(pictures.Matched(name, np.asarray(pool.read(ids)), names, ids.tolist()))
  pictures.matches(encode(generated, pixel_range), rows, folder / "matches.png", config.name)


def make_look(config: ConfigDict, judge: Callable[[], Judge] | None, workdir: pathlib.Path):
  """A look at a GAN in training: (gan, iteration, variables of the generator) -> None.

  It appends iteration and classifier score of LOOK_SAMPLES samples to `workdir/gan.jsonl`, draws the first of them in
  `workdir/gan/`, and warns where all are alike. The latents are the same each time; `judge()` is asked for at the
  first look; without a judge, where labels are not known, there are pictures alone.
  """
  pixel_range = tuple(config.data.pixel_range)

  def look(gan: GAN, iteration: int, variables: Params) -> None:
    z = jax.random.normal(stream(jax.random.key(config.gan.seed), "look"), (LOOK_SAMPLES, gan.latent_dim))
    images = encode(devices.jit(gan.generate)(variables, z), pixel_range)
    scored = None if judge is None else _score(images, judge())
    if not processes.is_writer():
      return
    name = f"iteration {iteration}"
    if scored is not None:
      name += f": classifier score {scored['classifier_score']:.2f}"
      _keep_score(workdir, {"iteration": iteration, **scored})
    folder = workdir / "gan"
    folder.mkdir(exist_ok=True)
    pictures.grids({name: images[:SHOWN_SAMPLES]}, folder / f"iteration_{iteration:06d}.png", config.name)

  return look


def _score(images: UInt8[np.ndarray, "n h w c"], judge: Judge) -> dict[str, float | None]:
  """The classifier score of a GAN's samples, and how good its judge is."""
  score = classifier_score(judge.probabilities(images))
  return {"classifier_score": score, "judge_test_accuracy": judge.test_accuracy}


def _keep_score(workdir: pathlib.Path, record: dict) -> None:
  """Adds a line to gan.jsonl, and warns where all samples are alike."""
  path, iteration = workdir / "gan.jsonl", record["iteration"]
  if record["classifier_score"] < COLLAPSED:
    log.warning(
      "gan: the samples at iteration %d are all alike to the judge (classifier score %.3f): this looks like mode "
      "collapse; see %s, lower gan.learning_rate or change gan.seed",
      iteration, record["classifier_score"], workdir / "gan",
    )  # fmt: skip
  earlier = [line for line in read_lines(path) if line["iteration"] < iteration]
  write_whole(path, "".join(sealed(line) + "\n" for line in [*earlier, record]))
