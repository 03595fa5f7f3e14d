"""What a row of ours has to do at least: operations and bytes of its products, counted from its program."""

from typing import NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from experiments.speed.ours import MNIST, PROGRAMS, autoencoder_of_mnist, gan_of
from experiments.speed.rows import ROWS


class Work(NamedTuple):
  """Floating-point operations of matrix products and convolutions, and bytes of their factors and results.

  Bytes are a lower bound of the traffic but for what stays in a cache from one product to the next: additions of
  windows, activations and the optimiser are not in them.
  """

  flops: int
  bytes: int

  def plus(self, other: "Work", times: int = 1) -> "Work":
    return Work(self.flops + times * other.flops, self.bytes + times * other.bytes)


def of_program(jaxpr: Jaxpr) -> Work:
  """The work of a program; the body of a loop whose length only the data tell counts once."""
  total = Work(0, 0)
  for equation in jaxpr.eqns:
    total = total.plus(of_product(equation))
    times = equation.params["length"] if equation.primitive.name == "scan" else 1
    for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=is_jaxpr):
      if is_jaxpr(inner):
        total = total.plus(of_program(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner), times)
  return total


def is_jaxpr(x: object) -> bool:
  return isinstance(x, Jaxpr | ClosedJaxpr)


def of_product(equation: JaxprEqn) -> Work:
  """Of one operation: nothing unless it is a product or a convolution."""
  name, out = equation.primitive.name, equation.outvars[0].aval
  if name not in ("dot_general", "conv_general_dilated"):
    return Work(0, 0)
  left, right = (x.aval for x in equation.invars[:2])
  if name == "dot_general":
    (contracted, _), _ = equation.params["dimension_numbers"]
    summed = int(np.prod([left.shape[i] for i in contracted]))
  else:
    # Of a kernel [out, in / groups, h, w]; zeros between the pixels of the left one cost nothing.
    _, *rest = equation.params["dimension_numbers"].rhs_spec
    summed = int(np.prod([right.shape[i] for i in rest])) / np.prod(equation.params["lhs_dilation"])
  return Work(int(2 * out.size * summed), sum(x.size * x.dtype.itemsize for x in (left, right, out)))


def of_row(row: str) -> Work | None:
  """The work of one unit of a row, None where its products are not its work."""
  if row.startswith("exact_search"):
    rows, (queries, dimensions) = 1_000_000 * int(row.split("_")[-1].removesuffix("m")), (10, 50)
    return Work(2 * rows * queries * dimensions, 4 * rows * dimensions)
  if row in PROGRAMS:
    # Steps of a fit are loops of unknown length: one of them is counted, and the other rows have one unit.
    program = PROGRAMS[row]()
    return of_program(jax.make_jaxpr(program.function)(*program.arguments).jaxpr)
  if row.startswith("wgan_gp_") or row == "autoencoder_mnist":
    maker, shape = gan_of(row) if row.startswith("wgan_gp_") else (autoencoder_of_mnist(), MNIST)
    key = jax.random.key(0)
    ids = jax.eval_shape(lambda: maker.batch_ids(key, 10_000))
    images = jax.ShapeDtypeStruct((*ids.shape, *shape), np.uint8)
    return of_program(jax.make_jaxpr(maker.step)(jax.eval_shape(maker.init, key), key, images).jaxpr)
  return None


def counted() -> list[str]:
  """The rows whose work is known."""
  return [
    row for row in ROWS if row in PROGRAMS or row.startswith(("wgan_gp_", "autoencoder_", "exact_search"))
  ]
