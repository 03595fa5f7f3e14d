"""The arithmetic of the map: its pools, statistics, figures and tables."""

import numpy as np
import pytest
from scipy import stats

from experiments.where_it_wins import figures, statistics
from experiments.where_it_wins.cells import CELLS, SMALL, Cell, pool_rows, settings
from experiments.where_it_wins.measure import summarised
from experiments.where_it_wins.tables import page, preparation

LABELS = np.repeat([0, 1], [4_000, 5_000]).astype(np.int32)


def counts(cell):
  rows = pool_rows(LABELS, cell)
  assert np.all(np.diff(rows) > 0)
  return np.bincount(LABELS[rows]).tolist()


def test_pools_have_the_shares_they_are_called_after():
  make = lambda rare, images=None: Cell("MNIST two", "linear", rare, images)  # noqa: E731
  assert counts(make(None)) == [4_000, 5_000]
  assert counts(make(0.01)) == [51, 5_000]
  assert counts(make(0.5)) == [4_000, 4_000]
  assert counts(make(0.01, 500)) == [5, 495]
  # The rarer pool is a part of the other.
  rare, rarer = (pool_rows(LABELS, make(share)) for share in (0.01, 0.001))
  assert set(rarer[LABELS[rarer] == 0]) <= set(rare[LABELS[rare] == 0])


def test_cells_are_told_apart_and_half_are_held_out():
  names = [cell.name for cell in CELLS]
  assert len(set(names)) == len(names)
  assert 0.4 <= np.mean([cell.held_out for cell in CELLS]) <= 0.6
  assert set(SMALL) < set(CELLS)
  for cell in CELLS:
    config = settings(cell, 5_000)
    assert config.data.jitter == (5_000 * cell.redundancy if cell.redundancy > 1 else 0)


def record(cell, strategy, aubc, rare=0):
  accuracy = np.linspace(0.5, np.mean(aubc), 4).round(4).tolist()
  return {
    "kind": "strategy", "cell": cell, "strategy": strategy, "commit": "c" * 40, "labels": [20, 30, 40, 50],
    "aubc": aubc, "balanced_aubc": aubc, "final": aubc, "rare_found": [rare] * len(aubc), "accuracy": accuracy,
    "rare": [rare] * 4,
    "calls": 50.0, "select_seconds": 0.01,
  }  # fmt: skip


def records():
  rng = np.random.default_rng(0)
  noise = lambda mean: (mean + 0.01 * rng.normal(size=8)).round(4).tolist()  # noqa: E731
  found = []
  for cell, gain in ((CELLS[0], 0.2), (CELLS[1], 0.0)):
    head = {
      "kind": "cell",
      "cell": cell.name,
      **cell._asdict(),
      "pool": 1_000,
      "commit": "c" * 40,
      "seeds": 8,
    }
    head["classes"] = [10, 990] if gain else [500, 500]
    found.append({**head, "preparation_seconds": {"features pixels": 2.0, "graph pixels": 1.0, "gan": 100.0}})
    means = {"random": 0.5, "subpool50": 0.6, "entropy": 0.62, "seals": 0.61, "labelled_walk50": 0.55}
    found += [record(cell.name, name, noise(mean)) for name, mean in means.items()]
    found.append(record(cell.name, statistics.RECOMMENDED, noise(0.6 + gain)))
  return found


def test_a_comparison_is_scipy_s_paired_test():
  a, b = record("x", "a", [0.5, 0.6, 0.8]), record("x", "b", [0.4, 0.6, 0.6])
  found = statistics.versus(a, b)
  assert found.difference == pytest.approx(10)
  assert found.p == pytest.approx(stats.ttest_rel(a["aubc"], b["aubc"]).pvalue)
  low, high = stats.ttest_rel(a["aubc"], b["aubc"]).confidence_interval()
  assert found.half == pytest.approx(50 * (high - low))
  assert statistics.versus(a, a).p == 1


def test_the_recommendation_is_held_against_all_rivals_where_a_class_is_rare():
  found = statistics.verdicts(records())
  rare, common = CELLS[0].name, CELLS[1].name
  assert [(c["cell"], rival) for c, rival, _ in found] == [
    (rare, "subpool50"), (rare, "seals"), (rare, "entropy"), (common, "subpool50")
  ]  # fmt: skip
  assert all(v.difference > 15 and v.p < 1e-4 for c, _, v in found if c["cell"] == rare)
  assert abs(found[-1][2].difference) < 2


def test_penalties_count_the_cells_that_are_won():
  names, wins = statistics.penalties(records())
  at = {name: i for i, name in enumerate(names)}
  assert wins[at[statistics.RECOMMENDED], at["seals"]] == 0.5
  assert wins[at["entropy"], at["random"]] == 1
  assert wins[at["random"], at["entropy"]] == 0


def test_labels_to_reach():
  found = record("x", "a", [0.8, 0.8])
  assert statistics.labels_to_reach(found, found["accuracy"][2]) == 40
  assert statistics.labels_to_reach(found, 0.9) is None


def test_preparation_is_what_a_strategy_needs():
  about = records()[0]
  assert preparation("subpool50", about) == preparation("entropy", about) == 0
  assert preparation("balanced_walk50", about) == preparation("seals", about) == 3
  assert preparation("asal_critic", about) == 100
  assert preparation("balanced_asal_walk50", about) == 103


def test_what_is_kept_of_a_run():
  rows = [
    {"seed": s, "cycle": c, "labels": 20 + 10 * c, "test_accuracy": 0.5 + 0.1 * c + 0.1 * s, "balanced_accuracy": 0.4,
     "label_counts": [c + s, 20], "calls": None if c == 0 else 50 + s, "select_seconds": None if c == 0 else 0.1 * c}
    for s in (1, 0) for c in (0, 1, 2)
  ]  # fmt: skip
  found = summarised(rows)
  assert found["labels"] == [20, 30, 40]
  assert found["aubc"] == [0.6, 0.7]
  assert found["final"] == [0.7, 0.8]
  assert found["rare_found"] == [2, 3]
  assert found["accuracy"] == [0.55, 0.65, 0.75]
  assert found["calls"] == 50.5
  assert found["select_seconds"] == pytest.approx(0.15)


def test_figures_and_tables_are_made_of_any_part_of_the_results(tmp_path):
  figures.draw_map(records(), tmp_path / "map.png")
  figures.draw_costs(records(), tmp_path / "calls.png", lambda name, found, cell: found["calls"], "calls")
  assert all(path.stat().st_size < 200_000 for path in tmp_path.iterdir())
  text = page(records())
  assert "### " + CELLS[0].name in text
  assert "| balanced_walk50 | 50 |" in text
