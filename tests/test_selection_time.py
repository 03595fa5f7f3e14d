"""The arithmetic behind figures 7 and 8, and the meter of work that is killed."""

import json
import math
import subprocess
import sys
import time

import pytest

from experiments.selection_time import costs, figures
from experiments.selection_time.meter import Meter
from experiments.selection_time.parts import PARTS, Stopwatch


def test_the_paper_s_formula_gives_the_paper_s_thirty_cycles():
  assert 29 < costs.paper_transition(16_000_000) < 31
  assert costs.paper_transition(160_000) > 2_000


def test_the_paper_s_points_are_met():
  assert costs.between(costs.PAPER_ENTROPY, 160_000) == pytest.approx(32)
  assert costs.between(costs.PAPER_ENTROPY, 16_000_000) == pytest.approx(53 * 60)
  # What lies between is read off an axis, so roughly.
  assert costs.between(costs.PAPER_ENTROPY, 8_000_000) == pytest.approx(26 * 60, rel=0.05)
  assert costs.between(costs.PAPER_ASAL, 16_000_000) == pytest.approx(44)


def test_what_is_never_cheaper_has_no_transition():
  assert costs.transition(10.0, 1.0, 1.0) == math.inf
  assert costs.transition(10.0, 3.0, 1.0) == 5


def test_a_power_goes_on_with_its_interval():
  xs = [1_000, 2_000, 4_000, 8_000]
  y, low, high = costs.extrapolated(xs, [3e-3 * x for x in xs], 16_000_000)
  assert y == pytest.approx(48_000, rel=1e-3)
  assert low <= y <= high
  _, low, high = costs.extrapolated(xs, [3.1, 5.8, 12.3, 23.5], 16_000_000)
  assert high > 1.2 * low


def test_seconds_of_all_goes_add_up_even_after_a_kill(tmp_path):
  path = tmp_path / "meter.json"
  code = (
    "import sys, time, pathlib; from experiments.selection_time import meter; meter.EVERY = 0.05\n"
    "with meter.Meter(pathlib.Path(sys.argv[1]))('work'): time.sleep(60)"
  )
  process = subprocess.Popen([sys.executable, "-c", code, str(path)])
  while not path.exists() or json.loads(path.read_text())["work"] < 0.3:
    time.sleep(0.02)
    assert process.poll() is None
  process.kill()
  process.wait()
  before = json.loads(path.read_text())["work"]
  with Meter(path)("work"):
    time.sleep(0.2)
  with Meter(path)("other"):
    pass
  after = json.loads(path.read_text())
  assert after["work"] >= before + 0.2
  assert after["other"] < before


def test_parts_add_up_to_the_whole():
  watch = Stopwatch()
  search, score = watch.timed("search", lambda: time.sleep(0.03)), watch.timed("scoring", lambda: None)

  def query():
    search()
    score()
    time.sleep(0.02)

  total, parts = watch.select(query, "features")
  assert set(parts) == set(PARTS)
  assert sum(parts.values()) == pytest.approx(total)
  assert parts["search"] >= 0.03
  assert parts["features"] >= 0.02
  assert watch.select(query, "features")[1]["search"] < 2 * total


def records():
  """GAN 25 s, counted fourfold; a sample: features 1 ms, entropy 0.1 ms, ASAL 1 us, 0.5 us by an index made in 50 s."""
  made = [("gan", 160_000, 25.0)]
  timed = []
  for n in (160_000, 1_000_000, 4_000_000):
    made += [("features", n, 1e-3 * n), ("pynndescent", n, 50.0)]
    timed += [(figures.LENET, n, 1e-4 * n), ("ASAL, exact", n, 1e-6 * n), ("ASAL, pynndescent", n, 5e-7 * n)]
  timed += [(figures.CELEBA, n, 1e-2 * n) for n in (1_000, 2_000, 4_000)]
  about = {"device": {"kind": "cpu", "platform": "cpu", "processor": "x", "cores": 2}}
  return [
    {
      "kind": kind,
      "what": what,
      "n": n,
      "seconds": seconds,
      "parts": dict.fromkeys(PARTS, seconds / 5),
      **about,
    }
    for kind, rows in (("preparation", made), ("selection", timed))
    for what, n, seconds in rows
  ]


def test_transitions_count_gan_features_and_index():
  found = figures.transitions(records(), figures.LENET)
  assert found["ASAL, exact"][1_000_000] == pytest.approx(1_100 / (100 - 1))
  assert found["ASAL, pynndescent"][160_000] == pytest.approx((100 + 160 + 50) / (16 - 0.08))
  # Of the CelebA classifier the seconds are those of its fitted power.
  found = figures.transitions(records(), figures.CELEBA)
  assert found["ASAL, exact"][1_000_000] == pytest.approx(1_100 / (10_000 - 1), rel=1e-3)


def test_figures_and_tables_are_made_of_any_part_of_the_results(tmp_path):
  figures.draw_selection(records(), tmp_path / "figure_7.png")
  figures.draw_transition(records(), tmp_path / "figure_8.png")
  assert all(path.stat().st_size < 200_000 for path in tmp_path.iterdir())
  table = figures.tables(records())
  assert "| max entropy, LeNet-5 | 16 s | 100 s | 400 s |" in table
