"""The table and the figure of the indices, from results.jsonl.

python -m experiments.search.figures [FILE.jsonl]
"""

import pathlib
import sys

from matplotlib.ticker import FuncFormatter, NullFormatter

from asal_jax.reporting import canvas
from asal_jax.reporting.panels import MORE
from experiments.search.measure import KINDS
from experiments.speed.figures import frame, machine, short
from experiments.speed.records import newest

FOLDER = pathlib.Path(__file__).parent
GIB = 2**30


def built(records: list[dict], name: str, kind: str, n: int) -> dict | None:
  """What making an index took: exact search needs nothing but the features."""
  what = name if kind == "real" else f"{name}, {kind}"
  return next((r for r in records if (r["kind"], r["what"], r["n"]) == ("preparation", what, n)), None)


def rows(records: list[dict], kind: str) -> dict[str, dict[int, dict]]:
  """Searches by index and pool size."""
  found: dict[str, dict[int, dict]] = {}
  for record in sorted((r for r in records if r["kind"] == "search"), key=lambda r: r["n"]):
    name, of = record["what"].split(", ")
    if of == kind:
      found.setdefault(name, {})[record["n"]] = record
  return found


def table(records: list[dict], kind: str) -> str:
  """Markdown, a line an index and pool size."""
  lines = [
    f"| {kind} features | pool | build s | peak GiB | first ms | fresh ms | warm ms | recall@1 | recall@10 |",
    "| --- |" + " ---: |" * 8,
  ]
  for name, by_size in rows(records, kind).items():
    for n, r in by_size.items():
      made = built(records, name, kind, n)
      building = (
        ["", ""] if made is None else [f"{made['seconds']:.3g}", f"{made['host_peak_bytes'] / GIB:.2g}"]
      )
      cells = [*building, *(f"{1e3 * r[which]:.3g}" for which in ("first", "fresh", "seconds"))]
      cells += [f"{r['recall_1']:.3f}", f"{r['recall_10']:.3f}"]
      lines.append(f"| {name} | {short(n)} | {' | '.join(cells)} |")
      if "seconds_from_disk" in r:
        cells = ["", "", f"{1e3 * r['seconds_from_disk']:.3g}", "", "", "", ""]
        lines.append(f"| {name}, read from disk | {short(n)} | {' | '.join(cells)} |")
  return "\n".join(lines)


def draw(records: list[dict], path: pathlib.Path) -> None:
  """Milliseconds of a search of 10 queries, seconds of building and recall@1 against the pool, a row a kind."""
  figure = canvas.figure(12.5, 7.0)
  panels = (("ms to search 10 queries", True), ("s to build", True), ("recall@1", False))
  for kind, line in zip(KINDS, figure.subplots(len(KINDS), len(panels)), strict=True):
    of_kind = rows(records, kind)
    sizes = sorted({n for by_size in of_kind.values() for n in by_size})
    for axes, (what, logarithmic) in zip(line, panels, strict=True):
      frame(axes)
      for colour, (name, by_size) in zip(MORE, of_kind.items(), strict=False):
        made = {n: built(records, name, kind, n) for n in by_size}
        values = {
          "ms to search 10 queries": {n: 1e3 * r["seconds"] for n, r in by_size.items()},
          "s to build": {n: m["seconds"] for n, m in made.items() if m is not None},
          "recall@1": {n: r["recall_1"] for n, r in by_size.items()},
        }[what]
        axes.plot(
          list(values),
          list(values.values()),
          marker="o",
          markersize=3.5,
          linewidth=1.4,
          color=colour,
          label=name,
        )
      axes.set_xscale("log")
      axes.set_xticks(sizes, [short(n) for n in sizes])
      axes.xaxis.set_minor_formatter(NullFormatter())
      if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
      else:
        axes.set_ylim(0.8, 1.01)
      axes.set_ylabel(what, fontsize=9)
      axes.set_title(f"{kind} features", loc="left", fontsize=9.5, color=canvas.TEXT)
  figure.legend(
    *figure.axes[0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside lower left", ncols=7
  )
  title = f"Indices over 50 features, {machine(records)}; 200 queries, 10 at a time"
  figure.suptitle(title, fontsize=12, color=canvas.TEXT, x=0.01, ha="left")
  canvas.save(figure, path)


def main(arguments: list[str]) -> None:
  path = pathlib.Path(arguments[0]) if arguments else FOLDER / "results.jsonl"
  records = newest(path, "kind", "what", "n")
  draw(records, path.with_name("indices.png"))
  print("\n\n".join(table(records, kind) for kind in KINDS))


if __name__ == "__main__":
  main(sys.argv[1:])
