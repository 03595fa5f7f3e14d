import numpy as np
import pytest
from pages import load

from asal_jax.errors import InputError
from asal_jax.reporting import panels, plots

BASES = ["random", "entropy", "min_distance", "subpool", "asal_pixels", "asal_autoencoder", "asal_critic"]
TWELVE = [*BASES, *(f"{name}_rescore20" for name in BASES[4:]), "asal_critic_random_latents", "supervised"]


def records(strategies, seeds=5, cycles=12, classes=2):
  rng = np.random.default_rng(0)
  result = []
  for strategy in strategies:
    for seed in range(seeds):
      for cycle in range(1 if strategy == "supervised" else cycles):
        counts = rng.multinomial(50 + 10 * cycle, np.full(classes, 1 / classes))
        rise = 0 if strategy == "supervised" else 0.3 * np.exp(-cycle)
        accuracy = 0.99 - rise - 0.01 * rng.random()
        entropy = None if cycle == 0 else float(rng.random())
        head = {"strategy": strategy, "seed": seed, "cycle": cycle, "labels": int(counts.sum())}
        result.append(
          {**head, "test_accuracy": accuracy, "new_entropy": entropy, "label_counts": counts.tolist()}
        )
  return result


def names(k):
  return [f"class {i}" for i in range(k)]


def shows(pixels, colour, tolerance=10):
  """How many pixels have about the colour '#rrggbb'."""
  wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
  return int((np.abs(pixels.astype(int) - wanted).max(-1) <= tolerance).sum())


@pytest.mark.parametrize(("strategies", "seeds"), [(["random"], 1), (TWELVE, 5), (["supervised"], 3)])
def test_accuracy_draws_each_strategy_in_its_colour(tmp_path, figures, strategies, seeds):
  plots.accuracy(records(strategies, seeds), tmp_path / "a.png", "MNIST two")
  pixels = load(tmp_path / "a.png")
  for strategy in strategies:
    assert shows(pixels, panels.style(strategy)["color"]) > 20
  assert not shows(pixels, "#882255")
  first, *_, last = *figures[0].axes, figures[0].axes[-1]
  legend = figures[0].legends[0] if figures[0].legends else last.get_legend()
  assert [text.get_text() for text in legend.get_texts()] == strategies
  assert legend.get_window_extent().x0 > first.get_window_extent().x1


def test_many_strategies_are_drawn_in_facets_with_references_and_readable_intervals(tmp_path, figures):
  many = [*TWELVE, "gaal_stand_in", "badge", "coreset", "seals", "mixed_walk50", "balanced_walk50"]
  groups = plots.facets(many)
  assert list(groups) == ["ASAL", "ASAL, modified", "rivals", "rivals (2)"]
  assert {name for group in groups.values() for name in group} == set(many)
  assert groups["ASAL"] == ["random", "entropy", "supervised", *BASES[4:]]
  plots.accuracy(records(many), tmp_path / "a.png", "MNIST two")
  load(tmp_path / "a.png")
  for axes, group in zip(figures[0].axes, groups.values(), strict=True):
    own = set(group) - set(plots.REFERENCES)
    assert {line.get_label() for line in axes.get_lines()} == set(group)
    assert len(axes.collections) == len(own) <= panels.SHADED
  assert len({axes.get_ylim() for axes in figures[0].axes}) == 1


@pytest.mark.parametrize(("spread", "shaded"), [(0.002, True), (0.3, False)])
def test_intervals_that_would_hide_the_panel_are_a_bar_at_the_end(tmp_path, figures, spread, shaded):
  given = records(["random", "entropy"], 3)
  for record in given:
    record["test_accuracy"] = 0.6 + 0.02 * record["cycle"] + spread * (record["seed"] - 1) / 2
  plots.accuracy(given, tmp_path / "a.png", "t")
  load(tmp_path / "a.png")
  axes = figures[0].axes[0]
  assert len(axes.collections) == 2
  ends = [bar.get_paths()[0].get_extents() for bar in axes.collections]
  assert all((end.width > 0) == shaded for end in ends)
  # 4.303: Student's t of 3 seeds. The last interval is about 0.82, half of it t sd / sqrt(3).
  half = 4.303 * spread / 2 / 3**0.5
  if not shaded:
    assert [(end.y0, end.y1) for end in ends] == [pytest.approx((0.82 - half, 0.82 + half), abs=1e-3)] * 2
    assert all(end.x0 > 160 for end in ends)


