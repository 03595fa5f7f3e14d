"""The PyTorch rivals of a whole run: MNIST two by max entropy, seed after seed or all seeds at once.

Both are timed within a process and as one: `python -m experiments.speed.rival_loops at_once DATA.npz THREADS`
reads the data, runs and prints the mean accuracy. The .npz has pool_images u8 [n, 28, 28, 1], pool_labels i32 [n] in
{0, 1}, test_images and test_labels, the digits 5 and 7 only: less to read than our side has, which takes them out of
the whole MNIST.
"""

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.speed.rival_parts import DEVICE, Work, autocast, binary_entropy, compiled, decode, update

SEEDS, START, BATCH, BUDGET, EPOCHS = 5, 50, 10, 500, 10


class Digits(NamedTuple):
  """Pool and test set: flat float32 images [n, 784] in [0, 1], float32 labels [n] in {0, 1}."""

  pool: Tensor
  target: Tensor
  test: Tensor
  truth: Tensor


def read(path: str) -> Digits:
  with np.load(path) as file:
    pool, test = (decode(torch.from_numpy(file[f"{part}_images"])).flatten(1) for part in ("pool", "test"))
    target, truth = (torch.from_numpy(file[f"{part}_labels"]).float() for part in ("pool", "test"))
  return Digits(*(part.to(DEVICE) for part in (pool, target, test, truth)))


def start_set(target: Tensor) -> Tensor:
  """Random ids, as many of each class."""
  classes = [torch.where(target == c)[0] for c in (0, 1)]
  return torch.cat([ids[torch.randperm(len(ids), device=DEVICE)[: START // 2]] for ids in classes])


def train_one(data: Digits, labelled: Tensor) -> torch.nn.Linear:
  """A linear model, trained from scratch on the labelled samples."""
  model = torch.nn.Linear(784, 1, device=DEVICE)
  adam = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
  for _ in range(EPOCHS):
    for rows in labelled[torch.randperm(len(labelled), device=DEVICE)].split(BATCH):
      with autocast():
        logits = model(data.pool[rows])[:, 0].float()
        loss = functional.binary_cross_entropy_with_logits(logits, data.target[rows])
      update(adam, loss)
  return model


def run_one(data: Digits, budget: int) -> Tensor:
  """Test accuracies of one seed, a value a cycle."""
  labelled, accuracy = start_set(data.target), []
  while True:
    model = train_one(data, labelled)
    with torch.inference_mode(), autocast():
      accuracy.append(((model(data.test)[:, 0] > 0) == (data.truth > 0.5)).float().mean())
      if len(labelled) >= budget:
        return torch.stack(accuracy)
      entropy = binary_entropy(model(data.pool)[:, 0].float()).index_fill_(0, labelled, -1)
      new = entropy.topk(BATCH)[1]
    labelled = torch.cat([labelled, new])


def run_in_turn(data: Digits, budget: int = BUDGET) -> Tensor:
  """Test accuracies [cycles, seeds], one seed after the other: what most code does."""
  return torch.stack([run_one(data, budget) for _ in range(SEEDS)], 1)


def loss_at_once(bias: Tensor, weight: Tensor, images: Tensor, targets: Tensor) -> Tensor:
  """Mean loss of each seed's linear model on its images f32[s b 784], summed over the seeds."""
  logits = torch.baddbmm(bias, images, weight)[..., 0].float()
  losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
  return losses.mean(1).sum()


def run_at_once(data: Digits, budget: int = BUDGET) -> Tensor:
  """Test accuracies [cycles, seeds] of the linear models of all seeds, trained in one batch."""

  def logits_of(images):
    return images @ weight[..., 0].T + bias[:, 0, 0]

  loss_of = compiled(loss_at_once)
  labelled, accuracy = torch.stack([start_set(data.target) for _ in range(SEEDS)]), []
  while True:
    weight = torch.empty(SEEDS, 784, 1, device=DEVICE).uniform_(-1 / 28, 1 / 28).requires_grad_()
    bias = torch.empty(SEEDS, 1, 1, device=DEVICE).uniform_(-1 / 28, 1 / 28).requires_grad_()
    adam = torch.optim.Adam([weight, bias], 1e-3, fused=True)
    for _ in range(EPOCHS):
      order = labelled.gather(1, torch.rand(labelled.shape, device=DEVICE).argsort(1))
      for rows in order.split(BATCH, 1):
        with autocast():
          loss = loss_of(bias, weight, data.pool[rows], data.target[rows])
        update(adam, loss)
    with torch.inference_mode(), autocast():
      accuracy.append(((logits_of(data.test) > 0) == (data.truth > 0.5)[:, None]).float().mean(0))
      if labelled.shape[1] >= budget:
        return torch.stack(accuracy)
      entropy = binary_entropy(logits_of(data.pool).float()).T.contiguous().scatter_(1, labelled, -1)
      new = entropy.topk(BATCH, 1)[1]
    labelled = torch.cat([labelled, new], 1)


RUNS = {"in_turn": run_in_turn, "at_once": run_at_once}


def warm(run: str, budget: int = BUDGET) -> Work:
  """A run within this process; the images are in memory, and decoded already."""
  data = read(os.environ["BENCH_MNIST_TWO"])

  def work():
    RUNS[run](data, budget)

  return work


def process(run: str) -> Work:
  """A run as a process of its own, with as many threads as this one has at the call."""

  def work():
    arguments = [run, os.environ["BENCH_MNIST_TWO"], str(torch.get_num_threads())]
    command = [sys.executable, "-m", "experiments.speed.rival_loops", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

  return work


if __name__ == "__main__":
  torch.set_num_threads(int(sys.argv[3]))
  print(f"mean accuracy over cycles and seeds: {RUNS[sys.argv[1]](read(sys.argv[2])).mean():.4f}")
