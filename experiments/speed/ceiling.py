"""What bounds the WGAN-GP iteration: its GFLOP/s beside this machine's best matrix product and memory copy.

python -m experiments.speed.ceiling [ROW ...]    rows called wgan_gp_...; all of them without
"""

import statistics
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from experiments.speed.ours import gan_of, wgan_gp
from experiments.speed.rows import ROWS


def seconds(call: Callable[[], object]) -> float:
  call()
  times = []
  for _ in range(5):
    started = time.perf_counter()
    jax.block_until_ready(call())
    times.append(time.perf_counter() - started)
  return statistics.median(times)


def product_flops(jaxpr: Jaxpr) -> int:
  """Floating-point operations of all matrix products; XLA's own count takes the body of a loop once."""
  total = 0
  for equation in jaxpr.eqns:
    if equation.primitive.name == "dot_general":
      (contracted, _), _ = equation.params["dimension_numbers"]
      left = equation.invars[0].aval.shape
      total += 2 * equation.outvars[0].aval.size * int(np.prod([left[i] for i in contracted]))
    times = equation.params["length"] if equation.primitive.name == "scan" else 1
    for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=is_jaxpr):
      if is_jaxpr(inner):
        total += times * product_flops(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)
  return total


def is_jaxpr(x: object) -> bool:
  return isinstance(x, Jaxpr | ClosedJaxpr)


def ceilings() -> tuple[float, float]:
  """(GFLOP/s of a product of two 3072 x 3072 matrices, GB/s read and written in a copy of 1 GB)."""
  a, n = jnp.ones((3072, 3072)), 3072
  product, values = jax.jit(jnp.matmul), np.ones(250_000_000, np.float32)
  copy = np.empty_like(values)
  return 2e-9 * n**3 / seconds(lambda: product(a, a)), 2e-9 * values.nbytes / seconds(
    lambda: np.copyto(copy, values)
  )


def main(rows: list[str]) -> None:
  product, copy = ceilings()
  print(f"ceilings: {product:.0f} GFLOP/s in a matrix product, {copy:.1f} GB/s in a copy (one thread)\n")
  print("| row | ms | GFLOP in products | GFLOP/s | of the ceiling |\n| --- | ---: | ---: | ---: | ---: |")
  for row in rows or [row for row in ROWS if row.startswith("wgan_gp_")]:
    gan, shape = gan_of(row)
    state = jax.eval_shape(gan.init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((10_000, *shape), np.uint8)
    flops = product_flops(jax.make_jaxpr(gan.step)(state, jax.random.key(0), images).jaxpr)
    taken = seconds(wgan_gp(row)()) / ROWS[row].units
    rate = 1e-9 * flops / taken
    print(f"| {row} | {1e3 * taken:.0f} | {1e-9 * flops:.2f} | {rate:.0f} | {100 * rate / product:.0f} % |")


if __name__ == "__main__":
  main(sys.argv[1:])
