"""Classes of image files by the classifier in this folder: python classify.py FILE ...

It needs what `pip install jax flatbuffers numpy pillow` installs, and nothing else.
"""

import json
import pathlib
import sys
from typing import Any

import jax
import numpy as np
from jax import export
from PIL import Image, ImageOps


def prepare(image: Image.Image, about: dict[str, Any]) -> np.ndarray:
  """The image as the classifier saw its pool: upright, transparent parts white, cropped or padded; uint8 [h, w, c]."""
  height, width, channels = about["image_shape"]
  image.draft(None, (4 * width, 4 * height))  # A large JPEG is decoded small.
  image = ImageOps.exif_transpose(image)
  if image.mode.startswith("I"):  # 16 bits
    image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
  if image.has_transparency_data:
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image.convert("RGBA"))
  fitted = ImageOps.pad if about["fit"] == "pad" else ImageOps.fit
  return np.array(fitted(image.convert("L" if channels == 1 else "RGB"), (width, height))).reshape(
    height, width, -1
  )


if __name__ == "__main__":
  folder = pathlib.Path(__file__).parent
  about = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
  saved = export.deserialize(bytearray((folder / "classifier.jaxexport").read_bytes()))
  classify = jax.jit(saved.call)  # uint8 [n, h, w, c] -> float32 [n, classes], for any n
  for path in sys.argv[1:]:
    with open(
      path, "rb"
    ) as file:  # By its name Pillow would map a plain TIFF that lies on its side as if it stood.
      image = prepare(Image.open(file), about)
    probabilities = np.asarray(classify(image[None]))[0]
    best = probabilities.argmax()
    print(f"{path}: {about['class_names'][best]} {probabilities[best]:.6f}")
