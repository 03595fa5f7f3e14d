import numpy as np
import pytest
from pages import load
from PIL import Image

from asal_jax.errors import InputError
from asal_jax.reporting import pictures


def flat(values, h, w, c):
  """One image of each value."""
  return np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), h, w, c))


def level(pixels, value):
  """Rows and columns of the pixels that are of one grey value."""
  return np.argwhere((pixels == value).all(-1))


@pytest.mark.parametrize(("h", "c", "scale"), [(8, 1, 12), (28, 1, 3), (64, 3, 2)])
def test_matches_places_every_image_in_whole_enlargement(tmp_path, h, c, scale):
  matched = [
    pictures.Matched("pixels", flat([101, 109, 117], h, h, c), ["5", "7", "5"], [0, 49999, 3]),
    pictures.Matched("auto-encoder", flat([125, 133, 141], h, h, c), ["7", "7", "7"], [1, 2, 12]),
  ]
  pictures.matches(flat([77, 85, 93], h, h, c), matched, tmp_path / "m.png", "Matches")
  pixels = load(tmp_path / "m.png")
  corners, side = [], h * scale
  for value in range(77, 142, 8):
    equal = (pixels == value).all(
      -1
    )  # Letters' edges have an image's grey here and there, never in a full row.
    rows, columns = (np.flatnonzero(equal.sum(axis) >= side) for axis in (1, 0))
    assert (len(rows), len(columns)) == (side, side)
    assert equal[np.ix_(rows, columns)].all()
    corner = (rows[0], columns[0])
    corners.append(corner)
  grid = np.reshape(corners, (3, 3, 2))
  assert np.ptp(grid[:, :, 0], axis=1).max() == 0
  assert np.ptp(grid[:, :, 1], axis=0).max() == 0
  assert (np.diff(grid[:, :, 0], axis=0) > side).all()
  assert (np.diff(grid[:, :, 1], axis=1) > side).all()


def test_matches_writes_label_and_id(tmp_path, figures):
  rows = [pictures.Matched("critic", flat([1, 2], 8, 8, 1), ["no hat", "hat"], [16, 202599])]
  pictures.matches(flat([3, 4], 8, 8, 1).astype(np.float32), rows, tmp_path / "m.png", "Matches")
  assert {"Matches", "generated", "critic", "no hat/16", "hat/202599"} <= {
    t.get_text() for t in figures[0].texts
  }
  extents = [text.get_window_extent() for text in figures[0].texts if text.get_text()]
  assert not any(a.overlaps(b) for i, a in enumerate(extents) for b in extents[:i])


def test_matches_keeps_pixels_orientation_and_colours(tmp_path):
  image = np.zeros((1, 8, 8, 3), np.uint8)
  image[0, 0, 0] = (200, 30, 40)
  image[0, 0, 7] = (20, 180, 60)
  image[0, 7, 0] = (50, 60, 220)
  pictures.matches(image, [], tmp_path / "m.png", "title")
  pixels = load(tmp_path / "m.png").astype(int)
  places = []
  for colour in ((200, 30, 40), (20, 180, 60), (50, 60, 220)):
    found = np.argwhere((pixels == colour).all(-1))
    assert len(found) == 12 * 12
    places.append(found.min(0))
  red, green, blue = places
  np.testing.assert_array_equal(green - red, [0, 7 * 12])
  np.testing.assert_array_equal(blue - red, [7 * 12, 0])


def test_floats_are_rounded_and_clipped(tmp_path):
  for name, images in {
    "float": np.full((1, 8, 8, 1), 76.6) + np.array([200.0, -300.0, *[0.0] * 62]).reshape(1, 8, 8, 1),
    "byte": np.array([255, 0, *[77] * 62], np.uint8).reshape(1, 8, 8, 1),
  }.items():
    pictures.matches(images, [], tmp_path / f"{name}.png", "t")
  assert (tmp_path / "float.png").read_bytes() == (tmp_path / "byte.png").read_bytes()


