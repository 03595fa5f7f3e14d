"""What is timed of this package over pools: a walk, a pass over a file, an approximate search."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from asal_jax.acquisition import walk
from asal_jax.acquisition.score import entropy
from asal_jax.acquisition.strategy import exhaustive
from asal_jax.models.classifier import make_classifier, make_predict, make_scorer
from asal_jax.pools.kinds import ArrayPool, MappedPool
from asal_jax.rng import seed_keys
from asal_jax.search.faiss_index import IVFIndex
from asal_jax.search.graph import PyNNDescentIndex
from asal_jax.search.neighbours import write_graph
from asal_jax.store.rows import Partial
from asal_jax.types import LabelledSet, Params, Query
from configs import mnist_ten
from experiments.speed import pools

RANGE, BATCH, CALLS = (0.0, 1.0), 10, 200
KEYS = (0,)
NOTHING = Partial(pathlib.Path("nothing.npz"), seconds=float("inf"))
"""No pass here is worth going on with."""
MARGINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
"""pynndescent's, of which the smallest with the recall is searched by."""


def lenet():
  """(LeNet-5, its parameters [1 ...] for the one seed, those that the rival has)."""
  classifier = make_classifier(mnist_ten.get_config().classifier, (28, 28, 1), 10, RANGE)
  layers = {
    name: {"kernel": jnp.asarray(kernel)[None], "bias": jnp.asarray(bias)[None]}
    for name, (kernel, bias) in pools.weights().items()
  }
  return classifier, {"params": layers}


def asking(query: Query, params: Params, n: int) -> Callable[[], None]:
  """A selection for one seed with 100 labels."""
  ids = pools.labelled(100, n)[None]
  known = LabelledSet(ids, np.zeros_like(ids))

  def run() -> None:
    query(seed_keys(KEYS), 1, params, known)

  return run


def walk_of_200(n: int = 60_000) -> Callable[[], None]:
  """`random_walk200` on the pool's graph, which is there before: half of the calls are random, half near the best."""
  found = pools.features(n)
  with tempfile.TemporaryDirectory() as folder:
    path, edges = pathlib.Path(folder) / "graph.npy", mnist_ten.get_config().walk.neighbours
    write_graph(IVFIndex.build(found), found, edges, path)
    graph = np.load(path)
  classifier, params = lenet()
  predict = make_predict(classifier, entropy, RANGE)
  starts = walk.drawn(n, CALLS // 2)
  query = walk.walk(ArrayPool(jnp.asarray(pools.images(found))), predict, graph, starts, CALLS, BATCH)
  return asking(query, params, n)


def score_streamed_lenet(n: int = 200_000) -> Callable[[], None]:
  """Max entropy over a mapped file."""
  with tempfile.TemporaryDirectory() as folder:  # What is mapped outlives its name.
    images = MappedPool(pools.on_disk(n, pathlib.Path(folder) / "images.npy"))
  classifier, params = lenet()
  return asking(exhaustive(images, make_scorer(classifier, entropy, RANGE), BATCH, NOTHING), params, n)


def graph_search(n: int = 1_000_000) -> Callable[[], None]:
  """pynndescent, built before."""
  found, nothing = pools.features(n), np.zeros(0, np.int32)
  index = PyNNDescentIndex.build(found)
  of_margin = lambda margin: dataclasses.replace(index, epsilon=margin)  # noqa: E731
  search = lambda margin, queries: of_margin(margin).search(queries, pools.NEIGHBOURS, nothing)[1]  # noqa: E731
  chosen, batches = of_margin(pools.reaching(search, found, MARGINS)), pools.query_batches()

  def run() -> None:
    for queries in batches:
      chosen.search(queries, pools.NEIGHBOURS, nothing)

  return run


OURS: dict[str, Callable[[], Callable[[], None]]] = {
  "walk": walk_of_200,
  "score_streamed_lenet": score_streamed_lenet,
  "graph_search_1m": graph_search,
}
