"""One image file to a square: every mode and format, upright, scaled; and whatever is none, told in words."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import cropped, padded, png, png_header, smooth
from PIL import Image, ImageFile

from asal_jax.pools import photos
from asal_jax.pools.photos import MOST_PIXELS, MOST_SIDE, SMALLEST_SIDE, read_photo

# As where photographs are taken in.
pytestmark = pytest.mark.filterwarnings("ignore")

IMAGE = smooth(90, 120)
GREY = IMAGE[..., 0]


def grey3(values):
  return np.repeat(values[..., None], 3, axis=-1)


def saved(path, image, **options):
  Image.fromarray(image).save(path, **options)
  return path


def read(path, size=32, fit="crop"):
  found = read_photo(path, size, fit)
  assert isinstance(found, np.ndarray), found
  assert (found.dtype, found.shape) == (np.uint8, (size, size, 3))
  return found


@pytest.mark.parametrize(("height", "width"), [(90, 120), (121, 64), (40, 300), (20, 13), (64, 64), (8, 9)])
@pytest.mark.parametrize(("fit", "truth"), [("crop", cropped), ("pad", padded)])
def test_squares_are_those_of_the_filter(tmp_path, height, width, fit, truth):
  image = smooth(height, width)
  found = read(saved(tmp_path / "a.png", image), 32, fit)
  # Pillow rounds after each of its two passes.
  assert np.abs(found - truth(image, 32)).max() <= 1.6


def as_mode(mode):
  if mode in ("I;16", "I;16B"):
    values = GREY.astype("<u2" if mode == "I;16" else ">u2") * 257
    return Image.frombytes(mode, (120, 90), values.tobytes())
  if mode == "F":
    return Image.fromarray(GREY.astype(np.float32) / 255)
  if mode == "I":
    return Image.fromarray(GREY.astype(np.int32) * 257)
  if mode == "P":
    return Image.fromarray(IMAGE).quantize(256)
  return Image.fromarray(IMAGE).convert(mode) if mode != "L" else Image.fromarray(GREY)


FORMATS = {
  "png": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
  "jpg": ("RGB", "L", "CMYK"),
  "webp": ("RGB", "RGBA"),
  "tiff": ("RGB", "RGBA", "L", "P", "1", "CMYK", "YCbCr", "I;16", "I;16B", "I", "F"),
  "gif": ("L", "P", "1"),
  "bmp": ("RGB", "L", "P", "1"),
}
# Quantised, dithered, compressed: how far the mean colours of 8x8 squares may be off, in grey levels.
ROUGH = {"P": 8, "1": 40, "CMYK": 3, "YCbCr": 3}


@pytest.mark.parametrize(("suffix", "mode"), [(s, mode) for s, modes in FORMATS.items() for mode in modes])
def test_every_mode_and_format(tmp_path, suffix, mode):
  path, image = tmp_path / f"a.{suffix}", as_mode(mode)
  assert image.mode == mode
  image.save(path, **{"webp": {"lossless": True}, "jpg": {"quality": 95}}.get(suffix, {}))
  grey = mode in ("L", "LA", "I;16", "I;16B", "I", "F")
  source = grey3(GREY) if grey else IMAGE
  if mode in ("1", "LA"):
    source = grey3(np.asarray(Image.fromarray(IMAGE).convert("L")))
  found = read(path, 8)
  assert np.abs(found - cropped(source, 8)).max() <= ROUGH.get(mode, 3 if suffix == "jpg" else 2)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
  ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
  for name, values in {"a.png": ramp, "a.tiff": ramp, "b.tiff": ramp.astype(np.int32)}.items():
    found = read(saved(tmp_path / name, values), 64)[0, :, 0]
    assert np.abs(found - ramp[0] / 257).max() <= 0.51
  # Floats from 0 to 1, and numbers of any range: the least is black, the largest white.
  assert (
    np.abs(read(saved(tmp_path / "c.tiff", (ramp / 65535).astype(np.float32)), 64)[0, :, 0] - found).max()
    <= 1
  )
  far = ramp.astype(np.int32) * 3 - 9_000
  assert np.abs(read(saved(tmp_path / "d.tiff", far), 64)[0, :, 0].astype(int) - found).max() <= 1
  flat = read(saved(tmp_path / "e.tiff", np.full((9, 9), -7, np.int32)), 8)
  assert flat.max() == 0
  broken = np.full((9, 9), np.nan, np.float32)
  assert "not finite" in read_photo(saved(tmp_path / "f.tiff", broken), 8, "crop")


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_sixteen_bits(tmp_path, colour, channels):
  values = np.full((90, 120, channels), 65535, ">u2")
  shown = channels - (colour in (4, 6))
  values[..., :shown] = IMAGE[..., :shown].astype(np.uint16) * 257
  lines = b"".join(b"\0" + row.tobytes() for row in values)
  (tmp_path / "a.png").write_bytes(png(120, 90, 16, colour, lines))
  truth = IMAGE if shown == 3 else grey3(GREY)
  assert np.abs(read(tmp_path / "a.png", 32) - cropped(truth, 32)).max() <= 2


def test_several_pictures_of_a_phone_are_the_first(tmp_path):
  other = Image.fromarray(255 - IMAGE)
  Image.fromarray(IMAGE).save(
    tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[other], quality=95
  )
  assert np.abs(read(tmp_path / "a.jpg", 8) - cropped(IMAGE, 8)).max() <= 3


def test_what_is_transparent_becomes_white(tmp_path):
  alpha = np.zeros((90, 120), np.uint8)
  alpha[:, 60:], alpha[:, 90:] = 128, 255
  path = saved(tmp_path / "a.png", np.dstack([IMAGE, alpha]))
  shown = IMAGE * (alpha[..., None] / 255) + 255 * (1 - alpha[..., None] / 255)
  assert np.abs(read(path, 90)[4:-4, 4:-4] - cropped(np.round(shown), 90)[4:-4, 4:-4]).max() <= 2
  palette = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) // 32, "P")
  palette.putpalette([200, 0, 0, 0, 0, 200])
  for name in ("b.png", "b.gif"):
    palette.save(tmp_path / name, transparency=0)
    found = read(tmp_path / name, 8)
    assert (found[:3] > 240).all()
    assert np.abs(found[5:] - np.array([0, 0, 200])).max() <= 15


# How a camera that holds the image so has to turn it, by EXIF's eight orientations.
TURNED = {
  1: lambda x: x,
  2: lambda x: x[:, ::-1],
  3: lambda x: x[::-1, ::-1],
  4: lambda x: x[::-1],
  5: lambda x: x.transpose(1, 0, 2),
  6: lambda x: np.rot90(x, 1),
  7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
  8: lambda x: np.rot90(x, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_images_are_upright(tmp_path, orientation, suffix, fit):
  image = smooth(96, 128)
  upright = read(saved(tmp_path / "upright.png", image), 32, fit)
  exif = Image.Exif()
  exif[0x0112] = orientation
  turned = np.ascontiguousarray(TURNED[orientation](image))
  options = {"jpg": {"quality": 98, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
  found = read(saved(tmp_path / f"a.{suffix}", turned, exif=exif, **options), 32, fit)
  assert np.abs(found.astype(int) - upright).max() <= (4 if suffix == "jpg" else 1)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("mode", ["L", "P", "I;16", "RGBA", "CMYK"])
def test_plain_tiffs_which_pillow_would_map_are_upright(tmp_path, orientation, mode):
  """By their names, Pillow 13.0 maps those that lie on their side in rows of the wrong length."""
  image, exif = smooth(24, 32), Image.Exif()
  exif[0x0112] = orientation

  def as_mode(pixels):
    if mode == "I;16":
      return Image.fromarray(np.ascontiguousarray(pixels[..., 0]).astype(np.uint16) * 257)
    made = Image.fromarray(np.ascontiguousarray(pixels))
    return made.quantize(256, dither=Image.Dither.NONE) if mode == "P" else made.convert(mode)

  as_mode(image).save(tmp_path / "upright.png" if mode != "CMYK" else tmp_path / "upright.tiff")
  as_mode(TURNED[orientation](image)).save(tmp_path / "a.tiff", exif=exif)
  upright = read(next(tmp_path.glob("upright.*")), 16)
  assert np.abs(read(tmp_path / "a.tiff", 16).astype(int) - upright).max() <= (12 if mode == "P" else 1)


def test_pixels_are_kept_where_exif_is_broken(tmp_path):
  path = saved(tmp_path / "a.jpg", IMAGE, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f broken", quality=95)
  assert np.abs(read(path, 8) - cropped(IMAGE, 8)).max() <= 3


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_large_jpegs_are_decoded_small_and_look_the_same(tmp_path, fit, monkeypatch):
  image, sizes, load = smooth(1200, 1601), [], ImageFile.ImageFile.load
  path = saved(tmp_path / "a.jpg", image, quality=95)
  monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: [sizes.append(self.size), load(self)][1])
  found = read(path, 64, fit)
  assert sizes[0] == (401, 300)
  assert np.abs(found - {"crop": cropped, "pad": padded}[fit](image, 64)).mean() < 1.5


def test_the_first_frame_or_page_counts(tmp_path):
  frames = [Image.fromarray(smooth(40, 40, seed)) for seed in (1, 2, 3)]
  for suffix in ("gif", "tiff", "webp", "png"):
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert np.abs(read(tmp_path / f"a.{suffix}", 8) - cropped(np.asarray(frames[0]), 8)).max() <= 12


def test_what_a_file_is_called_does_not_matter(tmp_path):
  path = tmp_path / "a.jpg"
  Image.fromarray(IMAGE).save(path, format="PNG")
  assert np.abs(read(path, 8) - cropped(IMAGE, 8)).max() <= 1.6


@pytest.mark.parametrize(
  ("content", "reason"),
  [
    (b"", "no image of a known format"),
    (b"file,label\n", "no image of a known format"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of a known format"),
    (png_header(100_000, 100_000), "more than 100 megapixels"),
    (png_header(MOST_SIDE + 1, 9), f"{MOST_SIDE + 1}x9, more than 100 megapixels, or a side above 65,500"),
    (png_header(12_000, 9_000), "12000x9000, more than 100 megapixels"),
    (png_header(2**31 - 1, 2**31 - 1), "more than 100 megapixels"),
  ],
)
def test_what_is_no_photograph_is_told_and_never_decoded(tmp_path, monkeypatch, content, reason):
  def load(self):
    raise AssertionError("decoded")

  monkeypatch.setattr(ImageFile.ImageFile, "load", load)
  (tmp_path / "a.png").write_bytes(content)
  assert reason in read_photo(tmp_path / "a.png", 8, "crop")


@pytest.mark.parametrize("shape", [(1, 1), (SMALLEST_SIDE - 1, 100), (100, SMALLEST_SIDE - 1)])
def test_tiny_images_are_told(tmp_path, shape):
  height, width = shape
  reason = read_photo(saved(tmp_path / "a.png", smooth(height, width)), 8, "pad")
  assert reason == f"{width}x{height}, smaller than 8x8"


def test_the_largest_image_is_within_pillows_own_limit():
  """Beyond twice its limit Pillow refuses to open a file; up to there it only warns."""
  assert Image.MAX_IMAGE_PIXELS < MOST_PIXELS < 2 * Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "gif", "bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_told(tmp_path, suffix, share):
  path = saved(tmp_path / f"a.{suffix}", np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8))
  path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
  assert isinstance(read_photo(path, 8, "crop"), str)


def test_what_can_not_be_opened_is_told(tmp_path):
  assert read_photo(tmp_path / "none.png", 8, "crop") == "No such file or directory"
  assert read_photo(tmp_path, 8, "crop") == "Is a directory"


def encoded(suffix):
  file = io.BytesIO()
  Image.fromarray(IMAGE[:20, :24]).save(file, format=suffix)
  return file.getvalue()


WHOLE = {suffix: encoded(suffix) for suffix in photos.FORMATS}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
  return tmp_path_factory.mktemp("fuzz") / "file"


def is_told_or_read(scratch, content):
  scratch.write_bytes(content)
  found = read_photo(scratch, 8, "crop")
  assert (isinstance(found, str) and found) or found.shape == (8, 8, 3)


@settings(max_examples=300, deadline=None)
@given(
  st.sampled_from(photos.FORMATS), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=5)
)
def test_damaged_files_never_crash(scratch, kind, edits):
  content = bytearray(WHOLE[kind])
  for place, values in edits:
    at = int(place * (len(content) - 1))
    content[at : at + len(values)] = values
  is_told_or_read(scratch, bytes(content))


@settings(max_examples=100, deadline=None)
@given(
  st.sampled_from([content[:n] for content in WHOLE.values() for n in (0, 4, 12, 30)]),
  st.binary(max_size=200),
)
def test_bytes_behind_a_true_beginning_never_crash(scratch, beginning, rest):
  is_told_or_read(scratch, beginning + rest)


def test_large_images_are_decoded_one_at_a_time(tmp_path, monkeypatch):
  inside, most, lock = [], [], threading.Lock()

  def square(image, size, fit):
    with lock:
      inside.append(image)
      most.append(len(inside))
    time.sleep(0.02)
    with lock:
      inside.remove(image)
    return np.zeros((size, size, 3), np.uint8)

  monkeypatch.setattr(photos, "_resized", square)
  path = saved(tmp_path / "a.png", IMAGE)
  for large, expected in ((IMAGE.size // 3, 4), (IMAGE.size // 3 - 1, 1)):
    most.clear()
    monkeypatch.setattr(photos, "LARGE", large)
    with ThreadPoolExecutor(4) as threads:
      list(threads.map(lambda _: read_photo(path, 8, "crop"), range(8)))
    assert max(most) <= expected
    assert expected == 1 or max(most) > 1
