"""Parts of steps: a command, what it leaves when it is done, and the result lines in that."""

import contextlib
import importlib
import json
import pathlib
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from ml_collections import ConfigDict

from asal_jax.pools.attributes import PARTS
from asal_jax.store.journal import read_lines
from experiments.speed.records import last

ROOT = pathlib.Path(__file__).parent.parent.parent
PNG_END = b"IEND\xaeB`\x82"


class Place(NamedTuple):
  """Where the work lies: `runs` has what comes back, `made` what is large; `tiny` is a rehearsal."""

  cache: pathlib.Path
  tiny: bool

  @property
  def runs(self) -> pathlib.Path:
    return self.cache / "runs"

  @property
  def made(self) -> pathlib.Path:
    return self.cache / "made"


class Part(Protocol):
  """`whole`: what is stopped begins anew, so it is begun only where `minutes`, an estimate, are left.

  `needs` names data sets and packages. `lines` are those that are there, done or not.
  """

  name: str
  minutes: float
  whole: bool
  needs: tuple[str, ...]

  def command(self, place: Place) -> list[str]: ...
  def done(self, place: Place) -> bool: ...
  def lines(self, place: Place) -> list[dict]: ...


def module(name: str, *arguments: object) -> list[str]:
  return [sys.executable, "-m", name, *map(str, arguments)]


class Rows(NamedTuple):
  """Rows of experiments/speed that are timed together."""

  rows: tuple[str, ...]
  precision: str
  minutes: float = 1.5
  whole: bool = True

  @property
  def name(self) -> str:
    return f"speed/{self.precision}/{self.rows[0]}"

  @property
  def needs(self) -> tuple[str, ...]:
    # The graph of our walks is made by faiss.
    walk, digits = self.rows[0].startswith("walk_"), self.rows[0].startswith("max_entropy")
    return ("faiss",) * walk + ("mnist",) * digits

  def _file(self, place: Place) -> pathlib.Path:
    return place.runs / "speed" / "results.jsonl"

  def command(self, place: Place) -> list[str]:
    options = f"--precision={self.precision}", f"--to={self._file(place)}"
    return module("experiments.speed.bench", *options, *self.rows)

  def done(self, place: Place) -> bool:
    return len(self.lines(place)) == len(self.rows)

  def lines(self, place: Place) -> list[dict]:
    records = last(readable(self._file(place)), "row", "precision")
    return [r for r in records if r["row"] in self.rows and r["precision"] == self.precision]


class Script(NamedTuple):
  """A module that is called with `arguments(place)` and appends to a file a line for each value of a field."""

  name: str
  module: str
  file: str
  field: str
  values: tuple[Any, ...]
  before: tuple[str, ...] = ()
  minutes: float = 2.0
  whole: bool = False
  needs: tuple[str, ...] = ()

  def command(self, place: Place) -> list[str]:
    arguments = [word.format(cache=place.cache, file=place.runs / self.file) for word in self.before]
    return module(self.module, *arguments, *(["--tiny"] if place.tiny else []))

  def done(self, place: Place) -> bool:
    return {*self.values} <= {r.get(self.field) for r in self.lines(place)}

  def lines(self, place: Place) -> list[dict]:
    return readable(place.runs / self.file)


class Peaks(NamedTuple):
  """The device's own peaks."""

  name: str = "speed/peaks"
  minutes: float = 0.5
  whole: bool = True
  needs: tuple[str, ...] = ()

  def _file(self, place: Place) -> pathlib.Path:
    return place.runs / "speed" / "peaks.json"

  def command(self, place: Place) -> list[str]:
    return module("experiments.speed.ceiling", f"--peaks={self._file(place)}")

  def done(self, place: Place) -> bool:
    return self._file(place).exists()

  def lines(self, place: Place) -> list[dict]:
    return [json.loads(self._file(place).read_text())] if self.done(place) else []


class Sprites(NamedTuple):
  """The folder of sprites, which is no result."""

  counts: tuple[int, int, int]
  name: str = "sprites/make"
  minutes: float = 3.0
  whole: bool = True
  needs: tuple[str, ...] = ("sprites",)

  def command(self, place: Place) -> list[str]:
    counts = (80, 10, 40) if place.tiny else self.counts
    flags = [f"--{part}={count}" for part, count in zip(PARTS, counts, strict=True)]
    # The folder that SPRITES_DIR names is put in by the runner.
    return module("experiments.sprites.make", "{sprites}", sprites(place), *flags)

  def done(self, place: Place) -> bool:
    return (sprites(place) / "attributes.json").exists()

  def lines(self, place: Place) -> list[dict]:
    return []


def sprites(place: Place) -> pathlib.Path:
  return place.cache / "sprites"


