import matplotlib.axes
import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from asal_jax import plots
from asal_jax.types import InputError

BASES = ["random", "entropy", "min_distance", "subpool", "asal_pixels", "asal_autoencoder", "asal_critic"]
TWELVE = [*BASES, *(f"{name}_rescore20" for name in BASES[4:]), "asal_critic_random_latents", "supervised"]


def records(strategies, seeds=5, cycles=12, classes=2):
  rng = np.random.default_rng(0)
  result = []
  for strategy in strategies:
    for seed in range(seeds):
      for cycle in range(1 if strategy == "supervised" else cycles):
        counts = rng.multinomial(50 + 10 * cycle, np.full(classes, 1 / classes))
        accuracy = 0.99 - 0.3 * np.exp(-cycle) - 0.01 * rng.random()
        entropy = None if cycle == 0 else float(rng.random())
        head = {"strategy": strategy, "seed": seed, "cycle": cycle, "labels": int(counts.sum())}
        result.append(
          {**head, "test_accuracy": accuracy, "new_entropy": entropy, "label_counts": counts.tolist()}
        )
  return result


def names(k):
  return [f"class {i}" for i in range(k)]


def load(path):
  """The figure's pixels, after checks that hold for every one."""
  assert path.stat().st_size < 200_000
  with Image.open(path) as image:
    assert image.format == "PNG"
    pixels = np.asarray(image.convert("RGB"))
  assert 150 < pixels.shape[0] < 1400
  assert 300 < pixels.shape[1] < 2400
  assert pixels.std() > 5
  assert (pixels[:3] >= 250).all()  # Nothing runs over the edge of the page.
  assert (pixels[:, :3] >= 250).all()
  assert (pixels[:, -3:] >= 250).all()
  return pixels


def shows(pixels, colour, tolerance=10):
  """How many pixels have about the colour '#rrggbb'."""
  wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
  return int((np.abs(pixels.astype(int) - wanted).max(-1) <= tolerance).sum())


@pytest.fixture
def figures(monkeypatch):
  """The figures that are saved, in order."""
  saved, save = [], matplotlib.figure.Figure.savefig

  def spy(figure, *args, **options):
    saved.append(figure)
    save(figure, *args, **options)

  monkeypatch.setattr(matplotlib.figure.Figure, "savefig", spy)
  return saved


@pytest.mark.parametrize(("strategies", "seeds"), [(["random"], 1), (TWELVE, 5), (["supervised"], 3)])
def test_accuracy_draws_each_strategy_in_its_colour(tmp_path, figures, strategies, seeds):
  plots.accuracy(records(strategies, seeds), tmp_path / "a.png", "MNIST two")
  pixels = load(tmp_path / "a.png")
  for strategy in strategies:
    assert shows(pixels, plots.style(strategy)["color"]) > 20
  assert not shows(pixels, "#882255")
  legend = figures[0].legends[0]
  assert [text.get_text() for text in legend.get_texts()] == strategies
  assert legend.get_window_extent().x0 > figures[0].axes[0].get_window_extent().x1


def test_accuracy_draws_means_and_the_supervised_value(tmp_path, figures):
  given = records(["random", "supervised"], 4)
  plots.accuracy(given, tmp_path / "a.png", "t")
  curve, ceiling = figures[0].axes[0].get_lines()
  by_cycle = [
    [r["test_accuracy"] for r in given if r["strategy"] == "random" and r["cycle"] == c] for c in range(12)
  ]
  np.testing.assert_allclose(curve.get_ydata(), np.mean(by_cycle, 1))
  np.testing.assert_array_equal(curve.get_xdata(), range(50, 170, 10))
  value = np.mean([r["test_accuracy"] for r in given if r["strategy"] == "supervised"])
  np.testing.assert_allclose(ceiling.get_ydata(), value)
  assert ceiling.is_dashed()
  assert any(f"{value:.4f}" in text.get_text() for text in figures[0].axes[0].texts)


