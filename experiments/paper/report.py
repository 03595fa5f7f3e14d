"""experiments/RESULTS.md: the paper's claims beside our numbers, made from the results that there are."""

import os
import pathlib
from collections.abc import Sequence

from asal_jax.reporting import pairs
from asal_jax.reporting.summary import aubc
from experiments.paper import elsewhere, results, runs, table
from experiments.paper.claims import CLAIMS, Claim
from experiments.paper.results import Result
from experiments.paper.rules import Found
from experiments.speed.records import machine

RESULTS = pathlib.Path("experiments/RESULTS.md")
FIGURES = pathlib.Path("experiments/paper/figures")

REPRODUCED, NOT_REPRODUCED, NOT_RUN = "reproduced", "not reproduced", "not run"

HEADER = """# The paper's figures and tables, and ours

Made by `python -m experiments.paper results`; do not edit. `python -m experiments.paper list` says what each needs.

A verdict follows from the number beside it: *reproduced* where the paper's statement holds for ours, *not reproduced*
where it does not, *not run* where there is no result. "Above", "below", "exceeds" and their like mean a paired t-test
over seeds, p < 0.05 after Holm's correction over the strategies that the row names (marked \\*): with few seeds a true
difference may stay *not reproduced*, and may stay unseen where the paper claims none. ± is half a 95 % Student-t
interval over seeds; agreement has its own 95 % interval in brackets. **Scale `small` is not the paper's setting**:
narrower GANs, far fewer iterations, smaller budgets (each config says so). What a reduced run does not show, the
paper's may. Where the scale is `-` the number is no run's."""


def verdict(found: Found | None) -> str:
  """Follows from our number alone."""
  return NOT_RUN if found is None else REPRODUCED if found.holds else NOT_REPRODUCED


def judged(claim: Claim, root: pathlib.Path) -> tuple[list[Result], Found | None]:
  """The results of a claim's runs, all of one scale, the paper's if it can be, and what its rule says."""
  for scale in runs.SCALES:
    found = [results.find(run, (scale,), root) for run in claim.runs]
    kept = [result for result in found if result is not None]
    if len(kept) == len(found):
      # Nothing is claimed of the paper's data by other images.
      return kept, None if any(result.stand_in for result in kept) else claim.rule(kept)
  return [], None


def row(claim: Claim, root: pathlib.Path) -> tuple[str, ...]:
  """A claim as a row of the table."""
  found, ours = judged(claim, root)
  seeds = "/".join(dict.fromkeys(str(len(result.about["config"]["seeds"])) for result in found)) or "-"
  scale = found[0].scale if found else "-"
  told = "its results lack what this needs" if found else "-"
  if any(result.stand_in for result in found):
    told = "other images stand in for the paper's"
  if ours is not None:
    told = ours.ours
  links = ", ".join(f"[{name(result)}](#runs)" for result in found) or "-"
  return claim.text, claim.paper or "-", told, scale, seeds, links, f"**{verdict(ours)}**"


def name(result: Result) -> str:
  """A result in a word."""
  return f"{result.run.name}, {result.scale}"


def section(item: table.Item, root: pathlib.Path) -> str:
  """A figure or table: its claims, and its pages."""
  title = item.name.replace("_0", " ").replace("_", " ").capitalize()
  rows = [row(claim, root) for claim in CLAIMS if claim.item == item.name]
  head = ("claim", "paper", "ours", "scale", "seeds", "runs", "verdict")
  lines = [f"### {title}: {item.about}"]
  if rows:
    lines += [pairs.markdown([head, ("---",) * len(head), *rows])]
  else:
    lines += [pictures_only(item, root)]
  pages = [link(part, item, root) for part in item.parts]
  return "\n\n".join([*lines, *filter(None, pages)])


def pictures_only(item: table.Item, root: pathlib.Path) -> str:
  """What is said of a figure about which the paper gives nothing to count."""
  there = [results.find(panel.run, root=root) for panel in table.panels([item])]
  drawn = sum(result is not None for result in there)
  state = f"{drawn} of {len(there)} panels have a result" if drawn else f"**{NOT_RUN}**"
  return f"No number to compare: to be looked at. {state}."


def link(part: table.Part, item: table.Item, root: pathlib.Path) -> str:
  """A page of a figure where it is in the repository."""
  if part.kind in PAGES:
    return f"![{item.name}]({PAGES[part.kind]})"
  path = FIGURES / f"{item.name}{part.letter}.png"
  return f"![{path.stem}]({os.path.relpath(path, RESULTS.parent)})" if (root / path).exists() else ""


PAGES = {"selection": "selection_time/figure_7.png", "transition": "selection_time/figure_8.png"}
"""Drawn elsewhere, beside their numbers."""


def runs_table(found: Sequence[Result], root: pathlib.Path) -> str:
  """The runs that the claims rest on."""
  rows = [("run", "config", "seeds", "labels", "GAN", "device", "commit", "result")]
  rows += [("---",) * len(rows[0])]
  for result in found:
    config, device = result.about["config"], result.about["device"]
    gan, where = config["gan"], os.path.relpath(result.folder, root / RESULTS.parent)
    rows.append((
      name(result), config["name"], str(len(config["seeds"])),
      f"{config['loop']['start']} to {config['loop']['budget']}",
      f"{gan['loss']}, width {gan['width']}, {gan['iterations']:,} iterations", machine(device),
      (result.about["commit"] or "-")[:10], f"[{where}]({where})",
    ))  # fmt: skip
  return pairs.markdown(rows)


def penalty_table(found: Sequence[Result]) -> str:
  """Who beats whom in AUBC, over the results by entropy that have all of the paper's strategies; a run counts once."""
  cells = []
  for result in {result.run: result for result in reversed(found)}.values():
    values = {n: result.per_seed(n, aubc) for n in table.compared(result.run) if n != "supervised"}
    if result.run.score == "entropy" and not result.stand_in and all(len(v) > 1 for v in values.values()):
      seeds = set.intersection(*(set(v) for v in values.values()))
      cells.append({n: [v[seed] for seed in sorted(seeds)] for n, v in values.items()})
  return pairs.table(*pairs.penalties(cells)) if cells else "No result yet."


def page(root: pathlib.Path = runs.ROOT) -> str:
  """RESULTS.md."""
  found = [r for run in table.runs() for scale in runs.SCALES if (r := results.find(run, (scale,), root))]
  counts = dict.fromkeys((REPRODUCED, NOT_REPRODUCED, NOT_RUN), 0)
  for claim in CLAIMS:
    counts[verdict(judged(claim, root)[1])] += 1
  told = ", ".join(f"{n} {state}" for state, n in counts.items())
  times = elsewhere.times()
  timed = f"Figures 7 and 8: {machine(times[-1]['device'])}, commit {times[-1]['commit'][:10]}."
  return "\n\n".join([
    HEADER, f"Of {len(CLAIMS)} claims: {told}.",
    *(section(item, root) for item in table.ITEMS),
    "## Runs", runs_table(found, root), timed,
    "## Who beats whom", "In how many per cent of the results above the row's AUBC is significantly above the column's "
    "(p < 0.05 after Holm's correction over the pairs of a result; Ash et al. 2020).",
    penalty_table(found),
  ]) + "\n"  # fmt: skip


def write(root: pathlib.Path = runs.ROOT) -> pathlib.Path:
  """Writes it."""
  path = root / RESULTS
  path.write_text(page(root))
  return path
