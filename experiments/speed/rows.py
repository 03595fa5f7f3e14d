"""The rows of the benchmark, once for the harness and both sides: what is timed, how often in a call, and the aim."""

from typing import NamedTuple


class Row(NamedTuple):
  """`units` iterations make one timed call; `aim` is the largest ratio of ours to the rival's that is aimed at."""

  what: str
  units: int
  aim: float


# The aim of max entropy was set against a rival that trains one seed after the other; ours here trains all at once.
ROWS = {
  "wgan_gp_mnist_16": Row("WGAN-GP iteration, MNIST nets, width 16", 10, 0.75),
  "wgan_gp_mnist_32": Row("WGAN-GP iteration, MNIST nets, width 32", 5, 0.85),
  "wgan_gp_mnist_64": Row("WGAN-GP iteration, MNIST nets, width 64", 2, 0.75),
  "autoencoder_mnist": Row("auto-encoder step, MNIST, batch 100", 20, 1.0),
  "lenet_step": Row("LeNet-5 training step, batch 50", 50, 1.0),
  "score_pool_lenet": Row("entropy of 50,000 images, LeNet-5", 1, 1.0),
  "synthesis_mnist_16": Row("ascent, 5 seeds x 10 latents x 100 steps, width 16", 1, 0.6),
  "max_entropy_mnist_two": Row("MNIST two, max entropy, 5 seeds x 46 cycles, warm", 1, 0.04),
  "exact_search_1m": Row("exact search, 10 queries, k = 10, 1M x 50", 1, 0.6),
  "exact_search_4m": Row("exact search, 10 queries, k = 10, 4M x 50", 1, 0.6),
}
