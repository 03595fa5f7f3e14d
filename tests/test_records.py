"""Pools of TFDS records, on tiny sets written as array_record: what is read is what was written."""

import numpy as np
import pytest
import tiny
from tfds_sets import cifar_records, encoded, write_tfds

import asal_jax
from asal_jax import InputError, job
from asal_jax.pools import attributes, data, records
from asal_jax.pools.attributes import CELEB_A_ATTRIBUTES, crop_and_resize
from asal_jax.pools.blocks import walk
from asal_jax.pools.records import RecordPool, open_splits
from asal_jax.pools.sources import open_tfds
from asal_jax.store.journal import read_lines

RNG = np.random.default_rng(0)
COUNTS = {"train": 600, "test": 60}
LABELS = {part: RNG.integers(0, 10, n).astype(np.int32) for part, n in COUNTS.items()}
# Brighter with the label, so that there is something to learn.
IMAGES = {
  part: (20 * LABELS[part][:, None, None, None] + RNG.integers(0, 60, (n, 32, 32, 3))).astype(np.uint8)
  for part, n in COUNTS.items()
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
  """A folder with a tiny CIFAR-10."""
  sets = {part: cifar_records(IMAGES[part], LABELS[part]) for part in COUNTS}
  return write_tfds(tmp_path_factory.mktemp("tfds"), "cifar10", sets)


@pytest.fixture(autouse=True)
def _data_dir(request, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(request.getfixturevalue("root")))


def opened(part="train", workers=0):
  return RecordPool("cifar10", open_tfds("cifar10", (part,))[0], workers=workers)


def test_images_are_those_that_tfds_decodes():
  (source,) = open_tfds("cifar10", ("train",))
  pool = opened()
  assert pool.resident is None
  assert pool.image_shape == (32, 32, 3)
  assert len(pool) == 600
  # More than one part, across both files.
  np.testing.assert_array_equal(pool.block(0, 600), IMAGES["train"])
  np.testing.assert_array_equal(pool.read(np.arange(5)), np.stack([source[i]["image"] for i in range(5)]))


def test_ids_in_any_order_and_twice():
  pool, images = opened(), IMAGES["train"]
  ids = RNG.integers(0, 600, (3, 5, 7))
  np.testing.assert_array_equal(pool.read(ids), images[ids])
  ids = np.array([599, 0, 300, 0, 299])
  np.testing.assert_array_equal(pool.read(ids), images[ids])
  assert pool.read(np.zeros((2, 0), np.int32)).shape == (2, 0, 32, 32, 3)
  np.testing.assert_array_equal(pool.read(np.array(7)), images[7])


def test_each_record_is_decoded_once(monkeypatch):
  pool, decoded = opened(), []
  monkeypatch.setattr(pool.reader, "decode", lambda record: decoded.append(record) or record["image"])
  pool.read(np.array([[4, 4], [9, 4]]))
  assert len(decoded) == 2


@pytest.mark.parametrize("wrong", [-1, 600])
def test_ids_out_of_range_are_told(wrong):
  with pytest.raises(InputError, match=rf"^pool: found id {wrong}; allowed are 0 to 599"):
    opened().read(np.array([0, wrong]))


def test_a_part_of_a_split_counts_from_its_own_start():
  pool = opened("train[250:400]")
  np.testing.assert_array_equal(pool.read(np.array([149, 0])), IMAGES["train"][[399, 250]])


@pytest.fixture
def short(monkeypatch):
  """Passes so short that a test can make one are long enough for worker processes; gives how many were started."""
  started, ahead = [], records.parts_ahead
  monkeypatch.setattr(records, "LONG", 100)
  monkeypatch.setattr(records, "PART", 64)
  monkeypatch.setattr(
    records, "parts_ahead", lambda parts, *rest: started.append(parts.ids.start) or ahead(parts, *rest)
  )
  return started


def test_a_pass_of_worker_processes_is_the_pass_in_this_process(short, monkeypatch):
  monkeypatch.setattr("asal_jax.pools.blocks.READ", 110)
  pool, images = opened(workers=2), IMAGES["train"]
  blocks = []
  for block in walk(pool, 1):
    # Random ids in between do not disturb it.
    np.testing.assert_array_equal(pool.read(np.array([599, 3])), images[[599, 3]])
    blocks.append(block)
  assert [block.start for block in blocks] == [110, 220, 330, 440, 490]
  for block in blocks:
    np.testing.assert_array_equal(block.images, images[block.start : block.start + 110])
  # They start behind its first block.
  assert short == [220]
  # The processes are gone with the pass.
  assert pool._pass is None


def test_a_pass_that_is_left_begins_anew(short):
  pool, images = opened(workers=1), IMAGES["train"]
  for start in (0, 100, 300, 400, 50):
    np.testing.assert_array_equal(pool.block(start, start + 100), images[start : start + 100])
  assert short == [100, 400]
  assert pool._pass is None


def test_short_passes_start_no_processes(short):
  pool = opened(workers=2)
  pool.block(0, 501), pool.block(501, 600)
  assert not short


def test_workers_leave_cores_and_never_run_a_script_again(monkeypatch):
  main = records.sys.modules["__main__"]
  monkeypatch.setattr(main, "__spec__", object())
  for cores, workers in ((1, 0), (2, 0), (3, 1), (6, 4), (64, 8)):
    monkeypatch.setattr(records.os, "cpu_count", lambda cores=cores: cores)
    assert records.default_workers() == workers
  monkeypatch.setattr(main, "__spec__", None)
  monkeypatch.setattr(main, "__file__", "script.py", raising=False)
  assert records.default_workers() == 0


def test_fingerprints_tell_sets_apart_without_reading(root, tmp_path, monkeypatch):
  found = {opened(part).fingerprint() for part in ("train", "test", "train[:300]", "train[300:]")}
  pool = opened()
  found.add(RecordPool("cifar10", pool.source, crop_or_not).fingerprint())
  monkeypatch.setattr(pool.reader, "read", None)
  monkeypatch.setattr(type(pool.source), "__getitem__", None)
  assert pool.fingerprint() in found
  monkeypatch.undo()
  # The same set of other files.
  other = write_tfds(tmp_path, "cifar10", {p: cifar_records(IMAGES[p], LABELS[p]) for p in COUNTS}, shards=3)
  monkeypatch.setenv("TFDS_DATA_DIR", str(other))
  found.add(opened().fingerprint())
  assert len(found) == 6
  monkeypatch.setenv("TFDS_DATA_DIR", str(root))
  assert opened().fingerprint() in found


def crop_or_not(record):
  return record["image"][:8]


def broken(tmp_path, monkeypatch, image):
  """A set whose record 3 has another image."""
  sets = {part: cifar_records(IMAGES[part][:10], LABELS[part][:10]) for part in COUNTS}
  sets["train"][3]["image"] = image
  monkeypatch.setenv("TFDS_DATA_DIR", str(write_tfds(tmp_path, "cifar10", sets)))
  return opened()


def test_an_image_of_another_shape_is_told_with_its_record(tmp_path, monkeypatch):
  pool = broken(tmp_path, monkeypatch, encoded(np.zeros((30, 32, 3), np.uint8)))
  with pytest.raises(
    InputError, match=r"^data.name: record 3 of 'cifar10' is uint8 \[30, 32, 3\]; .*record 0$"
  ):
    pool.block(0, 10)
  np.testing.assert_array_equal(pool.block(0, 3), IMAGES["train"][:3])


def test_a_record_that_can_not_be_decoded_is_told(tmp_path, monkeypatch):
  pool = broken(tmp_path, monkeypatch, b"no image")
  with pytest.raises(InputError, match=r"^data.name: .*'cifar10' .*cannot identify image file") as error:
    pool.block(0, 10)
  assert "\n" not in str(error.value)


def test_worker_processes_tell_what_is_wrong(tmp_path, monkeypatch, short):
  monkeypatch.setattr(records, "LONG", 1)
  pool = broken(tmp_path, monkeypatch, encoded(np.zeros((30, 32, 3), np.uint8)))
  pool.workers = 1
  pool.block(0, 2)
  with pytest.raises(InputError, match=r"record 3 of 'cifar10' is uint8 \[30, 32, 3\]"):
    pool.block(2, 6)
  assert pool._pass is None


def test_labels_and_test_images_are_kept_and_no_pool(tmp_path, monkeypatch):
  splits = data.load("cifar10", cache=tmp_path, store="records")
  assert isinstance(splits.pool.images, RecordPool)
  np.testing.assert_array_equal(splits.test.images, IMAGES["test"])
  for part, found in (("train", splits.pool), ("test", splits.test)):
    assert found.labels.dtype == np.int32
    np.testing.assert_array_equal(found.labels, LABELS[part])
    data.check_data(part, found, 10)
  held = sum(path.stat().st_size for path in tmp_path.rglob("*.npy"))
  assert held < IMAGES["test"].nbytes + LABELS["train"].nbytes + LABELS["test"].nbytes + 1_000
  # Once only.
  monkeypatch.setattr(records, "label_of", None)
  monkeypatch.setattr(RecordPool, "block", None)
  again = data.load("cifar10", cache=tmp_path, store="records")
  np.testing.assert_array_equal(again.pool.labels, LABELS["train"])
  np.testing.assert_array_equal(again.test.images, IMAGES["test"])
  # Without a cache they are read.
  monkeypatch.undo()


def test_without_a_cache_they_are_read_each_time(root, monkeypatch):
  splits = open_splits("cifar10", ("train[:5]", "test[:3]", "train[5:9]"), tuple("abcdefghij"), None)
  np.testing.assert_array_equal(splits.test.images, IMAGES["test"][:3])
  np.testing.assert_array_equal(splits.validation.labels, LABELS["train"][5:9])
  np.testing.assert_array_equal(data.read(splits.validation).images, IMAGES["train"][5:9])


def selections(workdir):
  return tiny.without_seconds(read_lines(workdir / "selections.jsonl"))


def test_decoded_and_records_select_the_same(tmp_path):
  settings = {"data.name": "cifar10", "data.classes": (1, 7), "gan.iterations": 20, "gan.looks": 0}
  found = {}
  for store in ("decoded", "records"):
    config = tiny.config(
      strategies=("entropy", "asal_pixels_rescore5"), **settings, **tiny.QUICK_GAN, **{"data.store": store}
    )
    result = asal_jax.run(config, workdir=tmp_path / store, cache=tmp_path / f"cache_{store}")
    found[store] = selections(tmp_path / store), tiny.without_seconds(result.records)
  assert len(found["decoded"][0]) == 8
  assert found["decoded"] == found["records"]
  # Where a pool is held is no other config: the workdir of one is that of the other.
  assert asal_jax.run(config, workdir=tmp_path / "decoded", cache=tmp_path / "cache_records") is not None


def test_records_are_of_named_sets_alone(tmp_path):
  for overrides in (
    {"data.name": "digits"},
    {"data.name": "celeb_a", "data.folder": "x", "data.classes": ()},
  ):
    config = tiny.config(**overrides, **{"data.store": "records"})
    with pytest.raises(
      InputError, match=r"^data.store: found 'records'; it is for mnist, cifar10 and celeb_a"
    ):
      job.check(config, "all", known=True)


def test_celeb_a_by_records_is_celeb_a_decoded(tmp_path, monkeypatch):
  images = RNG.integers(0, 256, (9, 218, 178, 3)).astype(np.uint8)
  values = RNG.integers(0, 2, (9, 40))
  landmarks = [
    f"{place}_{axis}" for place in ("lefteye", "leftmouth", "nose", "righteye", "rightmouth") for axis in "xy"
  ]
  rows = [
    {"image": encoded(image, "JPEG"), "identity/Identity_No": 1}
    | {f"attributes/{name}": value for name, value in zip(CELEB_A_ATTRIBUTES, has, strict=True)}
    | {f"landmarks/{name}": 0 for name in landmarks}
    for image, has in zip(images, values, strict=True)
  ]
  parts = {"train": rows[:4], "validation": rows[4:6], "test": rows[6:]}
  monkeypatch.setenv("TFDS_DATA_DIR", str(write_tfds(tmp_path / "tfds", "celeb_a", parts)))
  load = lambda store: attributes.load_celeb_a("Bangs", "", tmp_path / "cache", store)  # noqa: E731
  found, expected = load("records"), load("decoded")
  assert isinstance(found.pool.images, RecordPool)
  assert found.class_names == expected.class_names
  for part in ("pool", "validation", "test"):
    one, other = data.read(getattr(found, part)), getattr(expected, part)
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)
  np.testing.assert_array_equal(found.pool.labels, values[:4, CELEB_A_ATTRIBUTES.index("Bangs")])
  # Another attribute has other labels.
  other = attributes.load_celeb_a("Young", "", tmp_path / "cache", "records")
  np.testing.assert_array_equal(other.pool.labels, values[:4, CELEB_A_ATTRIBUTES.index("Young")])
  # The crop sees what TFDS decoded.
  (source,) = open_tfds("celeb_a", ("train",))
  np.testing.assert_array_equal(found.pool.images.read(np.array([2]))[0], crop_and_resize(source[2]["image"]))
