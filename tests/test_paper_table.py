"""The paper's figures and tables, each once, and the runs that they ask for."""

import pytest
from papers import MNIST_TWO

from experiments.paper import draw, table
from experiments.paper.claims import CLAIMS
from experiments.paper.runs import Run


def test_every_figure_and_table_is_there_once_in_order():
  wanted = [*(f"figure_{n:02d}" for n in range(2, 36)), *(f"table_{n}" for n in (1, 2, 3))]
  assert [item.name for item in table.ITEMS] == wanted
  assert {claim.item for claim in CLAIMS} <= set(wanted)


def test_every_kind_is_drawn_by_the_function_that_the_table_names():
  kinds = {part.kind for item in table.ITEMS for part in item.parts}
  assert kinds == set(table.KINDS) == set(draw.DRAWERS)
  for kind, name in table.KINDS.items():
    assert not name or draw.DRAWERS[kind] is getattr(draw, name)


def test_figures_are_arranged_as_in_the_paper():
  shapes = {
    item.name + part.letter: [len(row) for row in part.rows] for item in table.ITEMS for part in item.parts
  }
  assert shapes["figure_10"] == shapes["figure_12"] == shapes["figure_17"] == [2, 2]
  assert shapes["figure_11"] == [3, 3, 3, 3]
  assert shapes["figure_16"] == [2, 3, 3]
  assert shapes["figure_19"] == [4]
  assert shapes["figure_22"] == shapes["figure_23"] == [2, 2, 2, 2]
  assert shapes["figure_24"] == [2, 2]
  # Minimum distance with hinge loss is the left column; DCGAN the upper row.
  panels = next(item for item in table.ITEMS if item.name == "figure_10").parts[0].panels
  assert [(panel.run.gan, panel.run.score) for panel in panels] == [
    ("dcgan", "min_distance"), ("dcgan", "entropy"), ("wgan_gp", "min_distance"), ("wgan_gp", "entropy")
  ]  # fmt: skip


def test_a_run_has_what_all_its_figures_ask_for_and_claims_ask_for_no_more():
  assert "gaal_stand_in" in table.strategies(MNIST_TWO)
  assert "min_distance" in table.strategies(Run("cifar_two", "residual_ct", "min_distance"))
  every = table.runs()
  assert len(every) == len(set(every))
  assert {run for claim in CLAIMS for run in claim.runs} <= set(every)


def test_names_choose_figures_and_runs():
  assert table.runs(["3"]) == table.runs(["figure_03"]) == [MNIST_TWO, Run("mnist_two", "dcgan")]
  assert table.runs(["cifar_ten", "6"]) == [
    Run("celeba_hat"), Run("cifar_ten"), Run("celeba_blond"), Run("celeba_bangs")
  ]  # fmt: skip
  assert table.runs(["7"]) == []
  with pytest.raises(KeyError, match="99"):
    table.runs(["99"])
