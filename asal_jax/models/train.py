"""Training of what is made once (GAN, auto-encoder): chunks of iterations on device, resumable at any point."""

import pathlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Key, UInt8

from asal_jax import devices, interrupts, processes
from asal_jax.errors import InputError
from asal_jax.pools.blocks import ahead
from asal_jax.rng import stream
from asal_jax.store.checkpoint import Checkpoints, committed
from asal_jax.store.progress import Progress, log
from asal_jax.store.space import check_disk
from asal_jax.types import GAN, AutoEncoder, Params, Pool

CHUNK = 25
"""Iterations between two looks of the host, at most."""

CHUNK_SECONDS = 3.0
"""What they may take: after SIGTERM up to three chunks are waited for, and schedulers give half a minute."""

WARM = 2
"""Iterations that are chunks of their own at first."""


def descend(
  optimizer: optax.GradientTransformation, gradient, variables: Params, state: Any
) -> tuple[Params, Any]:
  """One step of the optimiser: the variables with updated `params`, and its new state."""
  update, state = optimizer.update(gradient, state)
  return {**variables, "params": optax.apply_updates(variables["params"], update)}, state


def make_draw(batch_ids, pool_size: int):
  """Jitted (key, start) -> ids of CHUNK iterations' batches from iteration `start` on, i32[CHUNK ...]."""

  @jax.jit
  def draw(key: Key[Array, ""], start):
    return jax.vmap(lambda i: batch_ids(stream(key, "iteration", i), pool_size))(start + jnp.arange(CHUNK))

  return draw


def make_chunk(step):
  """Jitted `(state, key, start, stop, images) -> (state, metrics of the last iteration)`; the state is donated.

  `images` u8[CHUNK ... h w c] are the batches from iteration `start` on. The bounds are traced: one executable, and
  the same bits wherever a run was cut and wherever the images come from.
  """

  def chunk(state, key: Key[Array, ""], start, stop, images: UInt8[Array, "chunk *batch h w c"]):
    def iterate(i, carry):
      return step(carry[0], stream(key, "iteration", i), images[i - start])

    metrics = jax.eval_shape(lambda: step(state, key, images[0])[1])
    zeros = jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), metrics)
    return lax.fori_loop(start, stop, iterate, (state, zeros))

  return devices.jit(chunk, donate_argnums=0)


@jax.jit
def all_finite(state: Any) -> Bool[Array, ""]:
  """Whether every number of a state is finite."""
  return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(state)]))


