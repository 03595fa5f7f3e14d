import json
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from asal_jax.errors import InputError
from asal_jax.reporting import summary


def record(strategy, seed, cycle, accuracy=0.5, **fields):
  counts = [25 + 5 * cycle, 25 + 5 * cycle]
  base = {
    "strategy": strategy,
    "seed": seed,
    "cycle": cycle,
    "labels": 50 + 10 * cycle,
    "label_counts": counts,
  }
  times = {"train_seconds": 1.0 + cycle, "select_seconds": None if cycle == 0 else 0.1 * (seed + 1)}
  entropy = None if cycle == 0 else 0.1 * cycle + 0.01 * seed
  return {**base, "test_accuracy": accuracy, "new_entropy": entropy, **times, **fields}


def run(accuracies):
  """Records of {strategy: accuracies [seeds, cycles]}."""
  return [
    record(strategy, seed, cycle, float(value))
    for strategy, rows in accuracies.items()
    for seed, row in enumerate(rows)
    for cycle, value in enumerate(row)
  ]


@pytest.fixture
def accuracies():
  rng = np.random.default_rng(3)
  shift = rng.normal(0, 0.03, (5, 1))  # A seed's luck, shared by its strategies: pairing must remove it.
  gain = {"random": 0.0, "entropy": 0.02, "asal_critic": 0.006, "subpool": 0.0005}
  return {name: 0.8 + up + shift + rng.normal(0, 0.008, (5, 4)) for name, up in gain.items()}


def test_areas_finals_and_intervals_are_those_of_scipy(accuracies):
  result = summary.summarise(run(accuracies))
  assert list(result) == ["random", "entropy", "asal_critic", "subpool"]
  for name, values in accuracies.items():
    for key, per_seed in (("aubc", values.mean(1)), ("final_accuracy", values[:, -1])):
      low, high = stats.ttest_1samp(per_seed, 0).confidence_interval(0.95)
      found = result[name][key]
      assert [found["mean"], found["low"], found["high"]] == pytest.approx(
        [per_seed.mean(), low, high], abs=1e-12
      )
    assert (result[name]["seeds"], result[name]["cycles"], result[name]["labels"]) == (5, 4, 80)


def test_difference_to_random_is_paired_and_corrected(accuracies):
  result = summary.summarise(run(accuracies))
  assert result["random"]["versus_random"] is None
  rivals = ["entropy", "asal_critic", "subpool"]
  tests = [stats.ttest_rel(accuracies[name].mean(1), accuracies["random"].mean(1)) for name in rivals]
  for name, test in zip(rivals, tests, strict=True):
    found = result[name]["versus_random"]
    low, high = test.confidence_interval(0.95)
    assert found["p"] == pytest.approx(test.pvalue, rel=1e-9)
    assert [found["low"], found["high"]] == pytest.approx([low, high], abs=1e-12)
    assert found["seeds"] == 5
  first, second, third = sorted(rivals, key=lambda name: result[name]["versus_random"]["p"])
  p = {name: result[name]["versus_random"]["p"] for name in rivals}
  expected = {first: 3 * p[first], second: max(3 * p[first], 2 * p[second])}
  expected[third] = min(1, max(expected[second], p[third]))
  for name in rivals:
    assert result[name]["versus_random"]["p_holm"] == pytest.approx(expected[name], rel=1e-12)


def test_holm_on_published_example():
  # R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
  assert summary.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
  assert summary.holm([0.9, 0.6]) == [1.0, 1.0]
  assert summary.holm([]) == []


