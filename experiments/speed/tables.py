"""What the benchmark has timed, as Markdown and figure: a table a machine and precision, the newest of each row."""

import pathlib
from collections.abc import Iterator

from experiments.speed.figures import draw_ratios
from experiments.speed.records import FOLDER, last, lines, machine
from experiments.speed.rows import PRECISIONS, ROWS

RESULTS = FOLDER / "results.jsonl"


def newest(path: pathlib.Path | None = None) -> list[dict]:
  """The newest result of every row, precision and machine; the oldest lines are of float32 and do not say so."""
  found = [{"precision": PRECISIONS[0], "machine": machine(r["device"])} | r for r in lines(path or RESULTS)]
  return last([r for r in found if r["row"] in ROWS], "row", "precision", "machine")


def quantity(seconds: float) -> str:
  return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def rival(r: dict) -> str:
  """The rival's time and how it ran."""
  if "rival_seconds" not in r:
    return "-"
  return f"{quantity(r['rival_seconds'])} ({r.get('rival_form', r.get('rival_threads', '?'))})"


def ratio(r: dict) -> str:
  return f"{r['ratio']:.2f} ({r['ratio_low']:.2f} to {r['ratio_high']:.2f})" if "ratio" in r else "-"


def table(results: list[dict]) -> str:
  """The rows as Markdown."""
  how = "form" if any("rival_form" in r for r in results) else "threads"
  rows = [
    f"| what | ours | rival ({how}) | ratio (spread) | aim | compile s |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
  ]
  for r in results:
    aim = ROWS[r["row"]].aim
    cells = [
      ROWS[r["row"]].what,
      quantity(r["ours_seconds"]),
      rival(r),
      ratio(r),
      "-" if aim is None else str(aim),
      "included" if r["compile_seconds"] is None else f"{r['compile_seconds']:.1f}",
    ]
    rows.append(f"| {' | '.join(cells)} |")
  return "\n".join(rows)


def tables(results: list[dict]) -> Iterator[str]:
  """One a machine and precision, with what the machine is above."""
  order = list(ROWS)
  for name in dict.fromkeys(r["machine"] for r in results):
    for precision in PRECISIONS:
      rows = [r for r in results if (r["machine"], r["precision"]) == (name, precision)]
      if rows:
        rows.sort(key=lambda r: order.index(r["row"]))
        yield f"**{name}, {precision}**{about(rows[-1]['device'])}\n\n{table(rows)}\n"


def about(device: dict) -> str:
  """What a machine is beside its name, where the line says it."""
  if "flags" not in device:
    return ""
  caches = [
    f"{name} {cache['kib']:,} KiB" + (f" of {cache['cores']} cores" if cache["cores"] > 1 else " a core")
    for name, cache in device["caches"].items()
  ]
  memory = [f"{device['memory_gib']} GiB of memory"] if device["memory_gib"] else []
  return f" ({', '.join([*device['flags'], *caches, *memory])})"


def show() -> None:
  """The tables and the figure of the newest result of every row, precision and machine."""
  results = newest()
  draw_ratios([r for r in results if "ratio" in r], FOLDER / "ratios.png")
  print("\n".join(tables(results)))
