"""Runs the cells of the map, a job each, and keeps what they found as JSON lines.

  python -m experiments.where_it_wins.measure [--small] [--workdir=runs/map] [--cells=TEXT] [--without_gan]

Needs MNIST and CIFAR-10 in TFDS_DATA_DIR. The same command goes on where it was stopped; what the results hold is not
done again.
"""

import json
import pathlib
import statistics

import jax
import numpy as np
from absl import app, flags

import asal_jax
from asal_jax.pools import data as data_sets
from asal_jax.store.journal import read_lines
from experiments.where_it_wins.cells import (
  ASCENT,
  BENCHMARKS,
  CELLS,
  GAN,
  RARE,
  SMALL,
  Cell,
  settings,
  thinned,
)

FOLDER = pathlib.Path(__file__).parent
FLAGS = flags.FlagValues()
"""Its own: asal_jax.main has a --workdir, too."""

flags.DEFINE_string("workdir", "runs/map", "Where the jobs of the cells and their cache are.", FLAGS)
flags.DEFINE_string("to", str(FOLDER / "results.jsonl"), "The results.", FLAGS)
flags.DEFINE_string("cells", "", "Only cells with this in their name.", FLAGS)
flags.DEFINE_bool("small", False, "A telling tenth: three cells without GANs.", FLAGS)
flags.DEFINE_bool("without_gan", False, "Leave out what needs a GAN.", FLAGS)


def summarised(records: list[dict]) -> dict:
  """What is kept of a strategy's metrics: figures a seed, and means over seeds a cycle."""
  seeds = sorted({r["seed"] for r in records})
  rows = [sorted((r for r in records if r["seed"] == seed), key=lambda r: r["cycle"]) for seed in seeds]
  of = lambda field: np.array([[r[field] for r in row] for row in rows], np.float64)  # noqa: E731
  accuracy, balanced = of("test_accuracy"), of("balanced_accuracy")
  rare = np.array([[r["label_counts"][RARE] for r in row] for row in rows])
  rounded = lambda values: [round(float(v), 4) for v in values]  # noqa: E731
  chosen = [r for row in rows for r in row if r["cycle"]]
  return {
    "labels": [r["labels"] for r in rows[0]],
    "aubc": rounded(accuracy.mean(axis=1)),
    "balanced_aubc": rounded(balanced.mean(axis=1)),
    "final": rounded(accuracy[:, -1]),
    "rare_found": rare[:, -1].tolist(),
    "accuracy": rounded(accuracy.mean(axis=0)),
    "rare": rounded(rare.mean(axis=0)),
    "calls": round(statistics.mean(r["calls"] for r in chosen), 1),
    "select_seconds": statistics.median(r["select_seconds"] for r in chosen),
  }


def run_cell(cell: Cell, strategies: tuple[str, ...], folder: pathlib.Path, gan: bool) -> list[dict]:
  """A job of a cell, without GANs or with them; a record of what it was made with, and one a strategy."""
  benchmark = BENCHMARKS[cell.benchmark].get_config("small")
  splits = data_sets.load(benchmark.data.name, tuple(benchmark.data.classes), cache=folder / "cache")
  splits = thinned(splits, cell)
  config = settings(cell, len(splits.pool.labels))
  config.strategies = strategies
  if gan:
    config.update_from_flattened_dict(ASCENT)
  name = cell.name.replace(" ", "_").replace(",", "").replace("%", "percent")
  workdir = folder / (f"{name}_gan" if gan else name)
  result = asal_jax.run(config, splits, workdir=workdir, cache=folder / "cache")
  assert result is not None
  stages = [s for s in read_lines(workdir / "stages.jsonl") if s["stage"] not in strategies]
  prepared = {s["stage"]: round(s["seconds"], 2) for s in stages if s["stage"] not in ("data", "report")}
  about = json.loads((workdir / "config.json").read_text())
  del about["arguments"]  # Folders of this machine.
  of = {
    "pool": len(splits.pool.labels) * cell.redundancy,
    "classes": np.bincount(splits.pool.labels).tolist(),
  }
  head = {"cell": cell.name, "kind": "gan" if gan else "cell", **cell._asdict(), **of}
  records = [{**head, "preparation_seconds": prepared, **about}]
  for strategy in strategies:
    found = summarised([r for r in result.records if r["strategy"] == strategy])
    about_it = {"cell": cell.name, "kind": "strategy", "strategy": strategy, "commit": about["commit"]}
    records.append({**about_it, **found})
  return records


def measure(cell: Cell, gan: bool, folder: pathlib.Path, path: pathlib.Path) -> None:
  """Does what the results lack of a cell's strategies, without GANs or with them."""
  wanted = [s for s in cell.strategies if (s in GAN) == gan]
  kind = "gan" if gan else "cell"
  done = [
    r["strategy"] for r in read_lines(path) if r["cell"] == cell.name and (r.get("strategy") in GAN) == gan
    and r["kind"] == "strategy"
  ]  # fmt: skip
  if FLAGS.cells not in cell.name or set(wanted) <= set(done):
    return
  records = run_cell(cell, tuple(dict.fromkeys([*done, *wanted])), folder, gan)
  fresh = [r for r in records if r.get("strategy") not in done]
  # Read anew: a job may take hours.
  others = [r for r in read_lines(path) if (r["cell"], r["kind"]) != (cell.name, kind)]
  path.with_suffix(".part").write_text("".join(json.dumps(r) + "\n" for r in [*others, *fresh]))
  path.with_suffix(".part").replace(path)


def main(argv: list[str]) -> None:
  if argv[1:]:
    raise app.UsageError(f"unexpected arguments {argv[1:]}")
  folder, path = pathlib.Path(FLAGS.workdir), pathlib.Path(FLAGS.to)
  folder.mkdir(parents=True, exist_ok=True)
  jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
  for gan in (False,) if FLAGS.small or FLAGS.without_gan else (False, True):
    for cell in SMALL if FLAGS.small else CELLS:
      measure(cell, gan, folder, path)


if __name__ == "__main__":
  app.run(main, flags_parser=FLAGS)
