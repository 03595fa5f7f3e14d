"""A whole job: checks, data, what is made once, the cycles of every strategy, summary and figures."""

import json
import os
import pathlib
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from asal_jax import config as checks
from asal_jax import data as data_sets
from asal_jax import report, summary
from asal_jax.checkpoint import fingerprint, write_json
from asal_jax.classifier import make_accuracy, make_classifier, make_fit, make_scorer
from asal_jax.errors import InputError
from asal_jax.journal import Journal
from asal_jax.loop import Learner, fit_start, run_strategy, run_supervised
from asal_jax.oracle import make_oracle, start_set
from asal_jax.prepare import Preparation
from asal_jax.progress import log
from asal_jax.rng import seed_keys
from asal_jax.score import SCORES
from asal_jax.strategy import Synthesis, World, make_query
from asal_jax.synthesis import make_synthesis
from asal_jax.types import Classifier, Data, Splits

STAGES = {
  "gan": frozenset({"gan"}),
  "features": frozenset({"features"}),
  "cycles": frozenset(),
  "all": frozenset({"gan", "features"}),
}
"""What each stage may make; what else it needs must be in the cache."""


class Result(NamedTuple):
  """What a run returns: `summary` as in summary.json, `records` as in metrics.jsonl, and the workdir."""

  summary: dict[str, dict]
  records: list[dict]
  workdir: pathlib.Path


def run(
  config: ConfigDict, data: Data | Splits | None = None, *, workdir: str | os.PathLike[str],
  cache: str | os.PathLike[str] | None = None, stage: str = "all",
) -> Result | None:  # fmt: skip
  """Runs the job of `config` in `workdir`, or resumes it there; the same command does both.

  Args:
    config: as of configs/base.py.
    data: arrays of one's own in place of `config.data.name`: `Splits`, or one `Data`, of which a fixed fifth
      becomes the test set. Images uint8 [n, h, w, c], labels int [n] from 0.
    workdir: where metrics, summary and figures go.
    cache: where GAN, auto-encoder, features and index go, for other runs to share; `workdir/cache` by default.
    stage: 'gan' and 'features' only make these; 'cycles' takes both from the cache; 'all' does everything.

  Returns:
    The Result, or None after the stages 'gan' and 'features'.

  Raises:
    InputError: one line on what is wrong in config, data, cache or workdir.
  """
  workdir = pathlib.Path(workdir)
  check(config, stage, known=data is None)
  settings = describe(config, data)
  refuse_other(workdir, settings)
  splits = load(config, data)
  workdir.mkdir(parents=True, exist_ok=True)
  write_json(workdir / "config.json", {"config": settings, **surroundings()})
  preparation = Preparation(
    config, splits.pool.images, pathlib.Path(cache or workdir / "cache"), STAGES[stage]
  )
  if stage == "gan":
    preparation.gan  # noqa: B018
    return None
  classifier = make_classifier(config.classifier, splits.pool.images.shape[1:], len(splits.class_names))
  world = make_world(config, preparation, classifier)
  if stage == "features":
    return None
  return run_cycles(config, splits, classifier, world, workdir)


def check(config: ConfigDict, stage: str, known: bool) -> None:
  """Raises InputError for what can be told to be wrong before any data are read."""
  if stage not in STAGES:
    raise InputError(f"--stage: found {stage!r}; allowed are {', '.join(STAGES)}")
  checks.validate(config)
  if known:
    checks.validate_choice(config, "data.name", data_sets.DATA_SETS)
    data_set = data_sets.DATA_SETS[config.data.name]
    checks.validate_classes(config, data_set.classes)
    classes = len(config.data.classes) or data_set.classes
    checks.validate_for_data(config, classes, data_set.pool, data_set.image_shape)


def load(config: ConfigDict, data: Data | Splits | None) -> Splits:
  """The data of a run, checked against the config."""
  if data is None:
    splits = data_sets.load(config.data.name, config.data.classes)
  else:
    splits = data_sets.split(data) if isinstance(data, Data) else data
    for name in ("pool", "test"):
      data_sets.check_data(name, getattr(splits, name), len(splits.class_names))
    checks.validate_classes(config, len(splits.class_names))
    splits = data_sets.keep_classes(splits, tuple(config.data.classes))
  classes, pool = len(splits.class_names), splits.pool
  counts = np.bincount(pool.labels, minlength=classes)
  checks.validate_for_data(config, classes, len(pool.images), pool.images.shape[1:], counts)
  return splits