def test_entropy_and_seconds_skip_what_is_null():
  records = run({"random": [[0.5] * 3] * 2, "supervised": [[0.9]] * 2})
  records[0]["new_entropy"] = 99.0  # Cycle 0 adds nothing by choice and does not count.
  result = summary.summarise(records)
  assert result["random"]["new_entropy"]["mean"] == pytest.approx(np.mean([0.1, 0.2, 0.11, 0.21]))
  half = (
    12.706204736432095 * (0.16 - 0.15) / 2
  )  # The t quantile of one degree of freedom, from a printed table.
  assert result["random"]["new_entropy"]["high"] == pytest.approx(0.155 + half)
  assert result["random"]["median_select_seconds"] == pytest.approx(0.15)
  assert result["random"]["median_train_seconds"] == 2.0
  assert result["supervised"]["new_entropy"] is None
  assert result["supervised"]["median_select_seconds"] is None
  assert result["supervised"]["versus_random"] is None
  assert result["supervised"]["aubc"]["mean"] == pytest.approx(0.9)


def test_one_seed_has_no_interval_and_no_test():
  result = summary.summarise(run({"random": [[0.5, 0.6]], "entropy": [[0.5, 0.8]]}))
  assert result["entropy"]["aubc"] == {"mean": pytest.approx(0.65), "low": None, "high": None}
  assert result["entropy"]["versus_random"] is None
  assert "±" not in summary.table(result).splitlines()[2]


def test_without_random_there_is_no_comparison(accuracies):
  del accuracies["random"]
  assert all(entry["versus_random"] is None for entry in summary.summarise(run(accuracies)).values())


@pytest.mark.parametrize(("gain", "p"), [(0.0, 1.0), (0.25, None)])
def test_differences_without_spread(gain, p):
  base = np.array([[0.5, 0.625], [0.25, 0.375], [0.5, 0.5]])
  result = summary.summarise(
    run({"random": base, "twin": base + gain, "other": base + np.array([[0.1], [0.11], [0.12]])})
  )
  twin = result["twin"]["versus_random"]
  assert (twin["mean"], twin["p"], twin["p_holm"]) == (gain, p, p)
  tests = 2 if p is not None else 1
  other = result["other"]["versus_random"]
  assert other["p_holm"] == pytest.approx(tests * other["p"])
  json.dumps(result, allow_nan=False)
  assert "nan" not in summary.table(result)


def test_pairs_by_seed_over_what_both_have():
  random = [
    record("random", seed, cycle, 0.1 * seed + 0.05 * cycle) for seed in (0, 1, 2) for cycle in (0, 1)
  ]
  rival = [record("entropy", seed, 0, value) for seed, value in ((2, 0.23), (1, 0.12), (7, 0.9))]
  found = summary.summarise([*random, *rival])["entropy"]["versus_random"]
  assert found["seeds"] == 2  # Seed 7 has no partner, cycle 1 none either.
  assert found["mean"] == pytest.approx((0.03 + 0.02) / 2)


def test_interrupted_seed_is_cut_to_the_cycles_that_all_have():
  records = run({"random": [[0.5, 0.7, 0.9], [0.3, 0.5]]})
  result = summary.summarise(records)["random"]
  assert (result["cycles"], result["labels"]) == (2, 60)
  assert result["aubc"]["mean"] == pytest.approx((0.6 + 0.4) / 2)
  assert result["final_accuracy"]["mean"] == pytest.approx(0.6)


def test_curves_are_per_cycle_whatever_the_order_of_lines(accuracies):
  records = run(accuracies)
  np.random.default_rng(0).shuffle(records)
  curve = summary.curves(records, lambda r: r["test_accuracy"])["entropy"]
  np.testing.assert_array_equal(curve.labels, [50, 60, 70, 80])
  np.testing.assert_allclose(curve.mean, accuracies["entropy"].mean(0))
  interval = stats.t.interval(0.95, 4, accuracies["entropy"].mean(0), stats.sem(accuracies["entropy"]))
  np.testing.assert_allclose([curve.low, curve.high], interval)


