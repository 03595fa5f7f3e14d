"""Whether lower precision does harm: GANs, learning curves and gradients in it, paired with those in float32.

MNIST two with a small GAN and LeNet-5 (a linear model has no convolution); reduced, so that 2 CPU cores take half an
hour. What a killed run had made is not made again.

  python -m experiments.speed.precision WORKDIR
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

import asal_jax
from asal_jax import job
from asal_jax.models.gan import GANState, make_critic_loss, make_networks
from asal_jax.models.judge import classifier_score
from asal_jax.networks import training
from asal_jax.reporting.summary import aubc, grouped, interval
from asal_jax.rng import stream
from asal_jax.running.prepare import Preparation
from asal_jax.store.stages import Stages
from asal_jax.types import GAN, Splits, decode, encode
from configs import mnist_two
from experiments.speed.records import FOLDER, append, newest, surroundings

GAN_SEEDS = range(3)
SEEDS = tuple(range(20))
BATCHES = 20
SAMPLES = 10_000
REFERENCE = "float32"
PATH = FOLDER / "precision.jsonl"


def lower_precisions() -> tuple[str, ...]:
  """Those in which this back end computes otherwise than in float32."""
  return ("bfloat16",) if jax.default_backend() == "cpu" else ("tensorfloat32", "bfloat16")


def settings(precision: str, gan_seed: int) -> ConfigDict:
  """The run with a GAN."""
  config = mnist_two.get_config("small")
  config.precision, config.seeds, config.gan.seed = precision, SEEDS, gan_seed
  config.strategies = ("random", "entropy", "asal_critic")
  config.classifier.network, config.loop.budget, config.index.name = "lenet5", 200, "exact"
  config.gan.iterations, config.gan.looks = 1_500, 0
  return config


def areas(precision: str, workdir: pathlib.Path) -> dict[str, np.ndarray]:
  """AUBC f64[s] by strategy, with the first GAN."""
  folder = workdir / precision
  result = asal_jax.run(settings(precision, GAN_SEEDS[0]), workdir=folder, cache=workdir / "cache")
  assert result is not None
  return {
    name: np.array([aubc(course) for course in seeds.values()])
    for name, seeds in grouped(result.records).items()
  }


def trained_gan(config: ConfigDict, splits: Splits, cache: pathlib.Path) -> tuple[GAN, GANState]:
  """The GAN of a run of this config, from the cache or trained."""
  stages = Stages(cache / "stages.jsonl")
  with jax.default_matmul_precision(config.precision):
    return Preparation(config, splits.pool.images, cache, frozenset({"gan"}), stages, lambda *_: None).gan


def gan_score(config: ConfigDict, splits: Splits, cache: pathlib.Path) -> float:
  """The classifier score of SAMPLES samples, one judge (in float32) for the GANs of every precision."""
  gan, state = trained_gan(config, splits, cache)
  z = jax.random.normal(
    stream(jax.random.key(config.gan.seed), "look"), (SAMPLES // 100, 100, gan.latent_dim)
  )
  with jax.default_matmul_precision(config.precision):
    images = jax.lax.map(lambda z: gan.generate(state.generator, z), z)
  with jax.default_matmul_precision(REFERENCE):
    judge = job.train_judge(settings(REFERENCE, 0), splits, cache)
    images = encode(images, tuple(config.data.pixel_range))
    return classifier_score(judge.probabilities(images.reshape(-1, *images.shape[2:])))


def gradient_errors(precision: str, splits: Splits, cache: pathlib.Path) -> list[float]:
  """|g - g32| / |g32| of the critic's loss, its penalty (a second derivative) included, on BATCHES batches."""
  config = settings(REFERENCE, GAN_SEEDS[0])
  gan, state = trained_gan(config, splits, cache)
  critic = make_networks(config.gan, splits.pool.images.image_shape, 1.0)[1]
  loss = make_critic_loss(config.gan, training(critic, "scores_and_features"))
  batch, pool = config.gan.batch_size, splits.pool.images

  def gradient(images, key):
    fake = gan.generate(state.generator, jax.random.normal(key, (batch, gan.latent_dim)))
    real = decode(images, tuple(config.data.pixel_range))
    return jax.grad(loss, has_aux=True)(state.critic["params"], state.critic, real, fake, key)[0]

  def all_batches(of: str) -> list[np.ndarray]:
    with jax.default_matmul_precision(of):
      compiled = jax.jit(lambda images, key: gradient(images, key))
      images = [jnp.asarray(pool.read(np.arange(batch) + i * batch)) for i in range(BATCHES)]
      found = [compiled(x, jax.random.key(i)) for i, x in enumerate(images)]
    return [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(g)]) for g in found]

  pairs = zip(all_batches(precision), all_batches(REFERENCE), strict=True)
  return [float(np.linalg.norm(g - truth) / np.linalg.norm(truth)) for g, truth in pairs]


def measure(precision: str, workdir: pathlib.Path) -> dict[str, dict]:
  """What is compared -> {pairs, float32, difference}: means with 95 % Student-t intervals."""
  cache = workdir / "cache"
  curves, truth = areas(precision, workdir), areas(REFERENCE, workdir)
  found = {f"AUBC of {name}": compared(curves[name], truth[name]) for name in curves}
  splits = job.load(settings(REFERENCE, 0), None, cache)
  scores = {
    of: np.array([gan_score(settings(of, seed), splits, cache) for seed in GAN_SEEDS])
    for of in (REFERENCE, precision)
  }
  found["classifier score"] = compared(scores[precision], scores[REFERENCE])
  errors = gradient_errors(precision, splits, cache)
  found["relative error of the critic's gradient"] = {"pairs": BATCHES, "difference": interval(errors)}
  return found


def compared(values: np.ndarray, reference: np.ndarray) -> dict:
  """Paired differences to float32's values."""
  return {
    "pairs": len(values),
    REFERENCE: interval(reference.tolist()),
    "difference": interval((values - reference).tolist()),
  }


def table(path: pathlib.Path) -> str:
  """The newest measurements as a Markdown table."""
  rows = ["| precision | what | pairs | float32 | difference |", "| --- | --- | ---: | ---: | ---: |"]
  for record in newest(path, "precision", "what"):
    cells = [ends(record[field]) if field in record else "-" for field in (REFERENCE, "difference")]
    rows.append(f"| {record['precision']} | {record['what']} | {record['pairs']} | {' | '.join(cells)} |")
  return "\n".join(rows)


def ends(value: dict) -> str:
  return f"{value['mean']:.4f} ({value['low']:.4f} to {value['high']:.4f})"


def main(workdir: str, path: pathlib.Path = PATH) -> None:
  about = surroundings()
  for precision in lower_precisions():
    for what, values in measure(precision, pathlib.Path(workdir)).items():
      append(path, {"precision": precision, "what": what, **json.loads(json.dumps(values)), **about})
  print(table(path))


if __name__ == "__main__":
  main(sys.argv[1])
