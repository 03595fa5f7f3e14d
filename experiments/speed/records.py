"""Measurements as JSON lines, each with versions, commit and device; the newest of a name counts."""

import json
import pathlib
import subprocess
import sys
from importlib import metadata
from typing import Any

FOLDER = pathlib.Path(__file__).parent


def surroundings(*packages: str) -> dict[str, Any]:
  """As of a run, and the versions of more packages where they are; a commit is dirty where code differs from it."""
  from asal_jax.running.workdir import surroundings as of_a_run

  about = of_a_run()
  if about["commit"]:
    about["commit"] = commit(FOLDER)
  about["versions"] |= {name: version for name in packages if (version := installed(name))}
  return about


def installed(package: str) -> str | None:
  """The version of a package, None where it is not there."""
  try:
    return metadata.version(package)
  except metadata.PackageNotFoundError:
    return None


def commit(folder: pathlib.Path) -> str:
  """The commit of a folder's repository, "-dirty" behind it where tracked files beside results and texts differ."""

  def git(*command: str) -> str:
    return subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=True).stdout

  written = [f":(top,exclude,glob)**/*.{kind}" for kind in ("jsonl", "md", "png")]
  changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", *written)
  return git("rev-parse", "HEAD").strip() + ("-dirty" if changed else "")


def machine(device: dict[str, Any]) -> str:
  """The machine of a record in words, by which machines are told apart; the oldest records have no processor's name."""
  if device["platform"] != "cpu":
    return device["kind"]
  if "flags" not in device:
    return f"{device['cores']} CPU cores of a shared machine"
  return f"{device['processor']}, {device['cores']} CPU cores"


def append(path: pathlib.Path, record: dict) -> None:
  with path.open("a") as file:
    file.write(json.dumps(record) + "\n")


def lines(path: pathlib.Path) -> list[dict]:
  return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def last(records: list[dict], *name: str) -> list[dict]:
  """The last record of each name, which is made of these fields."""
  return list({tuple(record[field] for field in name): record for record in records}.values())


def newest(path: pathlib.Path, *name: str) -> list[dict]:
  """The last record of each name in a file."""
  return last(lines(path), *name)


def tell(text: str) -> None:
  """Progress, apart from the results on the standard output."""
  print(text, file=sys.stderr, flush=True)
