"""CelebA by TFDS's mock, the folder format it is decoded into, and folders of one's own."""

import json
import os
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds
import tiny

import asal_jax
from asal_jax import InputError, job
from asal_jax.pools import attributes, data
from asal_jax.pools.attributes import (
  CELEB_A_ATTRIBUTES,
  PARTS,
  Part,
  attribute_splits,
  crop_and_resize,
  load_celeb_a,
  read_attributes_folder,
  write_attributes_folder,
)
from asal_jax.store.checkpoint import fingerprint

NAMES = ("Wearing_Hat", "Bangs", "Young")
COUNTS = {"train": 40, "validation": 3, "test": 20}


def random_parts(seed=0):
  """Arrays of each part; the first attribute follows the first pixel's red."""
  rng, arrays = np.random.default_rng(seed), {}
  for part, n in COUNTS.items():
    images = rng.integers(0, 256, (n, 64, 64, 3)).astype(np.uint8)
    values = np.stack([images[:, 0, 0, 0] > 99, *rng.integers(0, 2, (2, n))], axis=1).astype(np.uint8)
    arrays[part] = images, values
  return arrays


def write(folder, arrays):
  write_attributes_folder(
    folder, NAMES, {part: Part(len(x), zip(x, y, strict=True)) for part, (x, y) in arrays.items()}
  )
  return folder


@pytest.fixture
def folder(tmp_path):
  return write(tmp_path / "own", random_parts())


def triangle(inputs, outputs):
  """Weights f64[outputs, inputs] of the antialiased bilinear filter: a triangle as wide as an output pixel, twice."""
  scale = inputs / outputs
  centres = (np.arange(outputs) + 0.5) * scale
  distances = np.abs(np.arange(inputs) + 0.5 - centres[:, None]) / scale
  weights = np.maximum(0, 1 - distances)
  return weights / weights.sum(1, keepdims=True)


def small(image):
  """The central 178x178 of u8[218, 178, 3] at 64x64, f64."""
  weights = triangle(178, 64)
  return np.einsum("ij,jkc,lk->ilc", weights, image[20:198].astype(float), weights, optimize=True)


def test_crop_and_resize_a_known_image():
  rng = np.random.default_rng(0)
  noise = rng.integers(0, 256, (218, 178, 3)).astype(np.uint8)
  # Rows and columns each have a gradient of their own, so that a transposed or shifted crop would be seen.
  rows, columns = np.meshgrid(np.arange(218), np.arange(178), indexing="ij")
  gradients = np.stack([rows, columns, 255 - rows], axis=-1).astype(np.uint8)
  for image in (noise, gradients):
    found = crop_and_resize(image)
    assert found.dtype == np.uint8
    # Pillow rounds after each of its two passes.
    assert np.abs(found - small(image)).max() <= 1.1
  # A hat at the top of the crop is kept.
  hat = np.zeros((218, 178, 3), np.uint8)
  hat[20:26] = 255
  assert crop_and_resize(hat)[0].min() > 200


@pytest.fixture
def celeb_a(monkeypatch):
  """TFDS's mock of celeb_a, five random records a part; gives its builder."""
  monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda _: True)
  with tfds.testing.mock_data(num_examples=5):
    yield tfds.builder("celeb_a")


def test_celeb_a(celeb_a, tmp_path, monkeypatch):
  splits = data.load("celeb_a", attribute="Wearing_Hat", folder="", cache=tmp_path)
  assert splits.class_names == ("no wearing hat", "wearing hat")
  for part, found in zip(PARTS, (splits.pool, splits.validation, splits.test), strict=True):
    source = celeb_a.as_data_source(part)
    records = [source[i] for i in range(5)]
    assert found.images.shape == (5, 64, 64, 3)
    for image, record in zip(found.images, records, strict=True):
      assert np.abs(image - small(record["image"])).max() <= 1.1
    assert found.labels.tolist() == [int(record["attributes"]["Wearing_Hat"]) for record in records]
  # Another attribute comes from the cache, TFDS is not asked again.
  monkeypatch.setattr(attributes, "open_tfds", None)
  other = load_celeb_a("Blond_Hair", "", tmp_path)
  assert other.class_names == ("no blond hair", "blond hair")
  assert isinstance(other.pool.images, np.memmap)
  np.testing.assert_array_equal(other.pool.images, splits.pool.images)
  source = celeb_a.as_data_source("train")
  assert other.pool.labels.tolist() == [int(source[i]["attributes"]["Blond_Hair"]) for i in range(5)]


