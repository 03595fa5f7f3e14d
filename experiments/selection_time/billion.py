"""What 100 million and a billion images would take, by the powers fitted to what was measured: for BILLION.md.

python -m experiments.selection_time.billion
"""

from experiments.search import figures as search
from experiments.selection_time.costs import extrapolated
from experiments.selection_time.figures import CELEBA, FOLDER, LENET, by_series, seconds
from experiments.speed.records import newest

SIZES = (100_000_000, 1_000_000_000)
GB = 1e9

BYTES = {
  "features, float32 (exact search; re-ranking)": 200,
  "codes of exact_int8": 50,
  "graphs of pynndescent, beside the features": 337,
}
"""Bytes an image on disk with 50 dimensions and 30 neighbours; of the graphs as measured of a million rows."""

ORDERS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def spoken(value: float) -> str:
  """Seconds in the largest unit that fits."""
  size, unit = next(((size, unit) for size, unit in ORDERS if value >= 2 * size), (1, "s"))
  return f"{value / size:.2g} {unit}"


def line(what: str, points: dict[int, float]) -> str:
  """A row of the table: each size with its 95 % interval; the power of a series of two points has none."""
  xs, ys = list(points), list(points.values())
  cells = []
  for n in SIZES:
    y, low, high = extrapolated(xs, ys, n)
    around = f" ({spoken(low)} to {spoken(high)})" if len(xs) > 2 else ""
    cells.append(f"{spoken(y)}{around}")
  return f"| {what} | {' | '.join(cells)} |"


def main() -> None:
  timed_file = newest(FOLDER / "results.jsonl", "kind", "what", "n")
  searched_file = newest(search.FOLDER / "results.jsonl", "kind", "what", "n")
  print("| bytes on disk | 100 million | 1 billion |\n| --- | ---: | ---: |")
  for what, size in BYTES.items():
    print(f"| {what} | " + " | ".join(f"{size * n / GB:,.0f} GB" for n in SIZES) + " |")
  print("\n| seconds on 2 cores, extrapolated | 100 million | 1 billion |\n| --- | ---: | ---: |")
  made, timed = by_series(timed_file, "preparation"), by_series(timed_file, "selection")
  for what in ("features", "pynndescent"):
    print(line(f"making: {what}", dict(zip(*seconds(made[what]), strict=True))))
  for name, by_size in search.rows(searched_file, "real").items():
    if len(by_size) > 2:
      print(line(f"search for 10 queries: {name}", {n: r["seconds"] for n, r in by_size.items()}))
  for what in (LENET, CELEBA):
    print(line(what, dict(zip(*seconds(timed[what]), strict=True))))


if __name__ == "__main__":
  main()