@pytest.mark.parametrize(
  ("change", "message"), [({"ids": [1]}, "2 labels and 1 ids"), ({"images": flat([1], 8, 8, 1)}, "1, 8")]
)
def test_matches_tells_a_row_that_does_not_fit(tmp_path, change, message):
  row = pictures.Matched("critic", flat([1, 2], 8, 8, 1), ["5", "7"], [1, 2])._replace(**change)
  with pytest.raises(InputError, match=message):
    pictures.matches(flat([1, 2], 8, 8, 1), [row], tmp_path / "m.png", "t")


@pytest.mark.parametrize(("n", "more", "h", "c"), [(1, 1, 28, 1), (64, 50, 8, 1), (9, 16, 64, 3)])
def test_grids_stand_in_the_order_given(tmp_path, n, more, h, c):
  pages = {"random": flat([90] * n, h, h, c), "uncertain": flat([170] * more, h, h, c)}
  pictures.grids(pages, tmp_path / "s.png", "WGAN-GP")
  pixels = load(tmp_path / "s.png")
  left, right = (np.median(level(pixels, value), axis=0) for value in (90, 170))
  assert left[1] < pixels.shape[1] / 2 < right[1]
  scale = int(np.sqrt(len(level(pixels, 90)) / n)) // h
  assert 0 <= len(level(pixels, 90)) - n * (scale * h) ** 2 < 30  # Beside the images, edges of letters.
  assert scale >= 1


def test_grids_may_be_one_or_more(tmp_path):
  pictures.grids({"one": flat([90] * 64, 8, 8, 1)}, tmp_path / "one.png", "t")
  load(tmp_path / "one.png")
  pages = {str(value): flat([value] * n, 8, 8, 3) for value, n in ((90, 4), (130, 2), (170, 3))}
  pictures.grids(pages, tmp_path / "three.png", "t")
  middles = [
    np.median(level(load(tmp_path / "three.png"), value), axis=0)[1].item() for value in (90, 130, 170)
  ]
  assert middles == sorted(middles)


@pytest.mark.parametrize("pages", [{}, {"a": flat([1], 8, 8, 1), "b": flat([1], 9, 8, 1)}])
def test_grids_of_other_than_one_shape_are_told(tmp_path, pages):
  with pytest.raises(InputError, match="give one shape"):
    pictures.grids(pages, tmp_path / "s.png", "t")


def test_noise_that_does_not_compress_stays_below_the_limit(tmp_path):
  noise = np.random.default_rng(0).integers(0, 256, (49, 64, 64, 3), np.uint8)
  pictures.grids({"a": noise, "b": noise}, tmp_path / "s.png", "Noise")
  load(tmp_path / "s.png")


@pytest.mark.parametrize(
  "images", [np.zeros((0, 8, 8, 1), np.uint8), np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 2))]
)
def test_shapes_that_are_no_images_are_told(tmp_path, images):
  with pytest.raises(InputError, match="c of 1 or 3"):
    pictures.grids({"a": images, "b": images}, tmp_path / "s.png", "t")


def test_pages_are_stacked_pixel_by_pixel(tmp_path):
  rng = np.random.default_rng(0)
  pages = {}
  for name, (height, width) in {"a": (200, 300), "b": (160, 420)}.items():
    pages[name] = np.full((height, width, 3), 255, np.uint8)
    pages[name][20:-20, 20:-20] = rng.integers(0, 255, (height - 40, width - 40, 3))
    Image.fromarray(pages[name]).save(tmp_path / f"{name}.png")
  pictures.stack([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "both.png", "t")
  found = load(tmp_path / "both.png")
  assert found.shape == (40 + 200 + 160, 420, 3)
  # As exact as 256 colours are, where there are more.
  np.testing.assert_array_equal(found[40:60, :300], pages["a"][:20])
  assert np.abs(found[40:240, :300].astype(int) - pages["a"]).mean() < 20
