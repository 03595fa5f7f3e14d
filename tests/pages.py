"""What the tests of figures share."""

import numpy as np
from PIL import Image


def load(path):
  """The figure's pixels, after checks that hold for every one."""
  assert path.stat().st_size < 200_000
  with Image.open(path) as image:
    assert image.format == "PNG"
    pixels = np.asarray(image.convert("RGB"))
  assert 150 < pixels.shape[0] < 1400
  assert 200 < pixels.shape[1] < 2400
  assert pixels.std() > 5
  assert (pixels[:3] >= 250).all()  # Nothing runs over the edge of the page.
  assert (pixels[:, :3] >= 250).all()
  assert (pixels[:, -3:] >= 250).all()
  return pixels
