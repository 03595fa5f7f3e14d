"""Measurements as JSON lines, each with versions, commit and device; the newest of a name counts."""

import json
import pathlib
import sys
from importlib import metadata
from typing import Any

FOLDER = pathlib.Path(__file__).parent


def surroundings(*packages: str) -> dict[str, Any]:
  """As of a run, and the versions of more packages."""
  from asal_jax.job import surroundings as of_a_run

  about = of_a_run()
  about["versions"] |= {name: metadata.version(name) for name in packages}
  return about


def append(path: pathlib.Path, record: dict) -> None:
  with path.open("a") as file:
    file.write(json.dumps(record) + "\n")


def newest(path: pathlib.Path, *name: str) -> list[dict]:
  """The last record of each name, which is made of these fields."""
  records = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
  return list({tuple(record[field] for field in name): record for record in records}.values())


def tell(text: str) -> None:
  """Progress, apart from the results on the standard output."""
  print(text, file=sys.stderr, flush=True)
