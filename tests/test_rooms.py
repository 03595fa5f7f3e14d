"""Rooms are floors: each imports only from those below it, or from itself."""

import ast
import pathlib
import re

PACKAGE = pathlib.Path(__file__).parent.parent / "asal_jax"
FLOORS = (
  *("errors", "interrupts", "types", "rng", "processes", "devices"),
  *("store", "networks", "pools", "models", "search", "acquisition", "labelling", "reporting", "running"),
  *("fields", "config", "job", "main", "label"),
)


def imported(path):
  """The rooms of this package that a file imports from, and the line of each."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "asal_jax":
      rooms = node.module.split(".")[1:2] or [name.name for name in node.names]
      yield from ((room, node.lineno) for room in rooms)


def test_every_room_imports_from_the_floors_below():
  files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
  assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in files} == set(FLOORS)
  wrong = []
  for path in files:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for room, line in imported(path):
      if FLOORS.index(room) > FLOORS.index(own):
        wrong.append(f"{path.relative_to(PACKAGE)}:{line} is in {own} and imports from {room}")
  assert not wrong


def test_only_networks_import_flax():
  imports = re.compile(r"^\s*(?:from|import) flax", re.MULTILINE)
  users = {p.relative_to(PACKAGE).parts[0] for p in PACKAGE.rglob("*.py") if imports.search(p.read_text())}
  assert users == {"networks"}
