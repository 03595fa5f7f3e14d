"""The notebook runs from its first cell to its last, and what it keeps is what it shows."""

import base64
import os
import pathlib

import nbclient
import nbformat

ROOT = pathlib.Path(__file__).parent.parent
TOUR = ROOT / "experiments" / "tour.ipynb"
SHORTER = {"iterations = 2_000": "iterations = 50", "budget = 200": "budget = 70"}


def shown(notebook):
  """What each code cell shows: text, or a picture."""
  cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
  return [[next(iter(output.get("data", {"text": 0}))) for output in cell.outputs] for cell in cells]


def pictures(notebook):
  outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
  return [base64.b64decode(o.data["image/png"]) for o in outputs if "image/png" in o.get("data", {})]


def test_it_runs_from_arrays_to_a_strategy_of_one_s_own(tmp_path, monkeypatch):
  kept, made = (nbformat.read(TOUR, as_version=4) for _ in range(2))
  for cell in made.cells:
    cell.outputs = []
    for long, short in SHORTER.items():
      cell.source = cell.source.replace(long, short)
  assert made.cells != kept.cells
  monkeypatch.setenv("PYTHONPATH", str(ROOT))
  nbclient.NotebookClient(
    made, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
  ).execute()
  assert shown(made) == shown(kept)
  [first, second] = [
    cell.outputs[0].text for cell in made.cells if "table(result.summary)" in cell.source and cell.outputs
  ]
  names = [line.split(maxsplit=1)[0] for line in second.splitlines()[2:7]]
  assert names == ["random", "asal_pixels", "asal_pixels_rescore20", "subpool", "each_class"]
  # What was there is not run again.
  assert first.splitlines()[2] == second.splitlines()[2]
  assert (tmp_path / "runs" / "tour" / "summary.json").exists()


def test_what_it_keeps_is_whole_and_small():
  kept = nbformat.read(TOUR, as_version=4)
  nbformat.validate(kept)
  code = [cell for cell in kept.cells if cell.cell_type == "code"]
  assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
  assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
  assert len(pictures(kept)) == 3
  assert sum(map(len, pictures(kept))) < 200_000
  assert os.fspath(ROOT) not in TOUR.read_text()