def test_accuracy_cuts_a_long_rise_and_says_so(tmp_path, figures):
  low = records(["random"], 2, cycles=40)
  plots.accuracy(low, tmp_path / "a.png", "t")
  flat = [{**record, "test_accuracy": 0.5 + 0.01 * record["cycle"]} for record in low]
  plots.accuracy(flat, tmp_path / "b.png", "t")
  rise, steady = (figure.axes[0] for figure in figures)
  assert rise.get_ylim()[0] > 0.9
  assert "axis cut" in rise.get_title("left")
  assert steady.get_ylim()[0] < 0.5
  assert "cut" not in steady.get_title("left")


@pytest.mark.parametrize(("strategies", "seeds"), [(["asal_critic"], 1), (TWELVE, 5)])
def test_entropy_has_a_panel_a_strategy_with_raw_means(tmp_path, figures, strategies, seeds):
  given = records(strategies, seeds)
  plots.entropy(given, tmp_path / "e.png", "MNIST two")
  load(tmp_path / "e.png")
  shown = [strategy for strategy in strategies if strategy != "supervised"]
  assert [axes.get_title("left") for axes in figures[0].axes] == shown
  for axes, strategy in zip(figures[0].axes, shown, strict=True):
    own = next(line for line in axes.get_lines() if line.get_label() == strategy)
    rows = [
      [r["new_entropy"] for r in given if (r["strategy"], r["cycle"]) == (strategy, c)] for c in range(1, 12)
    ]
    np.testing.assert_allclose(own.get_ydata(), np.mean(rows, 1))


@pytest.mark.parametrize(
  ("strategies", "seeds", "k"),
  [(["random"], 1, 2), (["random", "entropy"], 3, 10), (TWELVE, 5, 2), (TWELVE, 2, 10)],
)
def test_labels_has_a_panel_a_strategy_and_the_pool_in_each(tmp_path, figures, strategies, seeds, k):
  pool = np.arange(1, k + 1, dtype=np.float32) / np.arange(1, k + 1).sum()
  given = records(strategies, seeds, classes=k)
  plots.labels(given, pool, names(k), tmp_path / "l.png", "MNIST")
  load(tmp_path / "l.png")
  shown = [strategy for strategy in strategies if strategy != "supervised"]
  assert [axes.get_title("left") for axes in figures[0].axes] == shown
  for axes, strategy in zip(figures[0].axes, shown, strict=True):
    lines = axes.get_lines()
    drawn, marks = lines[:k], lines[k:]
    last = [r["label_counts"] for r in given if (r["strategy"], r["cycle"]) == (strategy, 11)]
    np.testing.assert_allclose([line.get_ydata()[-1] for line in drawn], np.mean(last, 0) / 160)
    np.testing.assert_allclose([mark.get_ydata()[0] for mark in marks], pool)
    assert [line.get_color() for line in drawn] == [mark.get_color() for mark in marks]
  assert [text.get_text() for text in figures[0].legends[0].get_texts()] == names(k)


def test_labels_of_a_balanced_pool_has_one_mark(tmp_path, figures):
  plots.labels(
    records(["random"], classes=10), np.full(10, 0.1, np.float32), names(10), tmp_path / "l.png", "t"
  )
  assert len(figures[0].axes[0].get_lines()) == 11


def test_labels_tells_a_wrong_number_of_classes(tmp_path):
  with pytest.raises(InputError, match=r"\[2, 3\] classes"):
    plots.labels(records(["random"]), [0.2, 0.3, 0.5], names(3), tmp_path / "l.png", "t")


def test_nothing_to_draw_is_told(tmp_path):
  with pytest.raises(InputError, match="no record has new_entropy"):
    plots.entropy(records(["random"], cycles=1), tmp_path / "e.png", "t")
  with pytest.raises(InputError, match="no record has test_accuracy"):
    plots.accuracy([], tmp_path / "a.png", "t")


def test_styles_are_distinct_and_variants_keep_the_hue():
  assert len({plots.style(name)["color"] for name in [*BASES, "supervised"]}) == 8
  looks = [
    plots.style(f"asal_critic{end}")
    for end in ("", "_rescore20", "_random_latents", "_rescore20_random_latents")
  ]
  assert len({look["color"] for look in looks}) == 1
  assert len({str(look["linestyle"]) for look in looks}) == 4
  assert plots.style("unheard_of") == plots.style("unheard_of")
  assert plots.style("unheard_of_rescore5")["color"] == plots.style("unheard_of")["color"]


def flat(values, h, w, c):
  """One image of each value."""
  return np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), h, w, c))


