"""Which images to label first: a random order, or k-centre in the principal components of the pixels.

  python -m experiments.your_images.start_sets [--cache=runs/cache] [--sprites=FOLDER] [--sets digits mnist]

Labels asked for until each class was seen, and the test accuracy of a logistic regression after 20, 50 and 100. Needs
MNIST and CIFAR-10 in TFDS_DATA_DIR, and for sprites a folder that experiments.sprites.make wrote. A data set and order
is a line of start_sets.jsonl; the same command goes on where it was stopped, and prints the table.
"""

import argparse
import pathlib

import numpy as np
from jaxtyping import Float, Int

from asal_jax.acquisition.batch import k_centre
from asal_jax.pools import data as data_sets
from asal_jax.pools.attributes import attribute_splits
from asal_jax.reporting import pairs
from asal_jax.reporting.summary import interval
from asal_jax.types import Data, Splits
from experiments.speed.records import append, lines, surroundings

RESULTS = pathlib.Path(__file__).with_suffix(".jsonl")
SEEDS = tuple(range(20))
COUNTS, MOST = (20, 50, 100), 200
"""Labels at which the model is tested, and those asked for at most."""

POOL, TEST, COMPONENTS = 5_000, 2_000, 50
"""The first images of pool and test set, and the components of their pixels in which distances are taken."""

ORDERS = {"random": 0, "k-centre": POOL, "k-centre of 1000": 1_000, "k-centre of 300": 300}
"""Random samples among which k-centre chooses; 0: it does not."""

ATTRIBUTES = ("Wearing_Hat", "Blond_Hair", "Gray_Hair")
SETS = ("digits", "mnist", "cifar10", *(f"sprites {name}" for name in ATTRIBUTES))


def order(name: str, features: Float[np.ndarray, "n d"], seed: int) -> Int[np.ndarray, " m"]:
  """The first MOST ids in an order; all orders of a seed begin with the same image."""
  shuffled = np.random.default_rng(seed).permutation(len(features))
  if not ORDERS[name]:
    return shuffled[:MOST]
  among = shuffled[: ORDERS[name]]
  rest = k_centre(features[among], features[among[:1]], np.array([0]), MOST - 1)
  return among[[0, *rest]]


def components(pool: Data, test: Data) -> tuple[np.ndarray, np.ndarray]:
  """Principal components of the pixels of both, fitted on the pool, by one scale."""
  from sklearn.decomposition import PCA

  flat = [
    np.asarray(data.images).reshape(len(data.labels), -1).astype(np.float32) / 255 for data in (pool, test)
  ]
  pca = PCA(COMPONENTS, random_state=0).fit(flat[0])
  found = [pca.transform(x) for x in flat]
  return found[0] / found[0].std(), found[1] / found[0].std()


def until_all(labels: Int[np.ndarray, " m"], classes: int) -> int | None:
  """How many labels it takes until each class was seen; None where it takes more."""
  firsts = np.unique(labels, return_index=True)[1]
  return int(firsts.max()) + 1 if len(firsts) == classes else None


def accuracy(x: np.ndarray, y: np.ndarray, seen: np.ndarray, truth: np.ndarray) -> float:
  """Of a logistic regression on features of unit scale, or of the only class."""
  from sklearn.linear_model import LogisticRegression

  if len(set(y.tolist())) == 1:
    return float(np.mean(truth == y[0]))
  return float(LogisticRegression(C=0.1, max_iter=1_000).fit(x, y).score(seen, truth))


def measure(name: str, pool: Data, features: np.ndarray, seen: np.ndarray, truth: np.ndarray) -> dict:
  """Of an order, a value a seed."""
  classes, labels = int(pool.labels.max()) + 1, pool.labels
  ids = [order(name, features, seed) for seed in SEEDS]
  return {
    "order": name,
    "until_all_classes": [until_all(labels[rows], classes) for rows in ids],
    "accuracy": {
      str(m): [round(accuracy(features[rows[:m]], labels[rows[:m]], seen, truth), 4) for rows in ids] for m in COUNTS
    },
  }  # fmt: skip


def load(name: str, cache: pathlib.Path, sprites: pathlib.Path) -> Splits:
  """A data set of SETS."""
  kind, _, attribute = name.partition(" ")
  return attribute_splits(sprites, attribute) if attribute else data_sets.load(kind, cache=cache)


def table(records: list[dict]) -> str:
  """A row a data set and order."""
  rows = [
    ["images", "order", "labels until each class was seen: median", "90 %", *(f"% at {m}" for m in COUNTS)]
  ]
  rows.append(["---", "---", *["---:"] * (2 + len(COUNTS))])
  for r in records:
    until = [MOST + 1 if n is None else n for n in r["until_all_classes"]]
    quantiles = [np.quantile(until, q, method="higher") for q in (0.5, 0.9)]
    cells = [f"more than {MOST}" if q > MOST else f"{q:.0f}" for q in quantiles]
    ends = [interval(r["accuracy"][str(m)]) for m in COUNTS]
    accuracies = [f"{100 * v['mean']:.1f} ±{100 * (v['high'] - v['mean']):.1f}" for v in ends]
    rows.append([r["images"], r["order"], *cells, *accuracies])
  return pairs.markdown(rows)


def main(cache: pathlib.Path, sprites: pathlib.Path, sets: list[str]) -> None:
  cache.mkdir(parents=True, exist_ok=True)
  about = surroundings("scikit-learn")
  del about["arguments"]  # Folders of this machine.
  for name in sets:
    missing = [of for of in ORDERS if (name, of) not in {(r["images"], r["order"]) for r in lines(RESULTS)}]
    if not missing:
      continue
    splits = load(name, cache, sprites)
    pool, test = (Data(d.images[:n], d.labels[:n]) for d, n in ((splits.pool, POOL), (splits.test, TEST)))
    head = {"images": name, "pool": len(pool.labels), "test": len(test.labels), "seeds": SEEDS,
            "classes": np.bincount(pool.labels).tolist()}  # fmt: skip
    features, seen = components(pool, test)
    for of in missing:
      append(RESULTS, head | measure(of, pool, features, seen, test.labels) | about)
  print(table(lines(RESULTS)))


if __name__ == "__main__":
  parser = argparse.ArgumentParser("experiments.your_images.start_sets", description=__doc__)
  parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("runs/cache"))
  parser.add_argument("--sprites", type=pathlib.Path, default=pathlib.Path("runs/sprites"))
  parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
  asked = parser.parse_args()
  main(asked.cache, asked.sprites, asked.sets)
