"""Images, fuzzed: decoded as Pillow decodes them, or left out with the reason; absurd ones by a limit that is named."""

import csv
import io
import itertools
import os
import re
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from fuzz import damaged, fuzzed, read
from hypothesis import strategies as st
from photographs import png_header, smooth
from PIL import Image

from asal_jax.labelling.page import pictures
from asal_jax.pools.intake import take_in
from asal_jax.pools.photos import FORMATS, MOST_PIXELS, MOST_SIDE, SMALLEST_SIDE, read_photo

# As where photographs are taken in.
pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = 16
MODES = {
  "JPEG": ("RGB", "L", "CMYK"),
  "PNG": ("RGB", "L", "RGBA", "P", "1", "I;16"),
  "WEBP": ("RGB", "RGBA"),
  "TIFF": ("RGB", "L", "RGBA", "CMYK", "1"),
  "GIF": ("L", "P"),
  "BMP": ("RGB", "L", "1"),
}
SMALL = rf"smaller than {SMALLEST_SIDE}x{SMALLEST_SIDE}"
LARGE = rf"more than {MOST_PIXELS // 10**6} megapixels, or a side above {MOST_SIDE:,}"


@st.composite
def image(draw):
  """The bytes of an image of some format, mode and way of saving."""
  sides = st.integers(8, 40) | st.sampled_from([1, 7, 8, 64])
  pixels = smooth(draw(sides), draw(sides), seed=draw(st.integers(0, 9)))
  kind = draw(st.sampled_from([*MODES]))
  mode = draw(st.sampled_from(MODES[kind]))
  made = (
    Image.fromarray(pixels[..., 0]).convert("I").convert("I;16")
    if mode == "I;16"
    else Image.fromarray(pixels)
  )
  made = made if mode == "I;16" else made.convert(mode)
  options = {
    "JPEG": st.fixed_dictionaries({"progressive": st.booleans(), "quality": st.sampled_from([20, 95])}),
    "WEBP": st.fixed_dictionaries({"lossless": st.booleans()}),
    "PNG": st.fixed_dictionaries({"compress_level": st.sampled_from([0, 9])}),
    "TIFF": st.fixed_dictionaries(
      {"compression": st.sampled_from([None, "tiff_lzw", "tiff_deflate", "packbits"])}
    ),
    "GIF": st.fixed_dictionaries({"save_all": st.booleans()}),
  }
  options = draw(options.get(kind, st.just({})))
  if kind in ("JPEG", "PNG", "WEBP", "TIFF") and draw(st.booleans()):
    exif = Image.Exif()
    exif[0x0112] = draw(st.integers(1, 8) if kind == "TIFF" else st.integers(0, 9))  # How it is turned.
    options = {**options, "exif": exif}
  buffer = io.BytesIO()
  made.save(buffer, kind, **options)
  return buffer.getvalue()


TURNS = dict(
  zip(
    range(2, 9),
    [
      "FLIP_LEFT_RIGHT",
      "ROTATE_180",
      "FLIP_TOP_BOTTOM",
      "TRANSPOSE",
      "ROTATE_270",
      "TRANSVERSE",
      "ROTATE_90",
    ],
    strict=True,
  )
)
"""How an image of an orientation is brought upright (EXIF 2.3, 4.6.4)."""


def pillow_reads(data):
  """The image of some bytes, upright; None where Pillow can not decode it."""
  try:
    found = Image.open(io.BytesIO(data), formats=FORMATS)
    if (
      min(found.size) < SMALLEST_SIDE
      or max(found.size) > MOST_SIDE
      or found.width * found.height > MOST_PIXELS
    ):
      return None
    found.load()
  except Exception:
    return None
  try:
    turn = TURNS.get(found.getexif().get(0x0112))
  except Exception:
    turn = None
  return found if turn is None else found.transpose(Image.Transpose[turn])


