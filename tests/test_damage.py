"""Every kind of thing in the cache, cut, flipped, lost or of an older version: told, set aside, made again the same."""

import json
import logging
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest
import tiny
from photographs import write
from tfds_sets import cifar_records, write_tfds
from watch import watched

from asal_jax import job
from asal_jax.errors import InputError
from asal_jax.pools.embeddings import load_embeddings
from asal_jax.pools.intake import take_in
from asal_jax.pools.kinds import ArrayPool
from asal_jax.pools.records import open_splits
from asal_jax.pools.sources import read_tfds
from asal_jax.running.prepare import Preparation
from asal_jax.search import graph as graphs
from asal_jax.store.checkpoint import Cache
from asal_jax.store.files import read_sealed
from asal_jax.store.stages import Stages
from asal_jax.types import Data, Splits

RNG = np.random.default_rng(0)
POOL = RNG.integers(0, 256, (60, 8, 8, 1), np.uint8)
LABELS = np.arange(60, dtype=np.int32) % 2
SHORT = {
  "gan.iterations": 4,
  "gan.checkpoint_every": 2,
  "gan.looks": 0,
  "autoencoder.iterations": 4,
  **tiny.QUICK_GAN,
}
NONE = np.zeros(0, np.int32)


def prepared(cache, makes=("gan", "features"), index="exact"):
  config = tiny.config(**SHORT, **{"index.name": index, "index.n_neighbors": 8, "walk.neighbours": 3})
  stages = Stages(cache.parent / "stages.jsonl")
  return Preparation(config, ArrayPool(POOL), cache, frozenset(makes), stages, lambda *_: None)


def trained(name):
  """The final state of GAN or auto-encoder."""
  return lambda cache, makes: getattr(prepared(cache, makes), name)[1]


def features(cache, makes):
  found = prepared(cache, makes).feature_set("pixels")
  return found.params, np.array(found.features)


def searched(index):
  """What an index finds."""

  def search(cache, makes):
    found = prepared(cache, makes, index).feature_set("pixels")
    return found.index.search(np.array(found.features[:7]), 5, NONE)

  return search


def graph(cache, makes):
  return np.array(prepared(cache, makes).graph("pixels"))


def judge(cache, _):
  config = tiny.config(**tiny.QUICK_JUDGE)
  splits = Splits(Data(ArrayPool(POOL), LABELS), Data(POOL[:9], LABELS[:9]), ("3", "8"))
  return job.train_judge(config, splits, cache).probabilities(POOL)


def decoded(cache, _):
  return [(np.array(data.images), data.labels) for data in read_tfds("cifar10", ("train", "test"), cache)]


def records(cache, _):
  found = open_splits("cifar10", ("train", "test"), tuple("0123456789"), cache)
  return found.pool.labels, np.array(found.test.images), found.test.labels


def photos(cache, _):
  found = take_in(str(cache.parent / "photos"), 8, "crop", cache)
  return np.array(found.images), np.array(found.files), np.array(sorted(found.skipped))


def embedded(cache, _):
  return np.array(load_embeddings(str(cache.parent / "e.npy"), [str(i) for i in range(60)], cache))


