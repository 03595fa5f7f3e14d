"""What is installed: what CI locks is what the project asks for, each file by its hash, and no code comes from data."""

import ast
import pathlib
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12")


def asked_for():
  """Every requirement of running and testing."""
  project = tomllib.loads((ROOT / "pyproject.toml").read_text())
  lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
  of_test = project["project"]["optional-dependencies"]["test"]
  return [
    Requirement(line) for line in [*filter(None, lines), *of_test, *project["build-system"]["requires"]]
  ]


def locked(python):
  """Name -> (version, hashes) of a lock file, whose every line is a release, a hash of it or a comment."""
  found = {}
  for line in (ROOT / f".ci/requirements-{python}.txt").read_text().splitlines():
    line = line.removesuffix("\\").strip()
    if release := re.fullmatch(r"([\w.-]+)==(\S+)( ; .*)?", line):
      found[canonicalize_name(release[1])] = (release[2], hashes := [])
    elif line and not line.startswith("#"):
      hashes.append(re.fullmatch(r"--hash=sha256:([0-9a-f]{64})", line)[1])
  return found


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_what_is_asked_for_in_its_version_and_all_by_hash(python):
  releases = locked(python)
  wanted = [r for r in asked_for() if r.marker is None or r.marker.evaluate({"python_version": python})]
  assert len(wanted) > 30
  for requirement in wanted:
    assert requirement.specifier.contains(releases[canonicalize_name(requirement.name)][0]), requirement
  # A release of compiled code has more files than the one of the machine that wrote the lock.
  assert all(hashes for _, hashes in releases.values())
  assert all(len(releases[name][1]) > 10 for name in ("numpy", "scipy", "jaxlib", "pillow"))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_names_no_registry_and_no_folder(python):
  assert not re.search(
    r"://|--index|--find|--trusted|[ =](/|~)", (ROOT / f".ci/requirements-{python}.txt").read_text()
  )


ALLOWED = {
  ("__init__.py", "importlib.import_module"): "names of a table that stands there",
  (
    "processes.py",
    "pickle",
  ): "between the processes of one job, through jax.distributed's own service; no file",
}
"""(file, what it does): why it may. All else that makes code of data is not there."""

RUNS = (
  "pickle",
  "marshal",
  "shelve",
  "dill",
  "cloudpickle",
  "joblib",
  "yaml",
  "torch",
  "imp",
  "runpy",
  "code",
  "codeop",
)
CALLS = ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "importlib.import_module")


def dotted(node):
  """'a.b.c' of a name with its attributes; '' of anything else."""
  if isinstance(node, ast.Attribute):
    return f"{dotted(node.value)}.{node.attr}"
  return node.id if isinstance(node, ast.Name) else ""


def makes_code_of_data(source):
  """What a program imports and calls that could run what it reads."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import | ast.ImportFrom):
      names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
      yield from (name.split(".")[0] for name in names if name.split(".")[0] in RUNS)
      if isinstance(node, ast.ImportFrom):
        yield from (name for alias in node.names if (name := f"{node.module}.{alias.name}") in CALLS)
    if not isinstance(node, ast.Call):
      continue
    if (name := dotted(node.func)) in CALLS or name.removeprefix("builtins.") in CALLS[:4]:
      yield name
    # Whatever is called: np.load and its like, subprocess.run and its like.
    for option in node.keywords:
      off = isinstance(option.value, ast.Constant) and option.value.value is False
      if option.arg in ("allow_pickle", "shell") and not off:
        yield f"{option.arg}=True"


def test_no_code_comes_from_data():
  found = {
    (path.relative_to(ROOT / "asal_jax").as_posix(), what)
    for path in (ROOT / "asal_jax").rglob("*.py") for what in makes_code_of_data(path.read_text(encoding="utf-8"))
  }  # fmt: skip
  assert found == ALLOWED.keys()


@pytest.mark.parametrize(
  "line",
  [
    "import pickle", "import pickle as p", "from marshal import loads", "import yaml.loader", "x = eval('1')",
    "exec(code)", "import builtins; builtins.eval(x)", "np.load(path, allow_pickle=True)",
    "load(path, allow_pickle=flag)",
    "import torch", "subprocess.run(line, shell=True)", "os.system(line)", "from os import system", "__import__(name)",
    "from joblib import load",
  ],
)  # fmt: skip
def test_what_makes_code_of_data_is_seen(line):
  assert list(makes_code_of_data(line))


@pytest.mark.parametrize(
  "line", ["np.load(path)", "np.load(p, allow_pickle=False)", "subprocess.run([x])", "re.compile(x)"]
)
def test_what_does_not_is_left(line):
  assert not list(makes_code_of_data(line))