@fuzzed(100, 4000, st.one_of(image(), damaged(image()), damaged(image()), st.binary(max_size=64)), fewest=0.1)
def test_an_image_is_pillow_s_or_left_out_with_the_reason(folder, data):
  (folder / "a.png").write_bytes(data)
  found, truth = read_photo(folder / "a.png", SIZE, "crop"), pillow_reads(data)
  shown = pictures.original(str(folder), "a.png", 32)
  if isinstance(found, str):
    assert found.strip()
    assert "\n" not in found
    assert shown is None
    assert truth is None or truth.mode.startswith("F")  # Whose values are not finite.
    return False
  assert truth is not None
  assert (found.dtype, found.shape) == (np.uint8, (SIZE, SIZE, 3))
  if truth.mode in ("RGB", "L") and not truth.has_transparency_data and max(truth.size) <= 4 * SIZE:
    w, h = truth.size
    side = min(w, h)
    box = ((w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2)
    wanted = truth.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC, box)
    assert np.abs(found.astype(int) - np.asarray(wanted)).max() <= 1
  assert max(Image.open(io.BytesIO(shown)).size) <= 32
  return True


def gif(w, h):
  w, h = w % 2**16, h % 2**16
  return b"GIF89a" + struct.pack("<HH3xcHHHHx", w, h, b",", 0, 0, w, h) + b"\2\2\x4c\1\0;"


def bmp(w, h):
  data = io.BytesIO()
  Image.new("RGB", (8, 8)).save(data, "BMP")
  return data.getvalue()[:18] + struct.pack("<II", w % 2**32, h % 2**32) + data.getvalue()[26:]


def jpeg(w, h):
  data = io.BytesIO()
  Image.new("RGB", (8, 8)).save(data, "JPEG")
  at = data.getvalue().index(b"\xff\xc0") + 5
  return data.getvalue()[:at] + struct.pack(">HH", h % 2**16, w % 2**16) + data.getvalue()[at + 4 :]


def tiff(w, h):
  tags = {256: w, 257: h, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: h, 279: w * h}
  entries = b"".join(struct.pack("<HHII", tag, 4, 1, value % 2**32) for tag, value in tags.items())
  return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def webp(w, h):
  body = (
    b"VP8X"
    + struct.pack("<II", 10, 0)
    + (w % 2**24).to_bytes(3, "little")
    + (h % 2**24).to_bytes(3, "little")
  )
  return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


SIDES = [0, 1, 7, 20_000, 65_501, 65_535, 100_000, 2**20, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1]
CLAIMS = st.tuples(
  st.sampled_from([png_header, gif, bmp, jpeg, tiff, webp]), st.sampled_from(SIDES), st.sampled_from(SIDES)
)


@fuzzed(60, 600, CLAIMS, fewest=0.1)
def test_absurd_sizes_are_refused_by_the_limit_and_not_decoded(folder, claim):
  make, w, h = claim
  data = make(w, h)
  (folder / "a.png").write_bytes(data)
  try:
    claimed = Image.open(io.BytesIO(data), formats=FORMATS).size
  except Image.DecompressionBombError:
    claimed = (w, h)
  except Exception:
    claimed = None  # Pillow takes it for no image at all.
  found = read_photo(folder / "a.png", SIZE, "crop")
  assert isinstance(found, str)
  if claimed is not None:
    assert re.search(f"{SMALL}|{LARGE}" if min(claimed) < SMALLEST_SIDE else LARGE, found)
  return claimed is not None


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
ODD_NAMES = st.sampled_from(
  ["=1", "-x", "@y", "+z", 'q"', "a,b", "<b>", "x\ny", "x\ry", " lead", "trail ", ".hid", "\u202e", "é"]
)


@fuzzed(
  15,
  600,
  st.lists(st.tuples(NAMES | ODD_NAMES, image() | damaged(image())), min_size=1, max_size=4),
  fewest=0.1,
)
def test_a_folder_is_taken_in_as_its_images_are_or_refused(folder, files):
  photos, cache = Path(tempfile.mkdtemp(dir=folder)), Path(tempfile.mkdtemp(dir=folder))
  for name, data in files:
    (photos / f"{name}.png").write_bytes(data)
  try:
    found = read(lambda: take_in(str(photos), SIZE, "crop", cache), r"^data\.folder: ")
    if found is None:
      return False
    assert len(found.files) == len(found.images)
    for file, pixels in zip(found.files, found.images, strict=True):
      np.testing.assert_array_equal(pixels, read_photo(photos / file, SIZE, "crop"))
    kept = {name for name in os.listdir(photos) if name[0] != "." and len(name.splitlines()) == 1}
    assert {*found.files} | {*found.skipped} == kept
    with found.skipped_csv.open(newline="", encoding="utf-8") as file:
      assert dict(itertools.islice(csv.reader(file), 1, None)) == found.skipped
    return True
  finally:
    shutil.rmtree(photos)
    shutil.rmtree(cache)
