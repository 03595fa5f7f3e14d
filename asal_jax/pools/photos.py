"""One image file of any size and kind as a small square, or the reason why it is none."""

import contextlib
import pathlib
import threading
from typing import Any

import numpy as np
from jaxtyping import UInt8

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
"""What Pillow is let try, whatever a file is called; of an animation or several pages the first."""

SUFFIXES = (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""How files of these formats are called, in lower case."""

FITS = ("crop", "pad")

SMALLEST_SIDE = 8
MOST_SIDE = 65_500
MOST_PIXELS = 100_000_000
"""What is smaller or larger is no photograph, and is not decoded."""

LARGE = 16_000_000
"""Pixels from which images are decoded one at a time: several at once would fill the memory."""

_one_at_a_time = threading.Lock()


def read_photo(path: pathlib.Path, size: int, fit: str) -> UInt8[np.ndarray, "h w 3"] | str:
  """The image in a file, upright, as a square of `size`, or within one; or in words why there is none.

  By Pillow's bicubic filter, antialiased. What is transparent becomes white; grey of 16 bits, and numbers beyond 8
  bits, are scaled. Safe in threads; a large image waits for the one before it.

  Args:
    path: the file.
    size: side of the square.
    fit: 'crop', its central square, 'pad', all of it on black, or 'within', all of it and no more, not enlarged.
  """
  from PIL import Image, UnidentifiedImageError

  try:
    # Not by its name: Pillow would map a plain TIFF that lies on its side as if it stood, and scramble it.
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
      if reason := _absurd(*image.size):
        return reason
      large = image.width * image.height > LARGE
      with _one_at_a_time if large else contextlib.nullcontext():
        return _resized(image, size, fit)
  except Image.DecompressionBombError:
    return _too_large()
  except UnidentifiedImageError:
    return f"no image of a known format ({', '.join(FORMATS)})"
  except OSError as error:
    return error.strerror or _first_line(error)
  except Exception as error:  # Decoders raise anything at a broken file, struct.error and SyntaxError too.
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
  return (str(error).strip().splitlines() or ["broken"])[0][:200]


def _absurd(width: int, height: int) -> str:
  """Why an image of this size is not decoded; '' where it may be."""
  if min(width, height) < SMALLEST_SIDE:
    return f"{width}x{height}, smaller than {SMALLEST_SIDE}x{SMALLEST_SIDE}"
  if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
    return f"{width}x{height}, {_too_large()}"
  return ""


def _too_large() -> str:
  return f"more than {MOST_PIXELS // 10**6} megapixels, or a side above {MOST_SIDE:,}"


def _resized(image: Any, size: int, fit: str) -> UInt8[np.ndarray, "h w 3"]:
  from PIL import ImageOps

  # A JPEG is decoded at a half, quarter or eighth where four times the size is left: sides are rounded up to a pixel.
  image.draft(None, (4 * size, 4 * size))
  image.load()
  # Pixels are whole where what a camera wrote beside them is not.
  with contextlib.suppress(Exception):
    ImageOps.exif_transpose(image, in_place=True)
  image = _in_colour(image)
  if fit == "within":
    image.thumbnail((size, size))
    return np.array(image)
  resize = ImageOps.fit if fit == "crop" else ImageOps.pad
  return np.array(resize(image, (size, size)))


def _in_colour(image: Any) -> Any:
  """The image in mode RGB."""
  from PIL import Image

  if image.mode.startswith(("I", "F")):
    image = Image.fromarray(_bytes(np.asarray(image), image.mode))
  if image.has_transparency_data:
    white, image = (
      Image.new("RGB", image.size, "white"),
      image if image.mode == "RGBA" else image.convert("RGBA"),
    )
    white.paste(image, mask=image)
    return white
  return image if image.mode == "RGB" else image.convert("RGB")


def _bytes(values: np.ndarray, mode: str) -> UInt8[np.ndarray, "h w"]:
  """Grey values of 16 or 32 bits as bytes: 0..65535 whole, 0..1 of floats, else from the least to the largest."""
  values = values.astype(np.float32)
  low, high = float(values.min()), float(values.max())
  if not (np.isfinite(low) and np.isfinite(high)):
    raise ValueError("its values are not finite")
  usual = 1.0 if mode == "F" else 65535.0
  if low >= 0 and high <= usual:
    low, high = 0.0, usual
  # In place: a large image is hundreds of megabytes.
  values -= low
  values *= 255 / ((high - low) or 1)
  return np.rint(values, out=values).astype(np.uint8)
