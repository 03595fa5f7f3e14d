"""The paper's figures are drawn of what there is."""

import json

import numpy as np
from pages import load
from papers import MNIST_TWO, agreement, keep

from experiments.paper import draw, table


def test_figures_are_drawn_of_what_there_is(tmp_path, figures):
  folder = keep(tmp_path)
  (folder / "figures").mkdir()
  from asal_jax.reporting import pictures

  images = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 1))
  pictures.grids({"random": images, "uncertain": images}, folder / "figures" / "samples.png", "MNIST two")
  (folder / "agreement.json").write_text(json.dumps(agreement(30, 70)))
  items = [item for item in table.ITEMS if item.name not in ("figure_07", "figure_08")]
  paths = draw.draw_all(tmp_path / "drawn", items, tmp_path)
  assert [path.name for path in paths] == [
    *(f"figure_{n}.png" for n in ("03a", "03b", "03c", "09", "10", "11", "12", "13", "32"))
  ]  # fmt: skip
  for path in paths:
    load(path)
  by_name = dict(zip([path.name for path in paths], figures[1:], strict=True))
  ten = by_name["figure_10.png"]
  assert [len(axes.get_lines()) > 3 for axes in ten.axes] == [False, False, False, True]
  assert [text.get_text() for text in ten.axes[0].texts] == ["not run"]
  legend = [text.get_text() for text in ten.legends[0].get_texts()]
  assert legend == list(table.compared(MNIST_TWO))
  assert len(by_name["figure_11.png"].axes) == 12


def test_figures_without_a_result_are_not_drawn(tmp_path):
  assert draw.draw_all(tmp_path, [item for item in table.ITEMS if item.name == "figure_03"], tmp_path) == []
