"""Pictures within a page."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from asal_jax.reporting.markup import thumbnail


def test_a_page_of_photographs_stays_small():
  """48 of 256x256 at worst, which are noise."""
  noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
  assert 48 * len(thumbnail(noise, "x")) < 2.5e6


@pytest.mark.parametrize(("side", "shown"), [(8, 96), (28, 112), (64, 128), (120, 120)])
def test_small_images_are_enlarged_by_a_whole_number_and_kept_exactly(side, shown):
  image = np.random.default_rng(0).integers(0, 256, (side, side, 1), np.uint8)
  tag = thumbnail(image, "a<b")
  assert f"width={shown} height={shown}" in tag
  assert 'alt="a&lt;b"' in tag
  assert ("class=pixels" in tag) == (shown > side)
  source = re.search(r'src="data:image/(\w+);base64,([^"]+)"', tag)
  with Image.open(io.BytesIO(base64.b64decode(source[2]))) as kept:
    assert kept.size == (side, side)
    if side <= 64:
      np.testing.assert_array_equal(np.asarray(kept), image[..., 0])
