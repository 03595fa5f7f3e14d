"""Each verdict on a claim of the paper follows from the numbers."""

import json
import re

import numpy as np
import pytest
from papers import LEVELS, agreement, records, result

from experiments.paper import report, rules, runs, table
from experiments.paper.runs import Run


@pytest.mark.parametrize(
  ("rule", "holds"),
  [
    (rules.above(("asal_pixels",), "random"), True),
    (rules.above(("asal_pixels", "asal_autoencoder"), "random"), False),
    (rules.below(("asal_critic",), "random"), True),
    (rules.below(("asal_pixels",), "random"), False),
    (rules.not_above(("asal_autoencoder", "asal_critic"), "random"), True),
    (rules.not_above(("asal_pixels",), "random"), False),
    (rules.not_below(("asal_critic",), "random"), False),
    (rules.same(("asal_autoencoder",), "random"), True),
    (rules.same(("asal_critic",), "random"), False),
    (rules.only_reaches("supervised", ("entropy",), "supervised"), True),
    (rules.only_reaches("entropy", ("random",), "supervised"), False),
    (rules.best("asal_pixels", ("asal_autoencoder", "asal_critic")), True),
    (rules.best("asal_critic", ("asal_pixels",)), False),
    (rules.worst("asal_critic", ("random", "entropy")), True),
    (rules.near("supervised", 0.991, 0.005), True),
    (rules.near("supervised", 0.9, 0.005), False),
    # 0.475, 0.45, 0.425 against 0.45.
    (rules.entropy_gain(table.ASAL, 0.0, 0.01), True),
    (rules.entropy_gain(table.ASAL, 0.63, 0.063), False),
    (rules.shares(("random",), (1,), "share", lambda share: 0.49 < share < 0.51), True),
    (rules.shares(("random",), (0, 1), "share", lambda share: share < 1), False),
  ],
)
def test_a_verdict_follows_from_the_numbers(rule, holds):
  found = rule([result()])
  assert found.holds is holds
  assert report.verdict(found) == ("reproduced" if holds else "not reproduced")
  assert re.search(r"\d", found.ours)


def test_a_rule_says_nothing_without_its_strategies_or_with_one_seed():
  without = result({"random": 0.9})
  assert rules.above(("asal_pixels",), "random")([without]) is None
  assert rules.near("supervised", 0.9, 0.1)([without]) is None
  one = result()._replace(records=records(seeds=1))
  assert rules.above(("asal_pixels",), "random")([one]) is None
  assert report.verdict(None) == "not run"


def test_differences_are_told_with_interval_and_star():
  ours = rules.above(("asal_pixels", "asal_autoencoder"), "random")([result()]).ours
  by_seed = [[r["test_accuracy"] for r in records() if r["strategy"] == s] for s in ("asal_pixels", "random")]
  difference = 100 * (np.mean(by_seed[0]) - np.mean(by_seed[1]))
  assert f"asal_pixels {difference:+.2f} ±" in ours
  first, second = ours.split(", asal_autoencoder")
  assert first.endswith("*")
  assert not second.endswith("*")


def test_runs_are_compared_by_seed():
  lower = result({name: level - 0.1 for name, level in LEVELS.items()})
  assert rules.above_other_run(table.ASAL)([result(), lower]).holds
  assert not rules.above_other_run(table.ASAL)([lower, result()]).holds
  assert not rules.above_other_run(table.ASAL)([result(), result()]).holds


def test_agreement_is_compared_by_its_intervals(tmp_path):
  one, other = (Run("mnist_two", gan) for gan in table.MNIST_GANS)
  found = []
  for run, critic in ((one, 0.75), (other, 0.5)):
    (tmp_path / runs.workdir(run, "small")).mkdir(parents=True)
    path = tmp_path / runs.workdir(run, "small") / "agreement.json"
    path.write_text(json.dumps(agreement(30, 70, critic=critic)))
    found.append(result(run=run, root=tmp_path))
  assert rules.pixels_agree_most(found).holds
  assert not rules.agreement_above_other_run(found).holds
  assert rules.most_annotated(1)(found).holds
  assert not rules.most_annotated(0)(found).holds
  assert rules.agreement_above_other_run([result(root=tmp_path / "none")] * 2) is None
