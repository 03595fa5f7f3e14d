"""USPS files, fuzzed: they are read as zipfile and numpy read them, or the file is named; nothing in them is run."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzz import damaged, fuzzed, read
from hypothesis import strategies as st
from npys import Runs, embeddings, numpy_reads, saved

from asal_jax.errors import InputError
from asal_jax.pools.usps import MOST_BYTES, TEST_COUNTS, enlarge, load_usps_test

_rng = np.random.default_rng(0)
DIGITS = _rng.integers(-1000, 1001, (sum(TEST_COUNTS), 16, 16)).astype(np.int16)
LABELS = np.repeat(np.arange(10, dtype=np.uint8), TEST_COUNTS)


def npz(method=zipfile.ZIP_STORED, **entries):
  data = io.BytesIO()
  with zipfile.ZipFile(data, "w", method) as file:
    for name, entry in entries.items():
      file.writestr(f"{name}.npy", entry)
  return data.getvalue()


@st.composite
def usps(draw):
  """The split, mostly; else other arrays, other entries, or bytes that are spoilt."""
  digits, labels = DIGITS.copy(), LABELS.copy()
  kind = draw(
    st.sampled_from(["whole", "whole", "count", "value", "dtype", "shape", "entry", "pickle", "missing"])
  )
  if kind == "count":
    labels[draw(st.integers(0, len(labels) - 1))] = draw(st.integers(0, 255))
  if kind == "value":
    digits[draw(st.integers(0, 2006)), 0, 0] = draw(
      st.sampled_from([-1000, 1000, 1001, -1001, 32767, -32768])
    )
  if kind == "dtype":
    digits = digits.astype(draw(st.sampled_from([">i2", "i4", "i8", "f4", "u2", "U4"])))
    labels = labels.astype(draw(st.sampled_from(["i4", ">u8", "f4", "?"])))
  if kind == "shape":
    digits = draw(
      st.sampled_from([digits[:-1], digits[:, :8], digits[None], digits[0, 0, 0], np.asfortranarray(digits)])
    )
    labels = draw(st.sampled_from([labels, labels[:-1], labels[:, None], labels[0]]))
  entries = {"mills_test": saved(digits), "y_test": saved(labels)}
  if kind == "entry":
    entries[draw(st.sampled_from([*entries]))] = draw(embeddings())
  if kind == "pickle":
    entries["y_test"] = saved(np.array([Runs()] * len(labels), object))
  if kind == "missing":
    del entries[draw(st.sampled_from([*entries]))]
  data = (
    npz(draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])), **entries)
    if kind != "whole"
    else FILE
  )
  return draw(st.one_of(st.just(data), st.just(data), damaged(st.just(data))))


class Npz(bytes):
  """Too long to be shown."""

  def __repr__(self):
    return f"{len(self)} bytes: {self[:60]!r}"


FILE = npz(mills_test=saved(DIGITS), y_test=saved(LABELS))


def usps_truth(data):
  """(digits in [-1, 1], labels); None where they are not the split."""
  try:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
      digits, labels = (numpy_reads(file.read(f"{name}.npy")) for name in ("mills_test", "y_test"))
  except Exception:
    return None
  if digits is None or labels is None:
    return None
  if digits.dtype.kind != "i" or digits.shape[1:] != (16, 16) or labels.shape != digits.shape[:1]:
    return None
  counts = {k: int((labels == k).sum()) for k in range(10)}
  whole = labels.dtype.kind in "iu" and len(labels) == 2007 and tuple(counts.values()) == TEST_COUNTS
  return (digits / 1000, labels) if whole and np.abs(digits / 1000).max() <= 1 else None


@fuzzed(25, 1000, usps().map(Npz))
def test_usps_is_the_split_or_refused(folder, data):
  path = folder / "usps.npz"
  path.write_bytes(data)
  found, wanted = read(lambda: load_usps_test(str(path)), r"^data\.usps_file: "), usps_truth(data)
  assert (found is None) == (wanted is None)
  if found is not None:
    np.testing.assert_array_equal(found.labels, wanted[1])
    np.testing.assert_array_equal(found.images[::500], enlarge(wanted[0][::500].astype(np.float32)))
  assert not Path("was_run").exists()
  return found is not None


def test_an_npz_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
  bomb = npz(
    zipfile.ZIP_DEFLATED, mills_test=saved(np.zeros((100_000, 16, 16), np.int16)), y_test=saved(LABELS)
  )
  assert len(bomb) < MOST_BYTES / 50
  (tmp_path / "usps.npz").write_bytes(bomb)
  with pytest.raises(InputError, match=rf"mills_test unpacks to 51,200,128 bytes, more than {MOST_BYTES:,}"):
    load_usps_test(str(tmp_path / "usps.npz"))