def chunks(done: int, iterations: int, *multiples: int) -> list[tuple[int, int]]:
  """(start, stop) of the chunks from iteration `done` on: none crosses a multiple of these numbers."""
  bounds = []
  while done < iterations:
    stop = min(iterations, *((done // n + 1) * n for n in multiples))
    bounds.append((done, stop))
    done = stop
  return bounds


def paced(
  read: Callable[[int], Any], first: int, iterations: int, *multiples: int
) -> Iterator[tuple[int, int, Any]]:
  """(start, stop, what `read(start)` returns) of the chunks from iteration `first` on, read one ahead.

  The first two are of one iteration: one compiles, the next tells how many of the others take CHUNK_SECONDS, if it is
  done when the third is asked for. None crosses one of `multiples`.
  """
  length, began = 1, time.perf_counter()
  for upto in (min(first + WARM, iterations), iterations):
    bounds = chunks(first, upto, length, *multiples)
    starts = [start for start, _ in bounds]
    for (start, stop), found in zip(
      bounds, ahead(lambda i, starts=starts: read(starts[i]), len(bounds)), strict=True
    ):
      began = time.perf_counter()
      yield start, stop, found
    seconds = processes.agreed(time.perf_counter() - began)
    first, length = upto, max(1, min(CHUNK, int(CHUNK_SECONDS / seconds)))


def train(
  name: str,
  model: GAN | AutoEncoder,
  pool: Pool,
  *,
  iterations: int,
  seed: int,
  folder: pathlib.Path,
  checkpoint_every: int,
  look_every: int = 0,
  look: Callable[[int, Any], None] | None = None,
) -> Any:
  """Runs `iterations` of `model.step` from `init(key)`, from the newest checkpoint in `folder` where there is one.

  The next chunk's batches are read while one is trained on: a pool that is read from disk trains to the same bits.
  `look(iteration, state)` is called every `look_every` iterations and at the end. The host looks at the metrics of a
  chunk only when the next one is under way.

  After SIGTERM a checkpoint is saved at the end of the chunk that is under way, and the program ends.

  Returns the final state. Raises InputError where loss or state stop being finite, with the last good checkpoint.
  """
  key, looked_at = jax.random.key(seed), look_every or iterations
  chunk, draw = make_chunk(model.step), make_draw(model.batch_ids, len(pool))
  with (
    interrupts.saving(),
    Checkpoints(folder) as checkpoints,
    Progress(name, iterations, initial=checkpoints.latest()) as progress,
  ):
    first, pending = checkpoints.latest(), []
    state = _begun(name, model, checkpoints, folder, stream(key, "init"))
    astray = partial(diverged, name, seed, folder, checkpoints)
    tell_split(name, jax.eval_shape(lambda: model.batch_ids(key, len(pool))).shape[-1])

    def read(begin: int) -> UInt8[Array, "chunk *batch h w c"]:
      ids = np.asarray(draw(key, np.int32(begin)))
      return devices.place_batches(pool.read, ids, pool.image_shape)

    for begin, done, images in paced(read, first, iterations, checkpoint_every, looked_at):
      state, metrics = chunk(state, key, np.int32(begin), np.int32(done), images)
      pending.append((done, done - begin, metrics))
      ending = processes.asked_to_end()
      save = ending or done % checkpoint_every == 0 or done == iterations
      show = look if done % looked_at == 0 or done == iterations else None
      while len(pending) > (0 if save or show or done - first <= WARM else 1):
        stop, steps, metrics = pending.pop(0)
        progress.update(steps, **finite(metrics, partial(astray, stop, steps)))
      # The metrics are of before the last update.
      if (save or show) and not all_finite(state):
        raise astray(done, done - begin, "the state")
      if save:
        checkpoints.save(done, state)
      if ending:
        interrupts.finish()
      if show:
        with progress.aside():
          show(done, state)
    return state


def _begun(
  name: str, model: GAN | AutoEncoder, checkpoints: Checkpoints, folder: pathlib.Path, key: Key[Array, ""]
) -> Any:
  """The state of the newest checkpoint, or a new one; raises InputError where the disk has no room for more."""
  if checkpoints.latest():
    state = checkpoints.restore(jax.eval_shape(model.init, key))
  else:
    state = committed(devices.jit(model.init)(key))
  # Two are kept while a third is written.
  check_disk(name, folder, 3 * sum(x.nbytes for x in jax.tree.leaves(state)))
  return state


def tell_split(name: str, batch: int) -> None:
  """Logs over how many devices a batch is split, where there are several."""
  parts, count = devices.splits(batch), jax.device_count()
  if devices.several():
    advice = "" if parts == count else f", the others have copies: a multiple of {count} would use all"
    log.info("%s: batches of %d are split over %d of %d devices%s", name, batch, parts, count, advice)


def finite(metrics, told: Callable[[str, str], InputError]) -> dict[str, float]:
  """The metrics as numbers; raises what is `told` where one is not finite."""
  values = {k: float(v) for k, v in metrics.items()}
  if not np.all(np.isfinite(list(values.values()))):
    raise told("the loss", f" ({values})")
  return values


def diverged(
  name: str,
  seed: int,
  folder: pathlib.Path,
  checkpoints: Checkpoints,
  iteration: int,
  steps: int,
  what: str,
  values: str = "",
) -> InputError:
  """What a person is told of training that went astray in one of the last `steps` iterations.

  Their keys too: a loss is of before its update, so the batch that did it may be the last that was looked at before.
  """
  good = checkpoints.latest()
  return InputError(
    f"{name}: {what} is not finite at iteration {iteration}{values}; the last good checkpoint is {good} in {folder}: "
    f"lower the learning rate or change the seed, which is {seed}; the batch that did it has the key "
    f"stream(jax.random.key({seed}), 'iteration', i), i in {max(0, iteration - steps - 1)}..{iteration - 1}; "
    "--debug_nans finds the operation"
  )