def test_the_attributes_are_those_of_tfds(celeb_a):
  assert set(celeb_a.info.features["attributes"]) == set(CELEB_A_ATTRIBUTES)
  assert len(CELEB_A_ATTRIBUTES) == 40


@pytest.mark.parametrize("after", [0, 7])
def test_an_interrupted_build_is_made_again(celeb_a, tmp_path, monkeypatch, after):
  whole = load_celeb_a("Bald", "", tmp_path / "whole")
  resize, done = attributes.crop_and_resize, []

  def interrupted(image):
    if len(done) == after:
      raise KeyboardInterrupt
    done.append(image)
    return resize(image)

  monkeypatch.setattr(attributes, "crop_and_resize", interrupted)
  with pytest.raises(KeyboardInterrupt):
    load_celeb_a("Bald", "", tmp_path / "cache")
  (folder,) = (tmp_path / "cache").glob("celeb_a-*")
  with pytest.raises(InputError, match="without it a folder is unfinished"):
    read_attributes_folder(folder)
  monkeypatch.setattr(attributes, "crop_and_resize", resize)
  again = load_celeb_a("Bald", "", tmp_path / "cache")
  for one, other in (
    (whole.pool, again.pool),
    (whole.validation, again.validation),
    (whole.test, again.test),
  ):
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_a_record_that_can_not_be_decoded_is_told(tmp_path, monkeypatch):
  class Broken:
    def __len__(self):
      return 5

    def __getitem__(self, i):
      raise OSError("cannot identify image file")

  monkeypatch.setattr(attributes, "open_tfds", lambda name, parts: [Broken() for _ in parts])
  with pytest.raises(InputError, match=r"^data.name: .*'celeb_a' .*cannot identify image file"):
    load_celeb_a("Bald", "", tmp_path)


def test_a_folder_of_ones_own(folder, tmp_path):
  arrays = random_parts()
  splits = load_celeb_a("Bangs", str(folder), tmp_path / "unused")
  assert not (tmp_path / "unused").exists()
  for part, found in zip(PARTS, (splits.pool, splits.validation, splits.test), strict=True):
    np.testing.assert_array_equal(found.images, arrays[part][0])
    np.testing.assert_array_equal(found.labels, arrays[part][1][:, 1])
    data.check_data(part, found, 2)


def test_the_pool_stays_a_memory_map(folder):
  splits, images = attribute_splits(folder, "Young"), random_parts()["train"][0]
  pool = data.keep_fractions(data.keep_classes(splits, (0, 1)), ()).pool.images
  assert isinstance(pool, np.memmap)
  assert fingerprint(pool) == fingerprint(images)
  np.testing.assert_array_equal(np.asarray(jnp.asarray(pool)), images)
  with pytest.raises(ValueError, match="read-only"):
    pool[0, 0, 0, 0] = 0


def test_writing_again_replaces_all(folder):
  arrays = random_parts(1)
  write(folder, arrays)
  np.testing.assert_array_equal(read_attributes_folder(folder).parts["test"][0], arrays["test"][0])


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda x, y: (x.astype(float), y), r"train sample 0: found float64 \[64, 64, 3\]; needed is uint8"),
    (
      lambda x, y: (x[:, :32], y),
      r"train sample 0: found uint8 \[32, 64, 3\]; needed is uint8 \[64, 64, 3\]",
    ),
    (lambda x, y: (x, y[:, :2]), r"train sample 0: found uint8 \[2\]; needed is uint8 \[3\]"),
  ],
)
def test_samples_of_another_form_are_not_written(tmp_path, change, message):
  arrays = random_parts()
  with pytest.raises(InputError, match=message):
    write(tmp_path, arrays | {"train": change(*arrays["train"])})
  assert not (tmp_path / "attributes.json").exists()


def test_counts_must_be_right(tmp_path):
  arrays = random_parts()
  parts = {part: Part(len(x) + 1, zip(x, y, strict=True)) for part, (x, y) in arrays.items()}
  with pytest.raises(ValueError, match="shorter"):
    write_attributes_folder(tmp_path, NAMES, parts)


def save(file, array):
  return lambda folder: np.save(folder / file, array)