def level(pixels, value):
  """Rows and columns of the pixels that are of one grey value."""
  return np.argwhere((pixels == value).all(-1))


@pytest.mark.parametrize(("h", "c", "scale"), [(8, 1, 12), (28, 1, 3), (64, 3, 2)])
def test_matches_places_every_image_in_whole_enlargement(tmp_path, h, c, scale):
  rows = [
    plots.Matched("pixels", flat([101, 109, 117], h, h, c), ["5", "7", "5"], [0, 49999, 3]),
    plots.Matched("auto-encoder", flat([125, 133, 141], h, h, c), ["7", "7", "7"], [1, 2, 12]),
  ]
  plots.matches(flat([77, 85, 93], h, h, c), rows, tmp_path / "m.png", "Matches")
  pixels = load(tmp_path / "m.png")
  corners = []
  for value in range(77, 142, 8):
    found = level(pixels, value)
    corner, size = found.min(0), np.ptp(found, axis=0) + 1
    block = pixels[corner[0] : corner[0] + h * scale, corner[1] : corner[1] + h * scale]
    assert (block == value).all() or (
      size > h * scale
    ).any()  # Some letters' edges have the grey of an image.
    corners.append(np.median(found, axis=0))
  grid = np.reshape(corners, (3, 3, 2))
  assert np.ptp(grid[:, :, 0], axis=1).max() <= 1
  assert np.ptp(grid[:, :, 1], axis=0).max() <= 1
  assert (np.diff(grid[:, :, 0], axis=0) > h * scale).all()
  assert (np.diff(grid[:, :, 1], axis=1) > h * scale).all()


def test_matches_writes_label_and_id(tmp_path, figures):
  rows = [plots.Matched("critic", flat([1, 2], 8, 8, 1), ["no hat", "hat"], [16, 202599])]
  plots.matches(flat([3, 4], 8, 8, 1).astype(np.float32), rows, tmp_path / "m.png", "Matches")
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
  plots.matches(image, [], tmp_path / "m.png", "t")
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
    plots.matches(images, [], tmp_path / f"{name}.png", "t")
  assert (tmp_path / "float.png").read_bytes() == (tmp_path / "byte.png").read_bytes()


@pytest.mark.parametrize(
  ("change", "message"), [({"ids": [1]}, "2 labels and 1 ids"), ({"images": flat([1], 8, 8, 1)}, "1, 8")]
)
def test_matches_tells_a_row_that_does_not_fit(tmp_path, change, message):
  row = plots.Matched("critic", flat([1, 2], 8, 8, 1), ["5", "7"], [1, 2])._replace(**change)
  with pytest.raises(InputError, match=message):
    plots.matches(flat([1, 2], 8, 8, 1), [row], tmp_path / "m.png", "t")


@pytest.mark.parametrize(("n", "more", "h", "c"), [(1, 1, 28, 1), (64, 50, 8, 1), (9, 16, 64, 3)])
def test_samples_has_random_at_the_left(tmp_path, n, more, h, c):
  plots.samples(flat([90] * n, h, h, c), flat([170] * more, h, h, c), tmp_path / "s.png", "WGAN-GP")
  pixels = load(tmp_path / "s.png")
  left, right = (np.median(level(pixels, value), axis=0) for value in (90, 170))
  assert left[1] < pixels.shape[1] / 2 < right[1]
  scale = int(np.sqrt(len(level(pixels, 90)) / n)) // h
  assert 0 <= len(level(pixels, 90)) - n * (scale * h) ** 2 < 30  # Beside the images, edges of letters.
  assert scale >= 1


def test_noise_that_does_not_compress_stays_below_the_limit(tmp_path):
  noise = np.random.default_rng(0).integers(0, 256, (49, 64, 64, 3), np.uint8)
  plots.samples(noise, noise, tmp_path / "s.png", "Noise")
  load(tmp_path / "s.png")


@pytest.mark.parametrize(
  "images", [np.zeros((0, 8, 8, 1), np.uint8), np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 2))]
)
def test_shapes_that_are_no_images_are_told(tmp_path, images):
  with pytest.raises(InputError, match="c of 1 or 3"):
    plots.samples(images, images, tmp_path / "s.png", "t")
