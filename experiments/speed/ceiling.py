"""What bounds the rows with products: their rates beside this device's best matrix product and memory copy.

python -m experiments.speed.ceiling [ROW ...]    all rows whose work is known (work.py) without
python -m experiments.speed.ceiling --peaks      a JSON line: the device's peaks alone
"""

import pathlib
import statistics
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from asal_jax.store.files import write_json
from experiments.speed import work
from experiments.speed.ours import OURS
from experiments.speed.records import surroundings
from experiments.speed.rows import PRECISIONS, ROWS, chosen, precision

CALLS = 5


def seconds(call: Callable[[], object]) -> float:
  """The median of CALLS calls behind a first one."""
  call()
  times = []
  for _ in range(CALLS):
    started = time.perf_counter()
    jax.block_until_ready(call())
    times.append(time.perf_counter() - started)
  return statistics.median(times)


def product_rate(precision: str, n: int, repeats: int) -> float:
  """FLOP/s of products of n x n matrices, `repeats` one after the other, in a precision."""
  dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
  a = jax.random.normal(jax.random.key(0), (n, n), jnp.float32) / np.sqrt(n)

  @jax.jit
  def chain(a):
    # As layers.py multiplies: the sums are float32 whatever the factors are.
    step = lambda _, x: jnp.matmul(x.astype(dtype), a, preferred_element_type=jnp.float32)  # noqa: E731
    return jax.lax.fori_loop(0, repeats, step, a.astype(jnp.float32))

  with jax.default_matmul_precision(precision):
    return 2 * n**3 * repeats / seconds(lambda: chain(a.astype(dtype)))


def copy_rate(platform: str) -> float:
  """Bytes/s read and written in a copy of 1 GB: by one thread of a CPU, by the device elsewhere."""
  values = np.ones(250_000_000, np.float32)
  if platform == "cpu":
    copy = np.empty_like(values)
    return 2 * values.nbytes / seconds(lambda: np.copyto(copy, values))
  on_device = jnp.asarray(values)
  turned = jax.jit(lambda x: -x)  # XLA leaves a bare copy out.
  return 2 * values.nbytes / seconds(lambda: turned(on_device))


def peaks() -> dict[str, float]:
  """FLOP/s of a large product by precision, and bytes/s of a large copy, measured on this device."""
  platform = jax.devices()[0].platform
  n, repeats = (3072, 1) if platform == "cpu" else (8192, 10)
  of = [p for p in PRECISIONS if platform != "cpu" or p != "tensorfloat32"]
  return {p: product_rate(p, n, repeats) for p in of} | {"copy": copy_rate(platform)}


def main(rows: list[str]) -> None:
  found, of = peaks(), precision()
  print(
    f"peaks: {1e-9 * found[of]:.0f} GFLOP/s in a matrix product, {1e-9 * found['copy']:.1f} GB/s in a copy\n"
  )
  print("| row | ms | GFLOP | GB | GFLOP/s | of the peak | GB/s | of the peak |")
  print(f"| --- |{' ---: |' * 7}")
  known = [row for row in chosen(jax.devices()[0].platform, of) if row in work.counted()]
  for row in rows or known:
    flops, moved = work.of_row(row)
    taken = seconds(OURS[row]()) / ROWS[row].units
    cells = [f"{1e3 * taken:.3g}", f"{1e-9 * flops:.3g}", f"{1e-9 * moved:.3g}"]
    for amount, peak in ((flops, found[of]), (moved, found["copy"])):
      cells += [f"{1e-9 * amount / taken:.3g}", f"{100 * amount / taken / peak:.0f} %"]
    print(f"| {row} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
  if sys.argv[1:] and sys.argv[1].startswith("--peaks="):
    write_json(pathlib.Path(sys.argv[1].removeprefix("--peaks=")), {"peaks": peaks()} | surroundings())
  else:
    with jax.default_matmul_precision(precision()):
      main(sys.argv[1:])