@pytest.mark.parametrize(
  ("spoil", "message"),
  [
    (lambda f: (f / "attributes.json").unlink(), r"can not read .*attributes\.json .*unfinished"),
    (lambda f: (f / "attributes.json").write_text("[1"), r"can not read .*attributes\.json"),
    (lambda f: (f / "attributes.json").write_text("{}"), r".*attributes\.json holds \{\}; needed is a list"),
    (lambda f: (f / "test_images.npy").unlink(), r"can not read .*test_images\.npy"),
    (lambda f: (f / "test_images.npy").write_bytes(b""), r"can not read .*test_images\.npy"),
    (lambda f: os.truncate(f / "train_images.npy", 9_999), r"can not read .*train_images\.npy"),
    (
      save("test_images.npy", np.zeros((20, 64, 64, 3), np.float32)),
      r".*test_images\.npy is float32 \[20, 64, 64, 3\]; needed is uint8 \[n, 64, 64, 3\]",
    ),
    (save("test_images.npy", np.zeros((20, 32, 32, 3), np.uint8)), r".* is uint8 \[20, 32, 32, 3\]; needed"),
    (save("test_images.npy", np.zeros((19, 64, 64, 3), np.uint8)), r".* 19 test images and attributes of 20"),
    (
      save("test_attributes.npy", np.zeros((20, 2), np.uint8)),
      r".* is uint8 \[20, 2\]; needed is uint8 \[n, 3\]",
    ),
    (save("test_attributes.npy", np.full((20, 3), 2, np.uint8)), r"found 2 in .*; allowed are 0 and 1"),
  ],
)
def test_folders_of_another_form(folder, spoil, message):
  spoil(folder)
  with pytest.raises(InputError, match=f"^data.folder: {message}") as error:
    read_attributes_folder(folder)
  assert "\n" not in str(error.value)


def test_a_misspelt_attribute_gets_a_suggestion(folder):
  with pytest.raises(InputError, match=r"^data.attribute: found 'Bang'; .*did you mean 'Bangs'\?"):
    attribute_splits(folder, "Bang")
  # CelebA's are known before anything is read.
  config = tiny.config(**{"data.name": "celeb_a", "data.classes": (), "data.attribute": "Wearing_hat"})
  with pytest.raises(
    InputError, match=r"^data.attribute: found 'Wearing_hat'; .*did you mean 'Wearing_Hat'\?"
  ):
    job.check(config, "all", known=True)


def test_a_folder_stands_in_for_celeb_a_alone():
  with pytest.raises(
    InputError, match=r"^data.folder: found 'x'; it stands in for celeb_a, .*; data.name is 'digits'"
  ):
    job.check(tiny.config(**{"data.folder": "x"}), "all", known=True)


def run_config(folder):
  settings = {"data.name": "celeb_a", "data.folder": str(folder), "data.attribute": "Wearing_Hat"}
  return tiny.config(strategies=("random",), **settings, **{"data.classes": ()})


def test_a_run_on_a_folder_goes_on_when_it_has_moved(folder, tmp_path):
  result = asal_jax.run(run_config(folder), workdir=tmp_path / "run")
  moved = folder.rename(tmp_path / "moved")
  again = asal_jax.run(run_config(moved), workdir=tmp_path / "run")
  assert again.records == result.records
  assert "own" not in json.loads((tmp_path / "run" / "config.json").read_text())["config"]["data"]["folder"]
  write(moved, random_parts(1))
  with pytest.raises(InputError, match=r"differs in data\.folder"):
    asal_jax.run(run_config(moved), workdir=tmp_path / "run")


def test_sprites(tmp_path):
  if not os.environ.get("SPRITES_DIR"):
    pytest.skip("SPRITES_DIR is not set: it must name a folder with the generator lpc_pool.py")
  from experiments.sprites import make

  lpc_pool = make.generator(pathlib.Path(os.environ["SPRITES_DIR"]))
  pool = lpc_pool.Pool()
  make.make(pool, tuple(lpc_pool.ATTRS), tmp_path, {"train": 60, "validation": 5, "test": 30}, seed=0)
  images, values = lpc_pool.generate(95, 0, pool=pool)
  splits = load_celeb_a("Wearing_Hat", str(tmp_path), tmp_path)
  rows = (slice(0, 60), slice(60, 65), slice(65, 95))
  for found, part in zip((splits.pool, splits.validation, splits.test), rows, strict=True):
    np.testing.assert_array_equal(found.images, images[part])
    np.testing.assert_array_equal(found.labels, values[part, lpc_pool.ATTRS.index("Wearing_Hat")])