KINDS = {
  "gan": ("gan", trained("gan"), "gan"),
  "autoencoder": ("autoencoder", trained("autoencoder"), "features"),
  "features": ("features_pixels", features, "features"),
  **{
    index: ("index_pixels", searched(index), "features")
    for index in ("exact", "exact_int8", "kdtree", "faiss_ivf", "faiss_hnsw", "pynndescent")
  },
  "graph": ("graph_pixels", graph, "features"),
  "judge": ("judge", judge, None),
  "decoded": ("cifar10-", decoded, None),
  "labels": ("cifar10_labels", records, None),
  "images": ("cifar10_images", records, None),
  "photos": ("photos", photos, None),
  "embeddings": ("embeddings", embedded, None),
}  # fmt: skip
"""By name: how its folder begins, what makes and reads it in a cache, and the stage that may make it."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  """What images come from."""
  root = tmp_path_factory.mktemp("source")
  images = RNG.integers(0, 256, (12, 32, 32, 3), np.uint8)
  sets = {part: cifar_records(images, np.arange(12) % 10) for part in ("train", "test")}
  write_tfds(root / "tfds", "cifar10", sets, shards=1)
  write(root / "photos", [f"{i}.png" for i in range(12)])
  (root / "photos" / "broken.png").write_bytes(b"none")
  np.save(root / "e.npy", RNG.normal(size=(60, 5)))
  return root


DAMAGES = ("flipped", "cut", "deleted", "older")


def slow(kind, damage=""):
  """Whether it takes long: numba compiles, or networks are trained to see what others show too."""
  seldom = {"gan": ("cut", "deleted", "older"), "autoencoder": ("cut", "deleted", "flipped")}
  return kind == "pynndescent" or damage in seldom.get(kind, ())


@pytest.fixture(scope="module")
def made(request, source):
  """(cache, start of the folder's name, function that reads, what it reads, stage) of a kind that is made."""
  if request.param.startswith("faiss"):
    pytest.importorskip("faiss", reason="faiss is an optional extra: pip install 'asal-jax[faiss]'")
  kind, read, stage = KINDS[request.param]
  cache = source / f"cache_{request.param}"
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv("TFDS_DATA_DIR", str(source / "tfds"))
    truth = read(cache, ("gan", "features"))
  return cache, kind, read, jax.tree.map(np.array, truth), stage


@pytest.fixture
def copied(made, source, caplog, monkeypatch):
  """The same, of a copy of the cache that may be spoiled."""
  caplog.set_level(logging.INFO, "asal_jax")
  monkeypatch.setenv("TFDS_DATA_DIR", str(source / "tfds"))
  cache = source / "copy"
  shutil.rmtree(cache, ignore_errors=True)
  shutil.copytree(made[0], cache)
  (folder,) = (path for path in sorted(cache.glob(f"{made[1]}*"))[:1])
  return cache, folder, *made[2:]


def flip(path, position=None):
  data = bytearray(path.read_bytes())
  data[len(data) // 2 if position is None else position] ^= 1
  path.write_bytes(data)


def files_of(folder):
  return [folder / name for name in read_sealed(folder / "made_from.json")["files"]]


quick_kinds = pytest.mark.parametrize(
  "made", [pytest.param(kind, marks=pytest.mark.slow if slow(kind) else ()) for kind in KINDS], indirect=True
)


@quick_kinds
def test_each_file_is_known_and_no_damage_to_it_goes_unseen(copied):
  _, folder, *_ = copied
  assert {*files_of(folder)} == {p for p in folder.rglob("*") if p.is_file()} - {folder / "made_from.json"}
  for path in files_of(folder):
    name, content = str(path.relative_to(folder)), path.read_bytes()
    for position in {0, len(content) // 2, len(content) - 1} if content else ():
      flip(path, position)
      assert Cache.fault(folder) == f"{name} is not what was written (its checksum is another)"
      path.write_bytes(content)
      os.truncate(path, position)
      assert Cache.fault(folder).startswith(f"{name} has {position:,} bytes, not the {len(content):,}")
      path.write_bytes(content)
    path.unlink()
    assert Cache.fault(folder) == f"{name} is missing"
    path.write_bytes(content)
  assert Cache.fault(folder) == ""


@quick_kinds
def test_what_is_complete_is_read_without_writing_or_unpickling_anything(copied):
  cache, _, read, truth, _ = copied
  names = {path: path.stat().st_mtime_ns for path in (cache, *cache.rglob("*"))}
  with watched() as noted:
    found = read(cache, ())
  jax.tree.map(np.testing.assert_array_equal, found, truth)
  # Elsewhere XLA and stages write.
  assert [event for event in noted if str(cache) in str(event) or event[0] == "pickle.find_class"] == []
  assert {path: path.stat().st_mtime_ns for path in (cache, *cache.rglob("*"))} == names


def largest(folder):
  return max(files_of(folder), key=lambda path: path.stat().st_size)


def older(folder):
  """A version without checksums."""
  about = read_sealed(folder / "made_from.json")
  (folder / "made_from.json").write_text(json.dumps(about["made_from"]))
  return folder / "made_from.json"


def spoil(folder, damage):
  """Damages a folder; returns the file that is damaged."""
  if damage == "older":
    return older(folder)
  path = largest(folder)
  {"flipped": flip, "cut": lambda path: os.truncate(path, 7), "deleted": pathlib.Path.unlink}[damage](path)
  return path


@pytest.mark.parametrize(
  ("made", "damage"),
  [
    pytest.param(kind, damage, marks=pytest.mark.slow if slow(kind, damage) else ())
    for kind in KINDS
    for damage in DAMAGES
  ],
  indirect=["made"],
)
def test_it_is_set_aside_and_made_again_the_same(copied, caplog, damage):
  cache, folder, read, truth, stage = copied
  path = spoil(folder, damage)
  name, spoiled = path.relative_to(folder), path.read_bytes() if path.exists() else None
  if stage:
    with pytest.raises(InputError, match=rf"^--stage: {folder}: {name} .*; run --stage={stage} first$"):
      read(cache, ())
  found = read(cache, ("gan", "features"))
  jax.tree.map(np.testing.assert_array_equal, found, truth)
  aside = folder.with_name(folder.name + ".damaged")
  assert (spoiled is None) == (not (aside / name).exists())
  assert spoiled is None or (aside / name).read_bytes() == spoiled
  assert [r.getMessage() for r in caplog.records if "set aside" in r.getMessage()] == [
    next(r.getMessage() for r in caplog.records if r.getMessage().startswith(f"{folder}: {name} "))
  ]
  assert Cache.fault(folder) == ""


def test_a_byte_of_features_that_an_index_shares_costs_both(tmp_path, caplog):
  first = searched("exact")(tmp_path / "cache", ("features",))
  (pool,), (kept,) = (
    (tmp_path / "cache").glob("features_*/pool.npy"),
    (tmp_path / "cache").glob("index_*/features.npy"),
  )
  assert kept.samefile(pool)
  with kept.open("r+b") as file:
    file.seek(-3, os.SEEK_END)
    file.write(b"?")
  again = searched("exact")(tmp_path / "cache", ("features",))
  jax.tree.map(np.testing.assert_array_equal, again, first)
  assert len(list((tmp_path / "cache").glob("*.damaged"))) == 2
  assert kept.samefile(pool)


def test_a_memory_of_a_folder_that_is_damaged_is_set_aside(source, tmp_path, caplog):
  shutil.copytree(source / "photos", tmp_path / "photos")
  first = photos(tmp_path / "cache", ())
  (memory,) = (tmp_path / "cache").glob("folder-*/latest.json")
  flip(memory)
  again = photos(tmp_path / "cache", ())
  jax.tree.map(np.testing.assert_array_equal, again, first)
  assert memory.with_name("latest.json.damaged").exists()
  assert "the folder is taken as it is" in caplog.text


def test_components_and_sums_of_a_killed_pass_are_checked(tmp_path, caplog, monkeypatch):
  first = features(tmp_path / "whole", ("features",))
  (whole,) = (tmp_path / "whole").glob("features_*")
  folder = tmp_path / "cache" / whole.name
  folder.mkdir(parents=True)
  for name in ("pca.npz", "sums.npz"):
    shutil.copyfile(whole / "pca.npz", folder / name)
    flip(folder / name)
  again = features(tmp_path / "cache", ("features",))
  jax.tree.map(np.testing.assert_array_equal, again, first)
  assert (folder.parent / folder.name / "pca.npz.damaged").exists()
  assert "pca.npz: is not what was written" in caplog.text
  assert "sums.npz: is not what was written" in caplog.text
  assert Cache.fault(folder) == ""


def test_a_shard_that_an_interrupted_build_left_damaged_is_built_again(tmp_path, caplog):
  arrays = np.arange(24, dtype=np.float32).reshape(4, 6)
  path, asked = tmp_path / "shard_0000.json", []

  def make():
    asked.append(1)
    return None

  assert graphs.kept_graph(path, make) is None
  assert graphs.kept_graph(path, make) is None
  assert len(asked) == 1
  for spoiled in (path, graphs.arrays_path(path)):
    spoiled.write_bytes(arrays.tobytes())
    assert graphs.kept_graph(path, make) is None
  graphs.arrays_path(path).unlink()
  assert graphs.kept_graph(path, make) is None
  assert len(asked) == 4
  assert len(list(tmp_path.glob("*.damaged*"))) == 3
