"""The paper's figures and tables: what they need, their runs, their drawings, and how ours compare.

python -m experiments.paper list                                   the table
python -m experiments.paper print [--scale=small] [--shared] [NAME ...]            a command line a run
python -m experiments.paper run --scale=small [--hours=3] [NAME ...]               runs here what is not finished
python -m experiments.paper agreement --scale=small [NAME ...]     figure 13, of GANs in the cache
python -m experiments.paper plot [NAME ...]                        every figure that has a result
python -m experiments.paper results                                experiments/RESULTS.md

NAME is a figure (3, figure_03) or a run (mnist_two_dcgan). The seeds are the config's.
"""

import argparse
import pathlib
import sys

from asal_jax.errors import InputError
from experiments.paper import runs, table
from experiments.paper.runs import Run


def rows() -> list[str]:
  """The table: figures with what they draw and the runs they need, then the runs."""
  lines = ["figure     drawn by         runs"]
  for item in table.ITEMS:
    for part in item.parts:
      names = ", ".join(dict.fromkeys(panel.run.name for panel in part.panels)) or "-"
      lines.append(
        f"{item.name + part.letter:<10} {table.KINDS[part.kind] or '-':<16} {names}  ({item.about})"
      )
  lines += ["", "run, config, seeds at paper and small scale, strategies"]
  for run in table.runs():
    seeds = [len(runs.settings(run, scale, ("random",)).seeds) for scale in runs.SCALES]
    config = f"configs/{run.benchmark}.py:{runs.argument(run, 'paper')}".rstrip(":")
    lines.append(f"{run.name}, {config}, {seeds[0]} and {seeds[1]}, {' '.join(table.strategies(run))}")
  return lines


def commands(chosen: list[Run], scale: str, shared: bool = False) -> list[str]:
  """A line a run; or a line a pool (`shared`), which makes what its runs share and must be done first."""
  if not shared:
    return [runs.command(run, scale, table.strategies(run)) for run in chosen]
  pools: dict[tuple, dict[str, Run]] = {}
  for run in chosen:
    # Scores and test sets share a GAN; the run with most strategies needs all that any needs.
    first = pools.setdefault(runs.pool_of(run, scale), {})
    first[run.gan] = max((first.get(run.gan, run), run), key=lambda run: len(table.strategies(run)))
  return [
    " && ".join(
      runs.command(run, scale, table.strategies(run), stage) for run in gans.values() for stage in runs.STAGES
    )
    for gans in pools.values()
  ]


def parser() -> argparse.ArgumentParser:
  """The command line."""
  made = argparse.ArgumentParser(prog="python -m experiments.paper", description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  actions = made.add_subparsers(dest="action", required=True)
  for action in ("list", "print", "run", "agreement", "plot", "results"):
    command = actions.add_parser(action)
    if action in ("print", "run", "agreement"):
      command.add_argument("--scale", choices=runs.SCALES, default="small" if action != "print" else "paper")
    if action == "print":
      command.add_argument(
        "--shared", action="store_true", help="what runs share, a line a pool: before all else"
      )
    if action == "run":
      command.add_argument("--hours", type=float, help="stop then; the same command goes on")
      command.add_argument("--again", action="store_true", help="also what the repository keeps a result of")
      command.add_argument(
        "--keep", action="store_true", help="copy what is finished into its experiments folder"
      )
    if action == "plot":
      command.add_argument("--to", type=pathlib.Path, default=runs.ROOT / "experiments/paper/figures")
    if action not in ("list", "results"):
      command.add_argument("names", nargs="*", metavar="NAME")
  return made


def main(arguments: list[str]) -> int:
  """The exit status."""
  asked = parser().parse_args(arguments)
  try:
    chosen = table.runs(getattr(asked, "names", ()))
  except KeyError as error:
    print(
      f"{error}: no figure and no run is called so; see `python -m experiments.paper list`", file=sys.stderr
    )
    return 2
  if asked.action == "list":
    print("\n".join(rows()))
  elif asked.action == "print":
    print("\n".join(commands(chosen, asked.scale, asked.shared)))
  elif asked.action == "run":
    from experiments.paper.perform import perform

    return not perform(chosen, asked.scale, hours=asked.hours, again=asked.again, kept=asked.keep)
  elif asked.action == "agreement":
    from experiments.paper import agreement

    try:
      for run in filter(table.annotated, chosen):
        print(agreement.write(run, asked.scale))
    except InputError as error:
      print(error, file=sys.stderr)
      return 2
  elif asked.action == "plot":
    from experiments.paper.draw import draw_all

    items = [item for name in asked.names for item in table.named(name)] or table.ITEMS
    for path in draw_all(asked.to, items):
      print(path)
  else:
    from experiments.paper.report import write

    print(write())
  return 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
