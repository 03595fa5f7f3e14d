"""Many PNG files at once, against Pillow's decoding of each."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pools import quick
from tfds_sets import encoded

from asal_jax.pools import png


def pictures(n, height, width, channels, seed=0):
  """Noise, slopes and flat images: an encoder gives their rows different filters."""
  rng = np.random.default_rng(seed)
  slopes = np.add.outer(np.arange(height), np.arange(width))[None, :, :, None] * rng.integers(
    0, 9, (n, 1, 1, channels)
  )
  noise = rng.integers(0, 256, (n, height, width, channels)) * rng.integers(0, 2, (n, 1, 1, 1))
  return (slopes + noise).astype(np.uint8)


@quick
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 12), st.sampled_from((1, 3)), st.integers(0, 99))
def test_each_is_decoded_as_by_itself(n, height, width, channels, seed):
  images = pictures(n, height, width, channels, seed)
  files = [encoded(image[..., 0] if channels == 1 else image) for image in images]
  np.testing.assert_array_equal(png.decode(files), images)


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_reads_zeros_above_the_first_row(kind):
  # Written by hand, so that the first row has the filter asked for: none, left, up, mean, Paeth.
  rows = np.random.default_rng(kind).integers(0, 256, (3, 2, 4), np.uint8)
  raw = [b"".join(bytes([kind]) + row.tobytes() for row in image) for image in rows]
  head = np.array([4, 2], ">u4").tobytes() + b"\x08\0\0\0\0"
  files = [
    b"\x89PNG\r\n\x1a\n"
    + b"".join(
      png._chunk(*chunk) for chunk in ((b"IHDR", head), (b"IDAT", zlib.compress(image)), (b"IEND", b""))
    )
    for image in raw
  ]
  each = [np.asarray(Image.open(io.BytesIO(file)))[..., None] for file in files]
  np.testing.assert_array_equal(png.decode(files), each)


def test_data_in_several_chunks_among_others():
  image = pictures(1, 9, 7, 1)[0, ..., 0]
  data = png._compressed(encoded(image))
  pieces = [(b"IDAT", data[:5]), (b"tEXt", b"IDAT\0IEND"), (b"IDAT", data[5:]), (b"IEND", b"")]
  file = encoded(image)[:33] + b"".join(png._chunk(*piece) for piece in pieces)
  np.testing.assert_array_equal(png.decode([file, encoded(image)]), [image[..., None]] * 2)


def test_what_it_leaves_to_others():
  grey = encoded(np.zeros((4, 4), np.uint8))
  palette = io.BytesIO()
  Image.fromarray(np.zeros((4, 4), np.uint8)).convert("P").save(palette, "PNG")
  others = {
    "another size": encoded(np.zeros((4, 5), np.uint8)),
    "JPEG": encoded(np.zeros((4, 4), np.uint8), "JPEG"),
    "16 bits": encoded(np.zeros((4, 4), np.uint16)),
    "a palette": palette.getvalue(),
  }
  for other in others.values():
    assert png.decode([grey, other]) is None
    assert png.decode([other, grey]) is None


def test_broken_files():
  good = encoded(pictures(1, 9, 7, 1)[0, ..., 0])
  for broken in (good[:-20], good[:50] + b"?" + good[51:]):
    with pytest.raises((struct.error, zlib.error)):
      png.decode([good, broken])
