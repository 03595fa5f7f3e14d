"""A folder of photographs as a data set: labels, test set, embeddings, and a workdir that keeps to its images."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tiny
from photographs import cropped, write
from PIL import Image

import asal_jax
from asal_jax import InputError, job
from asal_jax.pools import data
from asal_jax.pools.folder import expected, load_folder
from asal_jax.pools.kinds import MappedPool, SubsetPool
from configs import base
from configs import folder as preset

NAMES = [f"{i:02}.png" for i in range(40)]


@pytest.fixture
def folder(tmp_path):
  write(tmp_path / "photos", NAMES)
  return tmp_path / "photos"


@pytest.fixture
def cache(tmp_path):
  return tmp_path / "cache"


def loaded(folder, cache, **options):
  return load_folder(str(folder), cache, **{"size": 8, "class_names": "cat,dog", **options})


def by_class(folder, counts=(20, 20)):
  """Sub-folders cat and dog, of dark and light images."""
  rng = np.random.default_rng(0)
  for k, (name, count) in enumerate(zip(("cat", "dog"), counts, strict=True)):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
      image = np.clip(rng.normal(90 + 70 * k, 30, (20, 24, 3)), 0, 255).astype(np.uint8)
      Image.fromarray(image).save(folder / name / f"{i:02}.png")
  return folder


def images(data):
  return np.asarray(data.images.block(0, len(data.images)) if hasattr(data.images, "block") else data.images)


def test_a_folder_without_labels(folder, cache):
  made = {name: Image.open(folder / name) for name in NAMES}
  splits = loaded(folder, cache)
  assert splits.class_names == ("cat", "dog")
  assert tuple(splits.files) == tuple(NAMES)
  assert splits.folder == str(folder)
  assert splits.pool.labels.tolist() == [-1] * 40
  assert (splits.test.images.shape, splits.test.images.dtype) == ((0, 8, 8, 3), np.uint8)
  assert (splits.test_files, splits.validation) == ((), None)
  for name in ("pool", "test"):
    data.check_data(name, getattr(splits, name), 2)
  for name, image in zip(splits.files, splits.pool.images, strict=True):
    assert np.abs(image - cropped(np.asarray(made[name]), 8)).max() <= 1.6


def test_labels_by_csv_in_the_folder_or_elsewhere(folder, cache, tmp_path):
  (folder / "labels.csv").write_text("file,label\n03.png,dog\n")
  (tmp_path / "other.csv").write_text("file,label\n04.png,cat\n")
  assert np.flatnonzero(loaded(folder, cache).pool.labels == 1).tolist() == [3]
  splits = loaded(folder, cache, labels=str(tmp_path / "other.csv"))
  assert splits.pool.labels[:5].tolist() == [-1, -1, -1, -1, 0]
  (folder / "03.png").write_bytes(b"broken")
  assert loaded(folder, cache, refresh=True).pool.labels.max() == -1
  with pytest.raises(InputError, match=r"^data.labels: can not read none.csv"):
    loaded(folder, cache, labels="none.csv")


def test_sub_folders_give_classes_and_labels(tmp_path, cache):
  folder = by_class(tmp_path / "photos", (3, 4))
  write(folder, ["new.png"])
  splits = loaded(folder, cache, class_names="")
  assert splits.class_names == ("cat", "dog")
  assert splits.pool.labels.tolist() == [0] * 3 + [1] * 4 + [-1]
  assert loaded(folder, cache, class_names="dog,bird").pool.labels.tolist() == [-1] * 3 + [0] * 4 + [-1]


@pytest.mark.parametrize("resident_gib", [4.0, 0.0])
def test_a_random_test_set_leaves_the_pool(folder, cache, resident_gib):
  (folder / "labels.csv").write_text("file,label\n" + "".join(f"{name},cat\n" for name in NAMES[:10]))
  whole = loaded(folder, cache, resident_gib=resident_gib)
  splits = loaded(folder, cache, test_labels=12, resident_gib=resident_gib)
  assert isinstance(whole.pool.images, MappedPool if resident_gib == 0 else np.memmap)
  assert isinstance(splits.pool.images, SubsetPool if resident_gib == 0 else np.ndarray)
  assert sorted([*splits.files, *splits.test_files]) == NAMES
  assert len(splits.test_files) == 12
  assert {*splits.test_files}.isdisjoint(NAMES[:10])
  assert splits.test.labels.tolist() == [-1] * 12
  assert np.sum(splits.pool.labels == 0) == 10
  everything = images(whole.pool)
  for part, files in ((splits.pool, splits.files), (splits.test, splits.test_files)):
    np.testing.assert_array_equal(images(part), everything[[NAMES.index(file) for file in files]])
  # Drawn once and for all, not the first or last of what may be drawn.
  assert tuple(loaded(folder, cache, test_labels=12).test_files) == tuple(splits.test_files)
  assert list(splits.test_files) not in (NAMES[10:22], NAMES[-12:])
  data.check_data("test", splits.test, 2)
  with pytest.raises(
    InputError, match=r"^data.test_labels: found 31; only 30 of 40 images have no known label"
  ):
    loaded(folder, cache, test_labels=31)


def test_what_an_earlier_run_tested_on_stays_the_test_set(folder, cache, tmp_path):
  lines = (
    "file,label,who,when,cycle,strategy",
    "05.png,cat,a,t,0,test",
    "06.png,?,a,t,0,test",
    "07.png,dog,a,t,0,start",
  )
  (tmp_path / "old.csv").write_text("\n".join(lines))
  for count, more in ((0, 0), (1, 0), (5, 3)):
    splits = loaded(folder, cache, labels=str(tmp_path / "old.csv"), test_labels=count)
    known = dict(zip(splits.test_files, splits.test.labels.tolist(), strict=True))
    assert len(known) == 2 + more
    assert (known["05.png"], known["06.png"]) == (0, -1)
    assert set(known.values()) == {0, -1}
    assert splits.pool.labels[list(splits.files).index("07.png")] == 1


def test_a_test_folder(folder, cache, tmp_path):
  tested = by_class(tmp_path / "held out", (3, 2))
  splits = loaded(folder, cache, test_folder=str(tested))
  assert splits.test.labels.tolist() == [0, 0, 0, 1, 1]
  assert splits.test_files[0] == "../held out/cat/00.png"
  assert all((folder / file).exists() for file in splits.test_files)
  assert len(splits.files) == 40
  data.check_data("test", splits.test, 2)
  write(tested, ["new.png"])
  with pytest.raises(InputError, match=r"^data.test_folder: .* has changed .* 1 added \(new.png\)"):
    loaded(folder, cache, test_folder=str(tested))
  with pytest.raises(
    InputError, match=r"1 of 6 images in .* have no label \(new.png\); .*labels.csv with .* cat, dog"
  ):
    loaded(folder, cache, test_folder=str(tested), refresh=True)
  (tested / "labels.csv").write_text("file,label\nnew.png,dog\n")
  assert loaded(folder, cache, test_folder=str(tested)).test.labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
  ("pool", "test"), [("photos", "photos/test"), ("photos/test", "photos"), ("photos", "photos")]
)
def test_folders_in_each_other_are_refused(tmp_path, cache, pool, test):
  by_class(tmp_path / "photos" / "test", (2, 2))
  write(tmp_path / "photos", ["a.png"])
  with pytest.raises(InputError, match=r"^data.test_folder: .* lie in each other, .* move one of them"):
    loaded(tmp_path / pool, cache, test_folder=str(tmp_path / test))


def test_identity_is_of_images_and_names(folder, cache, tmp_path):
  first = loaded(folder, cache).identity
  assert loaded(folder, cache, resident_gib=0.0).identity == first
  moved = shutil.copytree(folder, tmp_path / "moved")
  assert loaded(moved, cache).identity == first
  other = {
    "size": loaded(folder, cache, size=9).identity,
    "test": loaded(folder, cache, test_labels=3).identity,
    "test of two": loaded(folder, cache, test_labels=2).identity,
  }
  (moved / "00.png").rename(moved / "0.png")
  other["renamed"] = loaded(moved, cache, refresh=True).identity
  (moved / "0.png").unlink()
  other["removed"] = loaded(moved, cache, refresh=True).identity
  shutil.copy(folder / "01.png", moved / "02.png")
  other["altered"] = loaded(moved, cache, refresh=True).identity
  assert len({first, *other.values()}) == 7


def test_embeddings_take_the_place_of_pixels(folder, cache, tmp_path):
  values = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
  path = tmp_path / "clip.npy"
  np.save(path, values)
  splits = loaded(folder, cache, test_labels=4, features_file=str(path))
  rows = [NAMES.index(file) for file in splits.files]
  scaled = (values - values.mean(0)) / values.std(0)
  assert splits.pool.images.shape == (36, 1, 1, 5)
  assert np.abs(images(splits.pool)[:, 0, 0] * (8 / 255) - 4 - scaled[rows]).max() < 0.02
  assert splits.test.images.shape == (4, 1, 1, 5)
  assert expected("a,b,c", 64, str(path)) == (3, (1, 1, 5))
  assert expected("", 48, "") == (2, (48, 48, 3))
  np.save(path, values[::-1])
  assert loaded(folder, cache, test_labels=4, features_file=str(path)).identity != splits.identity


def config(folder, **overrides):
  c = preset.get_config()
  settings = {
    "data.folder": str(folder), "data.size": 8, "labeller": "pool", "loop.start": 4, "loop.per_cycle": 2,
    "loop.budget": 8, "loop.start_set": "balanced", "classifier.epochs": 2, "strategies": ("random", "entropy"),
    "features.dimensions": 5, "classifier.network": "linear",
  }  # fmt: skip
  c.update_from_flattened_dict(settings | overrides)
  return c


def test_a_run_on_a_labelled_folder_is_that_on_its_arrays(tmp_path):
  folder = by_class(tmp_path / "photos")
  test = by_class(tmp_path / "test", (3, 3))
  own = asal_jax.run(config(folder, **{"data.test_folder": str(test)}), workdir=tmp_path / "own")
  splits = load_folder(str(folder), tmp_path / "own/cache", 8, test_folder=str(test))
  arrays = asal_jax.run(
    config(folder, **{"data.name": "digits", "data.folder": ""}),
    splits._replace(identity=""),
    workdir=tmp_path / "b",
  )
  assert tiny.without_seconds(own.records) == tiny.without_seconds(arrays.records)
  assert own.records[-1]["test_accuracy"] is not None


def test_a_workdir_keeps_to_its_images(tmp_path):
  folder = by_class(tmp_path / "photos")
  first = asal_jax.run(config(folder), workdir=tmp_path / "run")
  written = json.loads((tmp_path / "run/config.json").read_text())
  assert written["images"]
  assert str(tmp_path) not in json.dumps(written["config"])
  # Moved, it goes on.
  moved = pathlib.Path(shutil.move(folder, tmp_path / "moved"))
  again = asal_jax.run(config(moved), workdir=tmp_path / "run")
  assert again.records == first.records
  write(moved, ["cat/new.png"])
  with pytest.raises(InputError, match=r"has changed since .* 1 added \(cat/new.png\)"):
    asal_jax.run(config(moved), workdir=tmp_path / "run")
  with pytest.raises(
    InputError, match=r"^--workdir: .* belongs to other images.*--config.data.labels=.*labels.csv"
  ):
    asal_jax.run(config(moved, **{"data.refresh": True}), workdir=tmp_path / "run")
  with pytest.raises(InputError, match=r"differs in data\.fit, data\.size"):
    asal_jax.run(config(moved, **{"data.size": 9, "data.fit": "pad"}), workdir=tmp_path / "run")
  after = asal_jax.run(config(moved, **{"data.refresh": True}), workdir=tmp_path / "new")
  assert len(after.records) == len(first.records)


def test_a_run_on_embeddings(tmp_path):
  folder = by_class(tmp_path / "photos")
  values = np.random.default_rng(0).normal(size=(40, 12)) + 2 * (np.arange(40) >= 20)[:, None]
  np.save(tmp_path / "e.npy", values)
  strategies = ("random", "balanced_walk4", "supervised")
  c = config(
    folder, strategies=strategies, **{"features.file": str(tmp_path / "e.npy"), "index.name": "exact"}
  )
  result = asal_jax.run(c, workdir=tmp_path / "run")
  assert {record["strategy"] for record in result.records} == {*strategies}
  assert c.data.pixel_range == (0.0, 1.0)
  settings = json.loads((tmp_path / "run/config.json").read_text())["config"]
  assert settings["data"]["pixel_range"] == [-4.0, 4.0]
  assert settings["features"] == {"dimensions": 5, "file": True}


@pytest.mark.parametrize(
  ("overrides", "message"),
  [
    ({"data.folder": ""}, "data.folder: found ''; needed is the folder with the images"),
    ({"data.fit": "stretch"}, "data.fit: found 'stretch'; allowed are crop, pad"),
    ({"data.size": 0}, "data.size: found 0; needed is a number above 0"),
    ({"data.test_labels": -1}, "data.test_labels: found -1; needed is 0 or more"),
    ({"data.class_names": "cat"}, "data.class_names: found 'cat'; needed are at least two"),
    ({"data.class_names": "a,b,c", "loop.start": 2}, "loop.start: found 2; needed is one label for each of 3 classes"),
    ({"data.test_labels": 5, "data.test_folder": "x"}, "data.test_labels: found 5; there is a data.test_folder, x"),
    ({"data.classes": (0, 1)}, r"data.classes: found \(0, 1\); it makes no sense for data.name=folder"),
    ({"data.pool_class_fractions": (0.5, 1.0)}, "data.pool_class_fractions: .* makes no sense"),
    ({"data.jitter": 100}, "data.jitter: found 100; it makes no sense"),
    ({"data.test_set": "usps"}, "data.test_set: found 'usps'"),
    ({"data.store": "records"}, "data.store: found 'records'"),
    ({"features.file": "none.npy"}, "features.file: can not read none.npy"),
    ({"features.file": "x", "data.test_folder": "y"}, "data.test_folder: found 'y'; features.file has rows"),
    ({"features.file": "x", "walk.features": "critic"}, "walk.features: found 'critic'; features.file takes 'pixels'"),
    (
      {"features.file": "x", "strategies": ("random", "asal_pixels_rescore5")},
      "strategies: found 'asal_pixels_rescore5'; features.file leaves .* allowed are random, entropy, .*balanced",
    ),
    ({"features.file": "x", "strategies": ("asal_autoencoder",)}, "strategies: found 'asal_autoencoder'"),
    ({"features.file": "x", "strategies": ("mixed_walk50",)}, "strategies: found 'mixed_walk50'"),
  ],
)  # fmt: skip
def test_impossible_values_are_told_before_any_work(tmp_path, overrides, message):
  with pytest.raises(InputError, match=f"^{message}"):
    asal_jax.run(config(tmp_path, **overrides), workdir=tmp_path / "run")
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
  ("field", "value"),
  [("class_names", "a,b"), ("labels", "x.csv"), ("test_folder", "x"), ("test_labels", 3), ("refresh", True)],
)
@pytest.mark.parametrize("known", [True, False])
def test_fields_of_folders_are_for_folders(field, value, known):
  with pytest.raises(InputError, match=rf"^data.{field}: found .*; it is for data.name=folder"):
    job.check(tiny.config(**{f"data.{field}": value}), "all", known)
  assert not base.get_config().data[field]


def test_embeddings_are_for_folders():
  with pytest.raises(InputError, match=r"^features.file: found 'x'; it is for data.name=folder"):
    job.check(tiny.config(**{"features.file": "x"}), "all", known=True)


def test_a_folder_is_another_pool_for_celeb_a(tmp_path):
  """`data.folder` without data.name=folder is still 64x64 images with attributes."""
  with pytest.raises(InputError, match=r"attributes\.json"):
    job.load(
      tiny.config(**{"data.name": "celeb_a", "data.classes": (), "data.folder": "none"}), None, tmp_path
    )