def test_curves_leave_out_null_and_hold_vectors():
  records = run({"random": [[0.5] * 3] * 2, "supervised": [[0.9]] * 2})
  entropies = summary.curves(records, lambda r: r["new_entropy"])
  assert list(entropies) == ["random"]
  np.testing.assert_array_equal(entropies["random"].labels, [60, 70])
  counts = summary.curves(records, lambda r: r["label_counts"])["random"]
  np.testing.assert_array_equal(counts.mean, [[25, 25], [30, 30], [35, 35]])


def test_table_is_aligned_narrow_and_marks_what_is_significant(accuracies):
  accuracies["asal_autoencoder_rescore20_random_latents"] = accuracies["random"] + 1e-5
  result = summary.summarise(run(accuracies))
  lines = summary.table(result).splitlines()
  assert max(map(len, lines)) <= 100
  rows = {line.split()[0]: line for line in lines[2 : 2 + len(result)]}
  aubc = 100 * accuracies["entropy"].mean()
  half = 100 * (result["entropy"]["aubc"]["high"] - result["entropy"]["aubc"]["mean"])
  assert f" {aubc:.2f} ±{half:.2f} " in rows["entropy"]
  assert f"{100 * (accuracies['entropy'] - accuracies['random']).mean():+.2f} *" in rows["entropy"]
  assert result["subpool"]["versus_random"]["p_holm"] > 0.05
  assert "*" not in rows["subpool"] + rows["random"]
  ends = {row.index("±") for row in rows.values()}
  assert len(ends) == 1


def test_long_name_loses_its_middle_in_the_table_alone():
  name = "asal_" + "x" * 60 + "_rescore20"
  result = summary.summarise(run({name: [[0.5, 0.6], [0.5, 0.7]]}))
  row = summary.table(result).splitlines()[2]
  assert row.startswith("asal_x")
  assert "…" in row
  assert "x_rescore20 " in row
  assert len(row) <= 100
  assert f"| {name} |" in summary.markdown(result)


def test_markdown_holds_the_cells_of_the_table(accuracies):
  result = summary.summarise(run(accuracies))
  text, marked = summary.table(result).splitlines(), summary.markdown(result).splitlines()
  assert marked[1].replace(" ", "").strip("|").split("|") == ["---"] + ["---:"] * 6
  for plain, line in zip(text[2:6], marked[2:6], strict=True):
    assert line.replace("|", " ").split() == plain.split()
    assert line.count("|") == 8
  assert marked[6] == ""
  assert marked[7].startswith("5 seeds")


@pytest.mark.parametrize(
  ("value", "shown"), [(0.0001, "<0.001"), (0.0123, "0.012"), (44.0, "44.0"), (3180.4, "3180")]
)
def test_seconds_keep_three_figures(value, shown):
  result = summary.summarise([record("random", 0, 1, select_seconds=value)])
  assert summary.table(result).splitlines()[2].split()[-1] == shown


@pytest.mark.parametrize(
  ("records", "message"),
  [
    ([record("random", 0, 0), record("random", 0, 0)], "strategy random, seed 0, cycle 0 comes twice"),
    ([record("random", 0, 0, math.nan)], "test_accuracy is nan"),
    ([record("random", 0, 0, 97.5)], "allowed is 0 to 1"),
    ([record("random", 0, 1, new_entropy=math.inf)], "new_entropy is inf"),
    ([{"strategy": "random", "seed": 0, "cycle": 0, "labels": 50}], "no test_accuracy"),
    ([record("random", 0, 0), record("random", 1, 1)], "no cycle in common"),
  ],
)
def test_bad_records_are_told(records, message):
  with pytest.raises(InputError, match=message):
    summary.summarise(records)


def test_no_records_make_an_empty_table():
  assert summary.summarise([]) == {}
  assert summary.table({}).startswith("strategy")


def test_import_is_light():
  code = (
    "import sys, asal_jax.reporting.summary, asal_jax.reporting.plots; "
    "print({'jax', 'scipy', 'matplotlib'} & set(sys.modules))"
  )
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert done.stdout.strip() == "set()"
