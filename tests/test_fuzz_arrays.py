"""Embeddings and attribute folders, fuzzed: they are read as numpy reads them, or the file is named; nothing in them is
run."""

import ast
import io
import json
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
from fuzz import damaged, fuzzed, read
from hypothesis import strategies as st
from npys import RUN, Runs, embeddings, numpy_reads, saved
from spelt import written

from asal_jax.pools.attributes import PARTS, attribute_splits
from asal_jax.pools.embeddings import load_embeddings

FILES = tuple(f"{i}.png" for i in range(6))


def expected(values):
  """Bytes of embeddings f[6, d]; None where they can not be had."""
  if values is None or values.dtype.kind != "f" or values.dtype.itemsize > 8:
    return None
  if values.ndim != 2 or len(values) != 6 or not values.size:
    return None
  values = values.astype(np.longdouble)
  if not np.isfinite(values).all():
    return None
  deviation = values.std(axis=0)
  scaled = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
  return np.clip((scaled + 4) * (255 / 8), 0, 255)


@fuzzed(80, 2500, st.one_of(embeddings(), damaged(embeddings())), fewest=0.1)
def test_embeddings_are_numpy_s_or_refused(folder, data):
  path, cache = folder / "some.npy", Path(tempfile.mkdtemp(dir=folder))
  path.write_bytes(data)
  found = read(lambda: load_embeddings(str(path), FILES, cache), rf"^features.file: .*{re.escape(str(path))}")
  wanted = expected(numpy_reads(data))
  assert (found is None) == (wanted is None)
  if found is not None:
    np.testing.assert_allclose(found[:, 0, 0], wanted.astype(float), atol=0.51)
  shutil.rmtree(cache)
  assert not Path("was_run").exists()
  return found is not None


@st.composite
def whose(draw):
  """The CSV beside embeddings: whose its rows are, in some order, mostly."""
  named = draw(st.permutations(FILES))
  kind = draw(st.sampled_from(["whole", "whole", "twice", "missing", "other", "more", "header"]))
  at = draw(st.integers(0, 5))
  if kind == "twice":
    named[at] = draw(st.sampled_from(FILES))
  if kind == "missing":
    del named[at]
  if kind == "other":
    named[at] = draw(st.sampled_from(["6.png", "", "0", "0.PNG", "../0.png", "=0.png"]))
  if kind == "more":
    named.insert(at, draw(st.sampled_from([*FILES, "6.png", "x" * 200_000])))
  head = (
    draw(st.sampled_from(["file", "File", " FILE "]))
    if kind != "header"
    else draw(st.sampled_from(["", "f", "0.png"]))
  )
  first = draw(st.booleans())
  rows = [[head, "n"], *([name, str(i)] for i, name in enumerate(named))]
  data = written(
    [row[:: 1 if first else -1] for row in rows], draw(st.sampled_from(",;\t")), "\n", draw(st.booleans())
  )
  return named if head.strip().lower() == "file" else None, data


@fuzzed(40, 1000, whose(), fewest=0.2)
def test_rows_of_embeddings_are_those_of_the_files_that_their_csv_names(folder, made):
  named, data = made
  path, cache = folder / "some.npy", Path(tempfile.mkdtemp(dir=folder))
  values = np.arange(18, dtype=np.float32).reshape(6, 3) ** 2
  np.save(path, values)
  path.with_suffix(".csv").write_bytes(data)
  found = read(
    lambda: load_embeddings(str(path), FILES, cache), rf"^features.file: {re.escape(str(path)[:-4])}.csv"
  )
  assert (found is not None) == (named is not None and sorted(named) == [*FILES])
  if found is not None:
    wanted = expected(values[[named.index(file) for file in FILES]]).astype(float)
    np.testing.assert_allclose(found[:, 0, 0], wanted, atol=0.51)
  shutil.rmtree(cache)
  return found is not None


