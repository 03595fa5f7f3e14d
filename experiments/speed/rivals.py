"""The rivals of the benchmark: each row as a competent PyTorch user would write it on a CPU or a GPU.

Batch sizes and arithmetic are those of the rows of this project, uint8 images decoded in the timed work; in bfloat16
`torch.autocast` is around each forward pass and its loss, parameters and optimiser stay float32.
Written for `pip install torch==2.13.0 numpy faiss-cpu scikit-activeml`: searches are faiss, selections scikit-activeml
on a PyTorch net, the others PyTorch. Channels-last and the batching of seeds are used where they were faster, and fused
Adam. The harness tries one thread and as many as there are cores, and times the faster. Time on an idle machine:
OpenMP's threads wait for each other in a loop, and beside another job two threads are slower than one.
On a GPU it tries eager PyTorch, torch.compile, and torch.compile with CUDA graphs, and exact search is a product and
top-k; no time is taken before the device is done.

`RIVALS[name]()` prepares a row (nets, random data) and returns the function that does its timed work once, which is
`ROWS[name].units` iterations. The max entropy rows read the .npz named by BENCH_MNIST_TWO (see rival_loops.py).
"""

import functools
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from experiments.speed import rival_classifiers, rival_gans, rival_loops, rival_pools
from experiments.speed.records import tell
from experiments.speed.rival_gans import CELEBA_FULL, CELEBA_NETS, cifar_nets, mnist_nets, wgan_gp
from experiments.speed.rival_parts import DEVICE, FORMS, Form, Work, compiled, synchronise


def exact_search(millions: int) -> Work:
  """Ten nearest neighbours of 10 queries among `millions` million points of 50 dimensions."""
  rng = np.random.default_rng(0)
  base = rng.standard_normal((millions * 1_000_000, 50), dtype=np.float32)
  queries = rng.standard_normal((10, 50), dtype=np.float32)
  return search_by_faiss(base, queries) if DEVICE.type == "cpu" else search_by_torch(base, queries)


def search_by_torch(base: np.ndarray, queries: np.ndarray) -> Work:
  """By one product and top-k on the device; the queries come from the host and the ids go back, as with ours."""
  points = torch.from_numpy(base).to(DEVICE)
  norms, turned = points.square().sum(1), points.T

  @compiled
  def nearest(asked):
    return torch.addmm(norms, asked, turned, alpha=-2).topk(10, largest=False)[1]

  def work():
    nearest(torch.from_numpy(queries).to(DEVICE)).cpu()

  return work


def search_by_faiss(base: np.ndarray, queries: np.ndarray) -> Work:
  """On a CPU's cores."""
  import faiss

  def work():
    faiss.omp_set_num_threads(torch.get_num_threads())
    faiss.knn(queries, base, 10)

  return work


RIVALS: dict[str, Callable[[], Work]] = {
  **{
    row: functools.partial(wgan_gp, row, nets)
    for row, nets in {
      "wgan_gp_mnist_16": mnist_nets(16),
      "wgan_gp_mnist_32": mnist_nets(32),
      "wgan_gp_mnist_64": mnist_nets(64),
      "wgan_gp_cifar_32": cifar_nets(32),
      "wgan_gp_cifar_128": cifar_nets(128),
      "wgan_gp_celeba_quarter": CELEBA_NETS,
      "wgan_gp_celeba_full": CELEBA_FULL,
    }.items()
  },
  "autoencoder_mnist": rival_gans.autoencoder_mnist,
  "lenet_step": rival_classifiers.lenet_step,
  "celeba_step": rival_classifiers.celeba_step,
  "all_cnn_step": rival_classifiers.all_cnn_step,
  "score_pool_lenet": rival_classifiers.score_pool_lenet,
  "synthesis_mnist_16": rival_gans.synthesis_mnist_16,
  "max_entropy_mnist_two": functools.partial(rival_loops.warm, "at_once"),
  "max_entropy_in_turn": functools.partial(rival_loops.warm, "in_turn"),
  "process_in_turn": functools.partial(rival_loops.process, "in_turn"),
  "process_at_once": functools.partial(rival_loops.process, "at_once"),
  "exact_search_1m": functools.partial(exact_search, 1),
  "exact_search_4m": functools.partial(exact_search, 4),
  "exact_search_16m": functools.partial(exact_search, 16),
  "score_streamed_lenet": rival_pools.score_streamed_lenet,
  "walk_badge": functools.partial(rival_pools.scikit_activeml, "badge"),
  "walk_entropy": functools.partial(rival_pools.scikit_activeml, "entropy"),
  "graph_search_1m": rival_pools.ivf_search,
}
"""Name to a function that prepares the rival's side of a row and returns its timed work."""

# The process rows are tried by their loops: the threads of a process are those of this one.
TRIALS: dict[str, Callable[[], Work]] = {
  "max_entropy_in_turn": functools.partial(rival_loops.warm, "in_turn", 100),
  "process_in_turn": functools.partial(rival_loops.warm, "in_turn", 100),
  "process_at_once": functools.partial(rival_loops.warm, "at_once", 200),
}
"""Short stand-ins for the trial that chooses the number of threads; elsewhere it is the work itself."""


def finished(work: Work) -> Work:
  """The work, and waiting until the device has done it."""

  def call():
    work()
    synchronise()

  return call


def best_of_two(trial: Work) -> float:
  """The lesser of two calls' seconds, behind a first one."""
  trial()
  times = []
  for _ in range(2):
    started = time.perf_counter()
    trial()
    times.append(time.perf_counter() - started)
  return min(times)


def choose_threads(trial: Work) -> int:
  """Sets the number of threads with which a call is faster, one or all cores; returns it."""

  def seconds(threads: int) -> float:
    torch.set_num_threads(threads)
    return best_of_two(trial)

  best = min(sorted({1, os.cpu_count() or 1}), key=seconds)
  torch.set_num_threads(best)
  return best


def choose_form(make: Callable[[], Work]) -> tuple[Work, str]:
  """The fastest of FORMS, and its name; a form that PyTorch can not bring a row into is told and left out."""
  found: dict[str, tuple[float, Work]] = {}
  for name in FORMS:
    Form.name, Form.asked = name, False
    try:
      work = finished(make())
      found[name] = best_of_two(work), work
    except Exception as error:
      if name == "eager":
        raise
      tell(f"  rival, {name}: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
    if not Form.asked:
      break  # A row without a net has one form.
  best = min(found, key=lambda name: found[name][0])
  tell("  rival: " + ", ".join(f"{name} {seconds:.3g} s" for name, (seconds, _) in found.items()))
  return found[best][1], best
