"""The rivals over pools: scikit-activeml's selections on a PyTorch net, a pass over a mapped file, faiss IVF."""

import pathlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from experiments.speed import pools
from experiments.speed.rival_classifiers import BLOCK, make_entropies, make_lenet
from experiments.speed.rival_parts import DEVICE, Work, autocast, channels_last, decode

BATCH = 10
READ = 8_192
"""Images read from a file at a time."""
LISTS, TRAINING = 4_000, 64
"""Of IVF for a million rows, four times their root as faiss advises, and the rows that each is trained on."""
PROBES = (1, 2, 4, 8, 16, 32, 64, 128)


def lenet() -> nn.Sequential:
  """LeNet-5 with the weights that our side has."""
  net = make_lenet()
  layers = [layer for layer in net if isinstance(layer, nn.Conv2d | nn.Linear)]
  with torch.no_grad():
    for layer, (name, (kernel, bias)) in zip(layers, pools.weights().items(), strict=True):
      if name == "Dense_0":  # The images lie channels first here when they are made flat.
        kernel = kernel.reshape(5, 5, 16, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
      kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
      layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
      layer.bias.copy_(torch.from_numpy(bias))
  return channels_last(net)


def scikit_activeml(strategy: str, n: int = 60_000) -> Work:
  """A selection of 10 by scikit-activeml, 100 labels known: its classifier is the net, run over the whole pool."""
  from skactiveml.base import SkactivemlClassifier
  from skactiveml.pool import Badge, UncertaintySampling

  class Net(SkactivemlClassifier):
    """A fixed net as theirs: probabilities of uint8 images, flat [n, 784], and their last hidden layer if asked."""

    def fit(self, x, y, sample_weight=None):
      return self

    @torch.inference_mode()
    def predict_proba(self, x, hidden=False):
      images = (
        torch.from_numpy(x).to(DEVICE).view(-1, 1, 28, 28).contiguous(memory_format=torch.channels_last)
      )
      with autocast():
        last = torch.cat([body(decode(part)) for part in images.split(BLOCK)])
        p = head(last).float().softmax(1).cpu().numpy()
      return (p, last.float().cpu().numpy()) if hidden else p

  net = lenet()
  body, head = net[:-1], net[-1]
  x, y = pools.images(pools.features(n)).reshape(n, 784), np.full(n, np.nan)
  y[pools.labelled(100, n)] = 0
  clf = Net(classes=list(range(10)))
  if strategy == "badge":
    query = Badge(clf_embedding_flag_name="hidden", random_state=0).query
  else:
    query = UncertaintySampling(method="entropy", random_state=0).query

  def work():
    query(x, y, clf=clf, fit_clf=False, batch_size=BATCH)

  return work


def read_ahead(images: np.ndarray) -> Iterator[Tensor]:
  """A mapped file's images [m, c, h, w], READ at a time, the next ones read by a thread."""

  def read(start: int) -> Tensor:
    return torch.from_numpy(np.array(images[start : start + READ])).permute(0, 3, 1, 2)

  with ThreadPoolExecutor(1) as thread:
    starts = range(0, len(images), READ)
    pending = thread.submit(read, 0)
    for start in starts[1:]:
      ready, pending = pending.result(), thread.submit(read, start)
      yield ready
    yield pending.result()


def score_streamed_lenet(n: int = 200_000) -> Work:
  """The 10 highest entropies of a mapped file's images."""
  with tempfile.TemporaryDirectory() as folder:  # What is mapped outlives its name.
    images = pools.on_disk(n, pathlib.Path(folder) / "images.npy")
  entropies = make_entropies(lenet())

  @torch.inference_mode()
  def work():
    with autocast():
      scores = torch.cat([entropies(part.to(DEVICE)) for part in read_ahead(images)])
    scores[pools.labelled(100, n)] = -torch.inf
    scores.topk(BATCH)

  return work


def ivf_search(n: int = 1_000_000) -> Work:
  """faiss IVF-Flat, built before, with as few probes as the recall takes."""
  import faiss

  found, batches = pools.features(n), pools.query_batches()
  index = faiss.IndexIVFFlat(faiss.IndexFlatL2(pools.DIMENSIONS), pools.DIMENSIONS, LISTS)
  index.train(found[: TRAINING * LISTS])
  index.add(found)

  def search(probes, queries):
    index.nprobe = probes
    return index.search(queries, pools.NEIGHBOURS)[1]

  index.nprobe = int(pools.reaching(search, found, PROBES))

  def work():
    faiss.omp_set_num_threads(torch.get_num_threads())
    for queries in batches:
      index.search(queries, pools.NEIGHBOURS)

  return work
