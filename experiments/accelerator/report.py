"""What all calls have found so far: results.jsonl, speed.md and speed.png of the speed table, runs.md of the runs.

  python -m experiments.accelerator.report CACHE OUT [--tiny]

A line of results.jsonl has step and part, whether this is complete, config if it has one, commit, versions, device,
and a hash of the code that worked on it (several where it changed in between), as git may be missing.
"""

import json
import pathlib
import sys

from asal_jax.errors import InputError
from asal_jax.reporting import plots, summary
from asal_jax.store.journal import read_lines
from experiments.accelerator.parts import Job, Place
from experiments.accelerator.runner import slices
from experiments.accelerator.steps import STEPS, TINY
from experiments.speed.figures import draw_ratios
from experiments.speed.records import machine
from experiments.speed.rows import ROWS
from experiments.speed.tables import quantity, ratio, rival


def results(place: Place) -> list[dict]:
  """Every line of every part that is there."""
  codes: dict[str, list[str]] = {}
  for r in slices(place):
    codes.setdefault(r["part"], []).append(r["code"])
  own = lambda part: {"complete": part.done(place), "code": [*dict.fromkeys(codes.get(part.name, []))]}  # noqa: E731
  return [
    {"step": step.name, "part": part.name, **line, **own(part)}
    for step in (TINY if place.tiny else STEPS)
    for part in step.parts
    for line in part.lines(place)
  ]


def speed_table(rows: list[dict], peaks: dict[str, float]) -> str:
  """Of one device, as Markdown, with the rates reached and their shares of the device's peaks."""
  table = [
    "| what | precision | ours | rival (form) | ratio (spread) | TFLOP/s | of the peak | rival's | GB/s | of a copy |",
    f"| --- | --- |{' ---: |' * 8}",
  ]
  for r in rows:
    seconds, cells = r["ours_seconds"], ["-"] * 5
    if r.get("flops"):
      peak = peaks.get(r["precision"])
      share = lambda rate, of: f"{100 * rate / of:.0f} %" if of else "-"  # noqa: E731
      rate, traffic = r["flops"] / seconds, r["bytes"] / seconds
      other = f"{1e-12 * r['flops'] / r['rival_seconds']:.3g}" if "rival_seconds" in r else "-"
      cells = [f"{1e-12 * rate:.3g}", share(rate, peak), other, f"{1e-9 * traffic:.4g}"]
      cells.append(share(traffic, peaks.get("copy")))
    what = [ROWS[r["row"]].what, r["precision"], quantity(seconds), rival(r), ratio(r)]
    table.append(f"| {' | '.join([*what, *cells])} |")
  return "\n".join(table)


def speed(found: list[dict], out: pathlib.Path) -> None:
  """speed.md and speed.png."""
  rows = [{"machine": machine(r["device"]), **r} for r in found if "row" in r]
  if not rows:
    return
  texts = []
  for name in dict.fromkeys(r["machine"] for r in rows):
    of = [r["peaks"] for r in found if "peaks" in r and machine(r["device"]) == name]
    peaks = of[-1] if of else {}
    rates = [f"{1e-12 * v:.3g} TFLOP/s {k}" for k, v in peaks.items() if k != "copy"]
    rates += [f"{1e-9 * peaks['copy']:.4g} GB/s in a copy"] if peaks else ["not measured"]
    mine = [r for r in rows if r["machine"] == name]
    texts.append(f"**{name}** (peaks: {', '.join(rates)})\n\n{speed_table(mine, peaks)}\n")
  (out / "speed.md").write_text("\n".join(texts))
  compared = [r for r in rows if "ratio" in r]
  if compared:
    draw_ratios(compared, out / "speed.png")


def runs(place: Place, out: pathlib.Path) -> None:
  """runs.md, a table a run, and accuracy.png of runs that were made seed by seed; those that are not complete too."""
  jobs: dict[str, list[Job]] = {}
  for step in TINY if place.tiny else STEPS:
    for part in step.parts:
      if isinstance(part, Job):
        jobs.setdefault(part.name.split("/seed")[0], []).append(part)
  texts = []
  for name, of in jobs.items():
    records = [r for job in of for r in read_lines(job.workdir(place) / "metrics.jsonl")]
    if not records:
      continue
    done = sum(job.done(place) for job in of)
    state = "complete" if done == len(of) else f"NOT COMPLETE, {done} of {len(of)} parts are done"
    try:
      texts.append(f"**{name}** ({state})\n\n{summary.markdown(summary.summarise(records))}\n")
      if len(of) > 1:
        plots.accuracy(records, out / f"{name.replace('/', '_')}.png", of[0].config(place).name)
    except InputError as error:  # Seeds that have no cycle in common yet.
      texts.append(f"**{name}** ({state}): {error}\n")
  (out / "runs.md").write_text("\n".join(texts))


def main(cache: pathlib.Path, out: pathlib.Path, tiny: bool) -> None:
  out.mkdir(parents=True, exist_ok=True)
  found = results(Place(cache, tiny))
  (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
  speed(found, out)
  runs(Place(cache, tiny), out)


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), "--tiny" in sys.argv[3:])
