"""The steps in the order of what they tell; minutes are estimates for one H100, none was measured."""

from typing import NamedTuple

from experiments.accelerator.all_cnn import SEEDS, TINY_SEEDS
from experiments.accelerator.parts import Job, Part, Peaks, Rows, Script, Sprites
from experiments.accelerator.search import NAMES
from experiments.speed.rows import ROWS, chosen


class Step(NamedTuple):
  """`what` is a line for people."""

  name: str
  what: str
  parts: tuple[Part, ...]

  @property
  def minutes(self) -> float:
    return sum(part.minutes for part in self.parts)


FAST = {"precision": "tensorfloat32"}
"""Of nets that are too large for float32 in minutes; the step `precision` says what that does."""
OFTEN = {"index.name": "exact", "gan.checkpoint_every": 1_000}
"""Exact search is enough on a device, and a thousand iterations are seconds."""


def rows(precision: str, search: bool = False) -> tuple[Part, ...]:
  """The rows of the speed table in a precision, those that are timed together in one part."""
  groups: dict[str, list[str]] = {}
  for row in chosen("gpu", precision):
    if row.startswith("exact_search") == search:
      groups.setdefault(ROWS[row].group or row, []).append(row)
  return tuple(Rows(tuple(group), precision) for group in groups.values())


def seeds(name: str, benchmark: str, argument: str, changes: dict, minutes: float) -> list[Part]:
  """A run a seed: a fit of All-CNN-C is then short enough, and seeds side by side would be grouped convolutions."""
  of = lambda seed: changes | {"seeds": (seed,)}  # noqa: E731
  return [
    Job(f"{name}/seed{seed}", benchmark, argument, of(seed), minutes, needs=("cifar10",)) for seed in SEEDS
  ]


LOOP = FAST | OFTEN | {"strategies": ("random", "entropy", "asal_critic")}
"""Of CIFAR ten three strategies: all twelve would take a day."""
CRITIC = LOOP | {"strategies": ("asal_critic",)}
SPRITES = FAST | OFTEN | {"name": "Sprites in place of CelebA, wearing hat"}
WORK = ("{cache}/precision", "{file}")

STEPS = (
  Step("speed", "the speed table beside PyTorch, TF32; the card's peaks", (Peaks(), *rows("tensorfloat32"))),
  Step("precision", "does lower precision do harm: GANs, learning curves, gradients", (
    Script("precision", "experiments.accelerator.precision", "precision/precision.jsonl", "precision",
           ("tensorfloat32", "bfloat16"), WORK, 12.0, needs=("mnist",)),
  )),
  Step("search", "exact search of 16M x 50, against brute force by torch and by NumPy", (
    *rows("float32", search=True),
    Script("search", "experiments.accelerator.search", "search/results.jsonl", "index", NAMES, ("{file}",), 4.0, True),
  )),
  Step("mnist_two", "MNIST two at paper scale: GAN of 40,000 iterations, 20 seeds, all strategies", (
    Job("mnist_two", "mnist_two", "", OFTEN | {"seeds": tuple(range(20))}, 12.0, needs=("mnist",)),
  )),
  Step("speed_bfloat16", "the speed table, bfloat16", rows("bfloat16")),
  Step("speed_float32", "the speed table, float32", rows("float32")),
  Step("mnist_ten", "MNIST ten at paper scale: GAN of 100,000 iterations, 5 seeds, 10,000 labels", (
    Job("mnist_ten", "mnist_ten", "", OFTEN, 45.0, needs=("mnist",)),
  )),
  Step("all_cnn", "All-CNN-C on all labels of CIFAR-10, to the paper's 11.8 % error, 3 seeds", (
    Script("all_cnn", "experiments.accelerator.all_cnn", "all_cnn/results.jsonl", "seed", SEEDS,
           ("{cache}/made", "{file}"), 15.0, needs=("cifar10",)),
  )),
  Step("cifar_two", "CIFAR two at paper scale: GAN of 200,000 iterations, 5 seeds", (
    Job("cifar_two", "cifar_two", "", FAST | OFTEN, 60.0, needs=("cifar10",)),
  )),
  Step("cifar_ten", "CIFAR ten with the residual GANs, 30,000 labels, 3 seeds, 3 strategies", (
    *seeds("cifar_ten/residual_ct", "cifar_ten", "gan=residual_ct", LOOP, 110.0),
    *seeds("cifar_ten/residual_gp", "cifar_ten", "gan=residual_gp", CRITIC, 50.0),
  )),
  Step("sprites", "the hat benchmark on sprites with CelebA's full nets, 3 seeds", (
    Sprites((20_000, 1_000, 4_000)),
    Job("sprites/hat", "celeba_hat", "", SPRITES, 120.0, needs=("sprites",)),
  )),
)  # fmt: skip

TINY = (
  STEPS[0]._replace(parts=(Peaks(), Rows(("lenet_step",), "float32"))),
  STEPS[1]._replace(parts=(STEPS[1].parts[0]._replace(values=("bfloat16",)),)),
  STEPS[2]._replace(parts=STEPS[2].parts[-1:]),
  STEPS[3],
  STEPS[6],
  STEPS[7]._replace(parts=(STEPS[7].parts[0]._replace(values=TINY_SEEDS),)),
  STEPS[8],
  STEPS[9]._replace(parts=STEPS[9].parts[:1]),
  STEPS[10],
)
"""A rehearsal on a CPU: every kind of part."""
