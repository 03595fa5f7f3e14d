"""Claims whose numbers are measured elsewhere: experiments/selection_time (figures 7, 8) and the networks (tables)."""

import importlib
import math
from collections.abc import Sequence

from configs.variants import TITLES
from experiments.paper.results import Result
from experiments.paper.rules import Found
from experiments.paper.runs import ROOT

SELECTION_TIME = ROOT / "experiments" / "selection_time"
LARGEST = 16_000_000

LAYERS = {
  "classifier": ([(9 * 3, 16), (9 * 16, 32), (9 * 32, 64), (4096, 1024), (1024, 1)], []),
  "generator": ([(128, 4096), (25 * 256, 256), (25 * 256, 128), (25 * 128, 64), (25 * 64, 3)], [256, 256, 128, 64]),
  "critic": ([(25 * 3, 128), (25 * 128, 256), (25 * 256, 512), (25 * 512, 512), (8192, 1)], []),
  "encoder": ([(25 * 3, 128), (25 * 128, 64), (25 * 64, 32), (25 * 32, 16)], [128, 64, 32]),
  "decoder": ([(25 * 16, 32), (25 * 32, 64), (25 * 64, 128), (25 * 128, 3)], [32, 64, 128]),
}  # fmt: skip
"""Tables 1 and 2: (inputs of a unit, units) of each layer, and the features that are normalised."""

ITERATIONS = {
  "mnist_two": {"dcgan": 40_000, "wgan_gp": 40_000},
  "mnist_ten": {"dcgan": 100_000, "wgan_gp": 100_000},
  "cifar_two": {"dcgan": 100_000, "wgan_gp": 200_000, "residual_gp": 100_000, "residual_ct": 100_000},
  "cifar_ten": {"dcgan": 200_000, "wgan_gp": 200_000, "residual_gp": 100_000, "residual_ct": 100_000},
}
"""Table 3."""


def paper_count(name: str) -> int:
  """Parameters of a network by the paper's list of its layers: weights, biases, two a normalised feature."""
  layers, normalised = LAYERS[name]
  return sum((inputs + 1) * units for inputs, units in layers) + 2 * sum(normalised)


def paper_counts(*names: str) -> str:
  """These in words."""
  return ", ".join(f"{name} {paper_count(name):,}" for name in names)


def _count(tree) -> int:
  import jax

  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree["params"]))


def _compare(counts: dict[str, int], wanted: dict[str, int]) -> Found:
  return Found(", ".join(f"{name} {n:,}" for name, n in counts.items()), counts == wanted)


def celeba_networks(_: Sequence[Result]) -> Found:
  """Table 1: parameters of the networks that `configs/celeba.py` makes; nothing is computed."""
  import jax

  from asal_jax.models.classifier import make_classifier
  from asal_jax.models.gan import make_gan
  from configs import celeba

  config, key, shape = celeba.get_config(), jax.eval_shape(lambda: jax.random.key(0)), (64, 64, 3)
  pixel_range = tuple(config.data.pixel_range)
  gan = jax.eval_shape(make_gan(config.gan, shape, pixel_range).init, key)
  counts = {
    "classifier": _count(jax.eval_shape(make_classifier(config.classifier, shape, 2, pixel_range).init, key)),
    "generator": _count(gan.generator),
    "critic": _count(gan.critic),
  }
  return _compare(counts, {name: paper_count(name) for name in counts})


def celeba_autoencoder(_: Sequence[Result]) -> Found:
  """Table 2: parameters of the auto-encoder; its encoder's are counted by their names."""
  import jax

  from asal_jax.models.autoencoder import make_autoencoder
  from configs import celeba

  config = celeba.get_config()
  make = make_autoencoder(config.autoencoder, (64, 64, 3), tuple(config.data.pixel_range)).init
  params = jax.eval_shape(make, jax.eval_shape(lambda: jax.random.key(0))).variables["params"]
  counts = dict.fromkeys(("encoder", "decoder"), 0)
  for name, layer in params.items():
    counts["encoder" if name.startswith("encoder") else "decoder"] += _count({"params": layer})
  return _compare(counts, {name: paper_count(name) for name in counts})


def iterations(_: Sequence[Result]) -> Found:
  """Table 3 against the configs."""
  wrong = []
  for benchmark, gans in ITERATIONS.items():
    for gan, wanted in gans.items():
      config = importlib.import_module(f"configs.{benchmark}").get_config(f"gan={gan}")
      if config.gan.iterations != wanted:
        wrong.append(f"{benchmark} {TITLES[gan]}: {config.gan.iterations:,}")
  return Found("; ".join(wrong) or "the same", not wrong)


def times() -> list[dict]:
  """The newest timings of selections and preparation."""
  from experiments.speed.records import newest

  return newest(SELECTION_TIME / "results.jsonl", "kind", "what", "n")


def selection(_: Sequence[Result]) -> Found | None:
  """Figure 7: seconds to select 10 of the largest pool, by the paper's own kind of search where it was timed."""
  found = {r["what"]: r["seconds"] for r in times() if r["kind"] == "selection" and r["n"] == LARGEST}
  asal = {what: seconds for what, seconds in found.items() if what.startswith("ASAL")}
  slow = [seconds for what, seconds in found.items() if what.startswith("max entropy")]
  if not asal or not slow:
    return None
  told = ", ".join(f"{what} {seconds:.3g} s" for what, seconds in asal.items())
  return Found(f"{told}; max entropy {min(slow):.3g} s", 10 * max(asal.values()) <= min(slow))


def transition(_: Sequence[Result]) -> Found | None:
  """Figure 8: cycles at the largest pool; the claim holds up to the paper's 30."""
  from experiments.selection_time.figures import LENET, transitions

  found = {
    what: by_size[LARGEST] for what, by_size in transitions(times(), LENET).items() if LARGEST in by_size
  }
  if not found:
    return None
  told = ", ".join(f"{what} {cycles:.3g}" for what, cycles in found.items())
  return Found(f"{told} cycles", max(found.values()) <= 30)
