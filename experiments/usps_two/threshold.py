"""USPS two with the best threshold: what the fully supervised model loses to its bias alone, by pixel range.

  python -m experiments.usps_two.threshold --usps=usps.npz [--cache=runs/cache]

The model is the benchmark's own, trained on all fives and sevens of MNIST; needs MNIST in TFDS_DATA_DIR. The best
threshold is chosen on the test labels: it tells where the errors come from, and is no result that one could reach.
"""

import argparse
import json
import pathlib

import jax
import numpy as np
from jaxtyping import Float, Int

from asal_jax import job
from asal_jax.models.classifier import make_classifier, make_fit
from asal_jax.reporting import pairs
from asal_jax.reporting.summary import interval
from asal_jax.rng import seed_keys
from asal_jax.types import Splits, decode
from configs import usps_two
from experiments.speed.records import surroundings

RESULTS = pathlib.Path(__file__).with_suffix(".json")
RANGES = ((0.0, 1.0), (-1.0, 1.0))


def best_threshold(logits: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> tuple[float, float]:
  """The threshold that calls most images rightly, those above it 1, and the share that it does."""
  order = np.argsort(logits)
  ones = labels[order]
  # With the first i called 0: the zeros among them and the ones behind are right.
  right = np.concatenate([[0], np.cumsum(ones == 0)]) + ones.sum() - np.concatenate([[0], np.cumsum(ones)])
  edges = np.concatenate([[-np.inf], logits[order], [np.inf]])
  # Between equal logits there is no threshold.
  right = np.where(edges[1:] > edges[:-1], right, -1)
  i = int(right.argmax())
  return float(np.clip((edges[i] + edges[i + 1]) / 2, logits.min() - 1, logits.max() + 1)), float(
    right[i] / len(labels)
  )


def measure(pixel_range: tuple[float, float], splits: Splits) -> dict:
  """Accuracy with the model's own threshold, 0, and with the best, a value a seed; the mean logit of each class."""
  config, keys = usps_two.get_config(), seed_keys(usps_two.get_config().seeds)
  data_range, pool, test = tuple(config.data.pixel_range), splits.pool, splits.test
  config.classifier.pixel_range = pixel_range
  classifier = make_classifier(
    config.classifier, pool.images.image_shape, len(splits.class_names), data_range
  )
  labels = np.tile(pool.labels, (len(keys), 1))
  params = make_fit(classifier, config.classifier, data_range, shared=True)(
    keys, 0, pool.images.resident, labels, np.int32(len(pool.labels))
  )
  of_one = lambda params: classifier.logits(params, decode(test.images, data_range))[:, 0]  # noqa: E731
  logits = np.asarray(jax.jit(jax.vmap(of_one))(params))
  found = [best_threshold(row, test.labels) for row in logits]
  means = lambda label: logits[:, test.labels == label].mean(axis=1).tolist()  # noqa: E731
  return {
    "pixel_range": pixel_range,
    "own": [float(np.mean((row > 0) == test.labels)) for row in logits],
    "best": [share for _, share in found],
    "threshold": [threshold for threshold, _ in found],
    "mean_logits": {name: means(k) for k, name in enumerate(splits.class_names)},
  }  # fmt: skip


def table(records: list[dict]) -> str:
  """A row a pixel range."""
  rows = [["pixels", "own threshold %", "best threshold %", "at a logit of"], ["---", "---:", "---:", "---:"]]
  for r in records:
    ends = [
      (interval([scale * v for v in r[k]])) for k, scale in (("own", 100), ("best", 100), ("threshold", 1))
    ]
    rows.append(
      [str(list(r["pixel_range"])), *(f"{e['mean']:.2f} ±{e['high'] - e['mean']:.2f}" for e in ends)]
    )
  return pairs.markdown(rows)


def main(usps: str, cache: pathlib.Path) -> None:
  config = usps_two.get_config()
  config.data.usps_file = usps
  cache.mkdir(parents=True, exist_ok=True)
  splits, about = job.load(config, None, cache), surroundings()
  del about["arguments"]  # Folders of this machine.
  records = [measure(pixel_range, splits) for pixel_range in RANGES]
  head = {"seeds": tuple(config.seeds), "light": {
    "mnist": float(np.asarray(splits.pool.images.resident).mean() / 255), "usps": float(splits.test.images.mean() / 255)
  }}  # fmt: skip
  RESULTS.write_text(json.dumps({**head, "ranges": records, **about}) + "\n")
  print(table(records))


if __name__ == "__main__":
  parser = argparse.ArgumentParser("experiments.usps_two.threshold", description=__doc__)
  parser.add_argument(
    "--usps", default="", help="as config.data.usps_file; without, scikit-learn fetches USPS"
  )
  parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("runs/cache"))
  asked = parser.parse_args()
  main(asked.usps, asked.cache)