def attributes_of(n, k, seed):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, (n, 64, 64, 3), np.uint8), rng.integers(0, 2, (n, k), np.uint8)


WHOLE = {"attributes.json": json.dumps(["hat", "smile"]).encode()}
for _seed, _part in enumerate(PARTS):
  for _kind, _array in zip(("images", "attributes"), attributes_of(2, 2, _seed), strict=True):
    WHOLE[f"{_part}_{_kind}.npy"] = saved(_array)
NAMES = st.sampled_from(
  [["hat"], ["hat", "hat"], [], {}, None, "hat", ["hat", 1], ["smile", "hat"], ["hat", ["smile"]], ["a", "b"]]
).map(lambda names: json.dumps(names).encode())
TEXTS = st.sampled_from(
  [b"[" * 100_000, b"\xff", b'["hat", "smile"', b"", b'["hat", "smile"]\0', b'\xef\xbb\xbf["hat","smile"]']
)


@st.composite
def other_array(draw):
  images, attributes = attributes_of(draw(st.integers(0, 3)), draw(st.integers(1, 3)), 9)
  attributes[:1] = draw(st.integers(0, 3))
  array = draw(
    st.sampled_from([images, attributes, images[..., 0], attributes.astype(bool), images.astype("f4")])
  )
  zipped = io.BytesIO()
  np.savez(zipped, array)
  return draw(st.sampled_from([saved(array), zipped.getvalue(), saved(np.array([Runs()] * 2, object))]))


@st.composite
def attribute_folder(draw):
  """The files of a folder, all whole but one."""
  name = draw(st.sampled_from([*WHOLE]))
  if name == "attributes.json":
    return WHOLE | {name: draw(NAMES | TEXTS | damaged(st.just(WHOLE[name])))}
  return WHOLE | {name: draw(st.one_of(other_array(), embeddings(), damaged(st.just(WHOLE[name]))))}


def attributes_truth(files):
  """(images, labels of 'hat') of each part; None where a folder does not hold the format."""
  try:
    names = json.loads(files["attributes.json"])
  except (ValueError, RecursionError):
    return None
  if not isinstance(names, list) or [*map(type, names)] != [str] * len(names) or names.count("hat") != 1:
    return None
  found = []
  for part in PARTS:
    images, attributes = (numpy_reads(files[f"{part}_{kind}.npy"]) for kind in ("images", "attributes"))
    if images is None or attributes is None or images.dtype != np.uint8 or attributes.dtype != np.uint8:
      return None
    if (
      not len(images) or images.shape != (len(attributes), 64, 64, 3) or attributes.shape[1:] != (len(names),)
    ):
      return None
    if attributes.max() > 1:
      return None
    found.append((images, attributes[:, names.index("hat")]))
  return found


WHOLE_ONES = st.integers(0, 10**6).map(
  lambda seed: WHOLE | {"train_images.npy": saved(attributes_of(2, 2, seed)[0])}
)


@fuzzed(40, 1000, attribute_folder() | WHOLE_ONES, fewest=0.1)
def test_an_attribute_folder_is_numpy_s_or_refused(folder, files):
  for name, data in files.items():
    (folder / name).write_bytes(data)
  found, wanted = (
    read(lambda: attribute_splits(folder, "hat"), r"^data\.(folder|attribute): "),
    attributes_truth(files),
  )
  assert (found is None) == (wanted is None)
  if found is not None:
    for data, (images, labels) in zip((found.pool, found.validation, found.test), wanted, strict=True):
      np.testing.assert_array_equal(data.images, images)
      np.testing.assert_array_equal(data.labels, labels)
  assert not Path("was_run").exists()
  return found is not None


def test_what_must_never_run_would_leave_a_file(tmp_path, monkeypatch):
  """So that the tests above can fail."""
  monkeypatch.chdir(tmp_path)
  np.load(io.BytesIO(saved(np.array([Runs()], object))), allow_pickle=True)
  assert (tmp_path / "was_run").exists()
  assert ast.parse(RUN)
