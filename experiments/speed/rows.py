"""The rows of the benchmark, once for the harness and both sides: what is timed, how often in a call, and the aim."""

import os
from typing import NamedTuple

PRECISIONS = ("float32", "bfloat16", "tensorfloat32")
"""The last on accelerators alone."""

ANYWHERE, CPU, ACCELERATOR = "anywhere", "cpu", "accelerator"


def precision() -> str:
  """What this process, a side of a row, multiplies in: BENCH_PRECISION, which the harness sets."""
  return os.environ.get("BENCH_PRECISION", PRECISIONS[0])


class Row(NamedTuple):
  """`units` iterations make one timed call; `aim` is the largest ratio of ours to the rival's that is aimed at.

  Training makes calls of 25 iterations, a fit one of all its steps: in shorter ones the first touch of a call's
  memory counts too much (a fifth of ten CelebA classifier steps), so `units` are as many as seconds allow.
  `ours` and `rival` name the makers, by default by the row's own name. Rows of one `group` are timed together, so
  that a side which stands in several of them runs once a round. `cold`: every call of ours compiles anew. `on`: the
  devices that it is timed on, where no name of a row is given.
  """

  what: str
  units: int = 1
  aim: float | None = None
  rounds: int = 7
  ours: str = ""
  rival: str = ""
  group: str = ""
  cold: bool = False
  precisions: tuple[str, ...] = PRECISIONS
  on: str = ANYWHERE


RUN = "MNIST two, max entropy, 5 seeds x 46 cycles"
PROCESS = {"rounds": 5, "group": "max_entropy_process", "on": CPU}
WALK = "10 of 60,000 images, LeNet-5: a walk of 200 calls"
SEARCH = {"precisions": PRECISIONS[:1]}
"""Distances are float32 in any precision."""

ROWS = {
  "wgan_gp_mnist_16": Row("WGAN-GP iteration, MNIST nets, width 16", 25, 0.6),
  "wgan_gp_mnist_32": Row("WGAN-GP iteration, MNIST nets, width 32", 15, 0.7),
  "wgan_gp_mnist_64": Row("WGAN-GP iteration, MNIST nets, width 64", 5, 0.7),
  "wgan_gp_cifar_32": Row("WGAN-GP iteration, CIFAR nets, width 32", 10, 0.8),
  "wgan_gp_cifar_128": Row("WGAN-GP iteration, CIFAR nets, width 128", 10, on=ACCELERATOR),
  "wgan_gp_celeba_quarter": Row("WGAN-GP iteration, CelebA nets, quarter width", 4, 0.9, 5),
  "wgan_gp_celeba_full": Row("WGAN-GP iteration, CelebA nets", 4, rounds=5, on=ACCELERATOR),
  "autoencoder_mnist": Row("auto-encoder step, MNIST, batch 100", 20, 0.7),
  "lenet_step": Row("LeNet-5 training step, batch 50", 50, 0.7),
  "celeba_step": Row("CelebA classifier training step, batch 50", 40, 0.9),
  "all_cnn_step": Row("All-CNN-C training step, batch 128", 40, on=ACCELERATOR),
  "score_pool_lenet": Row("entropy of 50,000 images, LeNet-5", 1, 0.6),
  "score_streamed_lenet": Row("10 highest entropies of 200,000 images on disk, LeNet-5", rounds=5),
  "synthesis_mnist_16": Row("ascent, 5 seeds x 10 latents x 100 steps, width 16", 1, 0.5),
  "walk_badge": Row(f"{WALK}; rival: scikit-activeml's BADGE", rounds=5, ours="walk", group="walk"),
  "walk_entropy": Row(f"{WALK}; rival: scikit-activeml's entropy", rounds=5, ours="walk", group="walk"),
  "max_entropy_mnist_two": Row(f"{RUN}, warm; rival: all seeds at once", aim=0.1),
  "max_entropy_in_turn": Row(
    f"{RUN}, warm; rival: seed after seed", aim=0.03, rounds=5, ours="max_entropy_mnist_two"
  ),
  "max_entropy_cold": Row(
    f"{RUN}, first start; rival: seed after seed", aim=0.2, rival="process_in_turn", cold=True, **PROCESS
  ),
  "max_entropy_second": Row(
    f"{RUN}, second start; rival: seed after seed", aim=0.12, rival="process_in_turn", **PROCESS
  ),
  "max_entropy_cold_at_once": Row(
    f"{RUN}, first start; rival: all at once",
    ours="max_entropy_cold", rival="process_at_once", cold=True, **PROCESS,
  ),
  "max_entropy_second_at_once": Row(
    f"{RUN}, second start; rival: all at once", ours="max_entropy_second", rival="process_at_once", **PROCESS
  ),
  "exact_search_1m": Row("exact search, 10 queries, k = 10, 1M x 50", 1, 0.7, **SEARCH),
  "exact_search_4m": Row("exact search, 10 queries, k = 10, 4M x 50", 1, 0.5, **SEARCH),
  "exact_search_16m": Row("exact search, 10 queries, k = 10, 16M x 50", on=ACCELERATOR, **SEARCH),
  "graph_search_1m": Row(
    "search of recall 0.95, 10 queries, k = 10, 1M x 50: pynndescent; rival: faiss IVF", 100, on=CPU, **SEARCH
  ),
}  # fmt: skip
"""Rows that need MNIST are those called max_entropy_..."""


def chosen(platform: str, precision: str) -> list[str]:
  """The rows that are timed on a platform, as jax names it, in a precision."""
  kind = CPU if platform == CPU else ACCELERATOR
  return [name for name, row in ROWS.items() if row.on in (ANYWHERE, kind) and precision in row.precisions]