def describe(config: ConfigDict, data: Data | Splits | None) -> dict[str, Any]:
  """What makes a run's numbers, as JSON: the config, and of arrays of one's own a hash."""
  settings = json.loads(json.dumps(config.to_dict()))
  if data is not None:
    pool = data.pool if isinstance(data, Splits) else data
    settings["data"]["name"] = f"arrays {fingerprint(np.asarray(pool.images))}"
  return settings


def refuse_other(workdir: pathlib.Path, settings: dict[str, Any]) -> None:
  """Raises InputError where the workdir belongs to other settings; strategies may be added to it."""
  path = workdir / "config.json"
  if not path.exists():
    return
  changed = differences(json.loads(path.read_text())["config"], settings)
  changed = [field for field in changed if field not in ("strategies", "tensorboard")]
  if changed:
    raise InputError(
      f"--workdir: {workdir} belongs to another config (it differs in {', '.join(changed)}); choose another "
      "workdir or remove this one"
    )


def differences(a: Any, b: Any, prefix: str = "") -> list[str]:
  """Dotted names of the entries in which two nested dicts differ."""
  if not (isinstance(a, dict) and isinstance(b, dict)):
    return [] if a == b else [prefix]
  return [
    name
    for key in sorted({*a, *b})
    for name in differences(a.get(key), b.get(key), f"{prefix}.{key}" if prefix else key)
  ]


def surroundings() -> dict[str, Any]:
  """What a result depends on beside its config: versions, commit, device."""
  packages = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "pynndescent", "tensorflow-datasets")
  device = jax.devices()[0]
  git = subprocess.run(
    ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
    cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=False,
  )  # fmt: skip
  return {
    "arguments": sys.argv[1:],
    "commit": git.stdout.strip() or None,
    "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
    "device": {
      "platform": device.platform, "kind": device.device_kind, "count": jax.device_count(),
      "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(),
    },
  }  # fmt: skip


def make_world(config: ConfigDict, preparation: Preparation, classifier: Classifier) -> World:
  """Everything the strategies of a config may use; GAN and features only where one of them needs these."""
  scorers = {name: make_scorer(classifier, score, preparation.pixel_range) for name, score in SCORES.items()}
  names = checks.feature_sets(config.strategies)
  if not names:
    return World(preparation.images, scorers, None, {})
  gan, state = preparation.gan
  settings, score, batch = config.synthesis, SCORES[config.score], config.loop.per_cycle
  unmoved = ConfigDict({**settings.to_dict(), "ascent_steps": 0})
  synthesis = Synthesis(
    gan.generate, state.generator,
    ascended=make_synthesis(settings, gan, classifier, score, batch),
    random=make_synthesis(unmoved, gan, classifier, score, batch),
  )  # fmt: skip
  return World(
    preparation.images, scorers, synthesis, {name: preparation.feature_set(name) for name in names}
  )


def run_cycles(
  config: ConfigDict, splits: Splits, classifier: Classifier, world: World, workdir: pathlib.Path
) -> Result:
  """All strategies for all seeds, then summary and figures."""
  keys, classes, labels = seed_keys(config.seeds), len(splits.class_names), splits.pool.labels
  oracle = make_oracle(labels)
  start = np.stack([start_set(key, labels, config.loop.start, classes) for key in keys])
  pixel_range = tuple(config.data.pixel_range)

  def learner() -> Learner:
    return Learner(
      make_fit(classifier, config.classifier, pixel_range), make_accuracy(classifier, pixel_range),
      jnp.asarray(splits.test.images), jnp.asarray(splits.test.labels), classes,
    )  # fmt: skip

  journal = Journal(workdir, config.seeds, config.tensorboard)
  shared = learner()
  for name in config.strategies:
    if name == "supervised":
      run_supervised(learner(), keys, world, oracle, journal)
    else:
      run_strategy(name, make_query(name, config, world), config, start, keys, world, shared, oracle, journal)
  figures = workdir / "figures"
  figures.mkdir(exist_ok=True)
  records = journal.records()
  summarised = summary.summarise(records)
  write_json(workdir / "summary.json", summarised)
  report.draw_curves(records, splits, config.name, figures)
  if world.synthesis is not None:
    params = fit_start(shared, keys, world, start, oracle, config.loop.budget)
    report.draw_samples(keys, params, start, world.synthesis, world.feature_sets, splits, config, figures)
  log.info("figures: %s", ", ".join(str(path) for path in sorted(figures.glob("*.png"))))
  return Result(summarised, records, workdir)
