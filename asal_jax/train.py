"""Training of what is made once (GAN, auto-encoder): chunks of iterations on device, resumable at any point."""

import functools
import pathlib
from typing import Any

import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Key, UInt8

from asal_jax.checkpoint import Checkpoints, committed
from asal_jax.errors import InputError
from asal_jax.progress import Progress
from asal_jax.rng import stream

CHUNK = 25
"""Iterations between two looks of the host."""


def make_chunk(step):
  """Jitted `(state, key, start, stop, images) -> (state, metrics of the last iteration)`; the state is donated.

  The bounds are traced: one executable, and the same bits wherever a run was cut.
  """

  @functools.partial(jax.jit, donate_argnums=0)
  def chunk(state, key: Key[Array, ""], start, stop, images: UInt8[Array, "n h w c"]):
    def iterate(i, carry):
      return step(carry[0], stream(key, "iteration", i), images)

    metrics = jax.eval_shape(lambda: step(state, key, images)[1])
    zeros = jax.tree.map(lambda m: jax.numpy.zeros(m.shape, m.dtype), metrics)
    return lax.fori_loop(start, stop, iterate, (state, zeros))

  return chunk


def train(
  name: str,
  init,
  step,
  images: UInt8[Array, "n h w c"],
  *,
  iterations: int,
  seed: int,
  folder: pathlib.Path,
  checkpoint_every: int,
) -> Any:
  """Runs `iterations` of `step` from `init(key)`, from the newest checkpoint in `folder` where there is one.

  Returns the final state. Raises InputError where a loss stops being finite, with the last good checkpoint.
  """
  key, chunk = jax.random.key(seed), make_chunk(step)
  with (
    Checkpoints(folder) as checkpoints,
    Progress(name, iterations, initial=checkpoints.latest()) as progress,
  ):
    done, start = checkpoints.latest(), stream(key, "init")
    state = checkpoints.restore(jax.eval_shape(init, start)) if done else committed(jax.jit(init)(start))
    while done < iterations:
      stop = min(iterations, done + CHUNK, (done // checkpoint_every + 1) * checkpoint_every)
      state, metrics = chunk(state, key, np.int32(done), np.int32(stop), images)
      values = {k: float(v) for k, v in metrics.items()}
      if not np.all(np.isfinite(list(values.values()))):
        raise InputError(
          f"{name}: the loss is not finite at iteration {stop} ({values}); the last good checkpoint is "
          f"{checkpoints.latest()} in {folder}: lower the learning rate or change the seed"
        )
      progress.update(stop - done, **values)
      done = stop
      if done % checkpoint_every == 0 or done == iterations:
        checkpoints.save(done, state)
    return state
