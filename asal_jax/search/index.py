"""The indices by name, and which of them fits a pool."""

import jax

from asal_jax.search.exact import ExactIndex
from asal_jax.search.faiss_index import HNSWIndex, IVFIndex
from asal_jax.search.graph import PyNNDescentIndex
from asal_jax.search.kdtree import KDTreeIndex
from asal_jax.search.quantised import Int8Index
from asal_jax.store.space import GIB, total_memory
from asal_jax.types import Index

INDICES: dict[str, type[Index]] = {
  "exact": ExactIndex,
  "exact_int8": Int8Index,
  "kdtree": KDTreeIndex,
  "pynndescent": PyNNDescentIndex,
  "faiss_ivf": IVFIndex,
  "faiss_hnsw": HNSWIndex,
}
"""The indices by the name they have in `config.index`."""

AUTO = "auto"
"""The name in `config.index` that leaves the choice to `choose`."""

BYTES = {"exact": 4, "exact_int8": 1}
"""Bytes that a value of a feature takes on the devices, of the indices that hold all of them there."""


def choose(n: int, d: int, memory: int | None = None) -> tuple[str, str]:
  """The index for n features of width d, and why; `memory` in bytes is that of all devices where it is not given.

  Exact search as long as it fits half of the memory: it needs no building, misses nothing, and at 16 million it takes
  a fraction of what synthesis does (experiments/search). By eight bits a value it fits four times as far. Beyond that
  pynndescent's graphs, which are read from disk where a search touches them.
  """
  memory = memory or device_memory()
  for name, size in BYTES.items():
    if memory is None or n * d * size <= memory // 2:
      held = f"{n:,} x {d} features take {n * d * size / GIB:.2g} GiB"
      limit = "" if memory is None else f", at most half of {memory / GIB:.3g} GiB of memory"
      return name, f"{held}{limit}"
  return "pynndescent", f"{n:,} x {d} features take more than half of {(memory or 0) / GIB:.3g} GiB of memory"


def device_memory() -> int | None:
  """Bytes of all devices of all processes together, or of this host where its devices share its memory."""
  stats = jax.local_devices()[0].memory_stats()
  return total_memory() if stats is None else stats["bytes_limit"] * jax.device_count()