@pytest.mark.parametrize("strategies", [BASES[:5], [*BASES[:6], "supervised"]])
def test_few_strategies_share_a_panel(strategies):
  assert plots.facets(strategies) == {"": strategies}


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
  assert "axis cut" in figures[0].get_supxlabel()
  assert steady.get_ylim()[0] < 0.5
  assert "cut" not in figures[1].get_supxlabel()


def test_accuracy_never_cuts_off_the_end_of_a_curve_or_the_supervised_value(tmp_path, figures):
  given = records([*BASES, "supervised"], 2, cycles=40)
  for record in given:
    if record["strategy"] == "supervised" or (record["strategy"], record["cycle"]) == ("entropy", 39):
      record["test_accuracy"] = 0.71 if record["strategy"] == "supervised" else 0.75
  plots.accuracy(given, tmp_path / "a.png", "t")
  load(tmp_path / "a.png")
  assert figures[0].axes[0].get_ylim()[0] < 0.71


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


@pytest.mark.parametrize(("shares", "low"), [((0.45, 0.55), 0.4), ((0.02, 0.98), 0)])
def test_labels_leaves_out_what_is_empty_below_two_classes(tmp_path, figures, shares, low):
  counts = [round(1_000 * share) for share in shares]
  given = [{**record, "label_counts": counts} for record in records(["random"])]
  plots.labels(given, shares, names(2), tmp_path / "l.png", "t")
  bottom, top = figures[0].axes[0].get_ylim()
  assert low <= bottom < shares[0]
  assert shares[1] < top < shares[1] + 0.1


def test_labels_of_a_balanced_pool_has_one_mark(tmp_path, figures):
  plots.labels(
    records(["random"], classes=10), np.full(10, 0.1, np.float32), names(10), tmp_path / "l.png", "t"
  )
  assert len(figures[0].axes[0].get_lines()) == 11


def share(value):
  ends = {"low": None, "high": None} if value is None else {"low": value - 0.02, "high": value + 0.03}
  return {"agreement": value, **ends}


@pytest.mark.parametrize(
  "shares", [{"pixels": 0.375, "autoencoder": None, "critic": 0.9}, {"critic": 0.1}, {"pixels": None}]
)
@pytest.mark.parametrize("gans", [("WGAN-GP",), ("DCGAN", "WGAN-GP")])
def test_agreement_draws_a_bar_of_each_share(tmp_path, figures, shares, gans):
  one = {name: share(value) for name, value in shares.items()}
  plots.agreement(dict.fromkeys(gans, one), tmp_path / "a.png", "MNIST two")
  load(tmp_path / "a.png")
  axes = figures[0].axes[0]
  values = [*shares.values()] * len(gans)
  np.testing.assert_allclose(
    [bar.get_width() for bar in axes.patches], [100 * (value or 0) for value in values], atol=1e-9
  )
  assert [label.get_text() for label in axes.get_yticklabels()] == [f"{g}, {n}" for g in gans for n in shares]
  places = [bar.get_y() + bar.get_height() / 2 for bar in axes.patches]
  np.testing.assert_allclose(places, axes.get_yticks())
  texts = ["none annotated" if value is None else f"{100 * value:.1f}" for value in values]
  assert [text.get_text() for text in axes.texts] == texts
  colours = [f"#{''.join(f'{round(255 * c):02X}' for c in bar.get_facecolor()[:3])}" for bar in axes.patches]
  assert colours == [panels.style(f"asal_{name}")["color"] for name in shares] * len(gans)


def test_labels_tells_a_wrong_number_of_classes(tmp_path):
  with pytest.raises(InputError, match=r"\[2, 3\] classes"):
    plots.labels(records(["random"]), [0.2, 0.3, 0.5], names(3), tmp_path / "l.png", "t")


def test_nothing_to_draw_is_told(tmp_path):
  with pytest.raises(InputError, match="no record has new_entropy"):
    plots.entropy(records(["random"], cycles=1), tmp_path / "e.png", "t")
  with pytest.raises(InputError, match="no record has test_accuracy"):
    plots.accuracy([], tmp_path / "a.png", "t")


def test_styles_are_distinct_and_variants_keep_the_hue():
  assert len({panels.style(name)["color"] for name in [*BASES, "supervised"]}) == 8
  looks = [
    panels.style(f"asal_critic{end}")
    for end in ("", "_rescore20", "_random_latents", "_rescore20_random_latents")
  ]
  assert len({look["color"] for look in looks}) == 1
  assert len({str(look["linestyle"]) for look in looks}) == 4
  assert panels.style("unheard_of") == panels.style("unheard_of")
  assert panels.style("unheard_of_rescore5")["color"] == panels.style("unheard_of")["color"]