class Job(NamedTuple):
  """A run of asal_jax.main: `argument` is the config's, `changes` are overrides by dotted field."""

  name: str
  benchmark: str
  argument: str
  changes: dict[str, Any]
  minutes: float
  whole: bool = False
  needs: tuple[str, ...] = ()

  def _changes(self, place: Place) -> dict[str, Any]:
    changes = {**self.changes}
    if "sprites" in self.needs:
      changes["data.folder"] = str(sprites(place))
    return changes | (tiny(self.config_of(changes)) if place.tiny else {})

  def config_of(self, changes: dict[str, Any]) -> ConfigDict:
    config = importlib.import_module(f"configs.{self.benchmark}").get_config(self.argument)
    config.update_from_flattened_dict(changes)
    return config

  def config(self, place: Place) -> ConfigDict:
    return self.config_of(self._changes(place))

  def workdir(self, place: Place) -> pathlib.Path:
    return place.runs / self.name

  def command(self, place: Place) -> list[str]:
    path = f"configs/{self.benchmark}.py" + (f":{self.argument}" if self.argument else "")
    settings = [f"--config.{field}={value}" for field, value in self._changes(place).items()]
    folders = f"--workdir={self.workdir(place)}", f"--cache={place.made}"
    return module("asal_jax.main", f"--config={path}", *settings, *folders)

  def done(self, place: Place) -> bool:
    """Whether every cycle of every strategy and seed is measured, and the report has drawn its last figure."""
    config, folder = self.config(place), self.workdir(place)
    found = {(r["strategy"], r["seed"], r["cycle"]) for r in read_lines(folder / "metrics.jsonl")}
    names = config.strategies
    left = [r for name in names for r in expected(name, config) if r not in found]
    asks = any(name.startswith("asal_") for name in names)
    last = ["accuracy"] + ["matches"] * asks
    figures = [folder / "figures" / f"{name}.png" for name in last]
    return not left and {*names} <= {*self._summary(place)} and all(map(whole_png, figures))

  def _summary(self, place: Place) -> dict[str, dict]:
    path = self.workdir(place) / "summary.json"
    return json.loads(path.read_text()) if path.exists() else {}

  def lines(self, place: Place) -> list[dict]:
    """A line a strategy of summary.json, one of the GAN's looks, one of the seconds of every stage."""
    folder = self.workdir(place)
    if not (folder / "config.json").exists():
      return []
    about, seconds = json.loads((folder / "config.json").read_text()), {}
    for r in read_lines(folder / "stages.jsonl"):
      seconds[r["stage"]] = seconds.get(r["stage"], 0.0) + r["seconds"]
    found: list[dict] = [{"strategy": name, **values} for name, values in self._summary(place).items()]
    looks = read_lines(folder / "gan.jsonl")
    found += [{"what": "gan", "looks": looks}] if looks else []
    return [r | about for r in [*found, {"what": "stages", "seconds": seconds}]]


def expected(strategy: str, config: ConfigDict) -> Iterable[tuple[str, int, int]]:
  """(strategy, seed, cycle) of the lines of metrics.jsonl."""
  loop = config.loop
  cycles = 1 if strategy == "supervised" else (loop.budget - loop.start) // loop.per_cycle + 1
  return [(strategy, seed, cycle) for seed in config.seeds for cycle in range(cycles)]


def whole_png(path: pathlib.Path) -> bool:
  """Whether the file is there to its end."""
  return path.exists() and path.read_bytes().endswith(PNG_END)


def readable(path: pathlib.Path) -> list[dict]:
  """The records of a JSON-lines file that several commands append to; what one that was killed tore is left out."""
  found = []
  for line in path.read_text().splitlines() if path.exists() else []:
    with contextlib.suppress(json.JSONDecodeError):
      found.append(json.loads(line))
  return found


def tiny(config: ConfigDict) -> dict[str, Any]:
  """Overrides with which a config runs through in seconds on a CPU."""
  ten = not config.data.classes and config.data.name != "celeb_a"
  few = () if config.data.name == "celeb_a" else (0.004,) * (10 if ten else len(config.data.classes))
  strategies = tuple(n for n in config.strategies if n in ("supervised", "random", "asal_critic")) or (
    "random",
  )
  network = "lenet5" if config.classifier.network == "all_cnn" else config.classifier.network
  return {
    "classifier.network": network, "precision": "float32", "seeds": tuple(config.seeds)[:2], "strategies": strategies,
    "data.pool_class_fractions": few, "subpool": 20,
    "classifier.epochs": 1, "judge.network": network, "judge.epochs": 1,
    "loop.start": 20, "loop.per_cycle": 5, "loop.budget": 30, "synthesis.batch": 0,
    "gan.width": 4, "gan.critic_width": 4, "gan.iterations": 4, "gan.batch_size": 8, "gan.generator_batch_size": 8,
    "gan.looks": 1, "gan.checkpoint_every": 2, "autoencoder.epochs": 1, "features.dimensions": 5,
    "synthesis.ascent_steps": 2,
  }  # fmt: skip
