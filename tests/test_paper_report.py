"""The report on the paper's claims, of results that are found."""

import pathlib
import re

from papers import MNIST_TWO, keep

from experiments.paper import report, results, runs, table
from experiments.paper.claims import CLAIMS
from experiments.paper.runs import Run


def test_the_report_has_every_figure_and_its_verdicts(tmp_path):
  text = report.page(tmp_path)
  for item in table.ITEMS:
    number = item.name.split("_")[1].lstrip("0")
    assert len(re.findall(rf"^### (Figure|Table) {number}: {re.escape(item.about)}$", text, flags=re.M)) == 1
  # Tables of networks and the kept timings need no run.
  assert text.count("**reproduced**") + text.count("**not reproduced**") == 5
  keep(tmp_path)
  text = report.page(tmp_path)
  lines = [line for line in text.splitlines() if line.startswith("| (a) all versions of ASAL beat random")]
  assert len(lines) == 1
  assert "asal_critic -4.99 ±" in lines[0]
  assert "| small | 4 |" in lines[0]
  assert lines[0].endswith("**not reproduced** |")
  assert "| mnist_two, small | MNIST two, small | 4 | 50 to 80 |" in text
  assert "c" * 10 in text
  assert "2 CPU cores" in text
  counted = re.search(r"(\d+) reproduced, (\d+) not reproduced, (\d+) not run", text)
  assert sum(map(int, counted.groups())) == len(CLAIMS)


def test_a_stand_in_reproduces_nothing(tmp_path):
  keep(tmp_path, Run("celeba_hat"))
  line = next(row for row in report.page(tmp_path).splitlines() if row.startswith("| CelebA hat"))
  assert line.endswith("**not run** |")


def test_what_was_made_here_comes_before_what_is_kept_and_the_paper_s_scale_first(tmp_path):
  keep(tmp_path)
  assert results.find(MNIST_TWO, root=tmp_path).folder == tmp_path / "experiments/mnist_two"
  assert results.find(MNIST_TWO, root=tmp_path, again=True) is None
  for scale in ("small", "paper"):
    folder = tmp_path / runs.workdir(MNIST_TWO, scale)
    keep(tmp_path / scale)
    folder.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / scale / "experiments/mnist_two").rename(folder)
    assert results.find(MNIST_TWO, root=tmp_path).folder == folder
  assert results.find(MNIST_TWO, root=tmp_path).scale == "paper"


def test_kept_folders_are_each_run_s_own():
  folders = [runs.kept(run, scale) for run in table.runs() for scale in runs.SCALES]
  assert len(set(folders)) == len(folders)
  assert runs.kept(MNIST_TWO, "small") == pathlib.Path("experiments/mnist_two")
  assert runs.kept(Run("celeba_hat"), "small") == pathlib.Path("experiments/sprites")
