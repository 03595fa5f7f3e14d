"""A whole job: checks, data, what is made once, the cycles of every strategy, summary and figures."""

import contextlib
import functools
import json
import os
import pathlib
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from asal_jax import config as checks
from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.models.classifier import make_classifier
from asal_jax.models.judge import Judge, classifier_section, make_judge
from asal_jax.pools import data as data_sets
from asal_jax.pools.attributes import CELEB_A_ATTRIBUTES, read_attributes_folder
from asal_jax.pools.usps import load_usps_test
from asal_jax.reporting import report
from asal_jax.running.comparison import Comparison, Result, make_world
from asal_jax.running.prepare import Preparation
from asal_jax.running.rehearsal import rehearse
from asal_jax.store import machine
from asal_jax.store.checkpoint import Cache, fingerprint, write_json
from asal_jax.store.progress import log
from asal_jax.store.stages import Stages
from asal_jax.types import Data, Pool, Splits

STAGES = {
  "gan": frozenset({"gan"}),
  "features": frozenset({"features"}),
  "cycles": frozenset(),
  "all": frozenset({"gan", "features"}),
}
"""What each stage may make; what else it needs must be in the cache."""


FAST_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions with which a CPU multiplies bfloat16 faster than float32."""


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
  if processes.agreed(settings) != settings:
    raise InputError(
      "--config: the processes of this run have different configs; start all by the same command"
    )
  refuse_other(workdir, settings)
  tell_precision(config.precision)
  cache = pathlib.Path(cache or workdir / "cache")
  workdir.mkdir(parents=True, exist_ok=True)
  stages = Stages(workdir / "stages.jsonl")
  with stages("data"):
    splits = load(config, data, cache)
  write_json(workdir / "config.json", {"config": settings, **surroundings()})
  with jax.default_matmul_precision(config.precision):

    @functools.cache
    def judge() -> Judge:
      with stages("judge"):
        return train_judge(config, splits, cache)

    look = report.make_look(config, judge, workdir)
    preparation = Preparation(config, splits.pool.images, cache, STAGES[stage], stages, look)
    if stage == "gan":
      preparation.gan  # noqa: B018
      return None
    shape, classes = splits.pool.images.image_shape, len(splits.class_names)
    classifier = make_classifier(config.classifier, shape, classes, tuple(config.data.pixel_range))
    world = make_world(config, preparation, classifier, classes, workdir)
    if stage == "features":
      return None
    comparison = Comparison(config, splits, classifier, world, judge, workdir)
    for name in config.strategies:
      with stages(name):
        comparison.run(name)
    with stages("report"):
      return comparison.report()


def tell_precision(precision: str) -> None:
  """Logs a line where bfloat16 is asked of a CPU that has no instructions for it: the same numbers, slowly."""
  if precision == "bfloat16" and jax.default_backend() == "cpu":
    about = machine.describe()
    if not FAST_BFLOAT16 & {*about["flags"]}:
      log.warning(
        "config.precision: bfloat16, but %s has neither AVX512-BF16 nor AMX: expect it to be slower than float32",
        about["processor"],
      )


def train_judge(config: ConfigDict, splits: Splits, cache: pathlib.Path) -> Judge:
  """The judge of the run, by `config.judge`."""
  section, pixel_range = classifier_section(config), tuple(config.data.pixel_range)
  classifier = make_classifier(section, splits.pool.images.image_shape, len(splits.class_names), pixel_range)
  return make_judge(classifier, section, config.judge.confidence, splits, pixel_range, Cache(cache))


def check(config: ConfigDict, stage: str, known: bool) -> None:
  """Raises InputError for what can be told to be wrong before any data are read."""
  if stage not in STAGES:
    raise InputError(f"--stage: found {stage!r}; allowed are {', '.join(STAGES)}")
  checks.validate(config)
  if known:
    checks.validate_choice(config, "data.name", data_sets.DATA_SETS)
    data_set = data_sets.DATA_SETS[config.data.name]
    checks.validate_classes(config, data_set.classes)
    checks.validate_sources(config, data_set.classes, data_set.image_shape, named=True)
    if config.data.name == "celeb_a" and not config.data.folder:
      checks.validate_choice(config, "data.attribute", CELEB_A_ATTRIBUTES)
    classes = len(config.data.classes) or data_set.classes
    # How many images a folder holds is known when it is loaded.
    pool = config.loop.budget if config.data.folder else config.data.jitter or data_set.pool
    checks.validate_for_data(config, classes, pool, data_set.image_shape)
    rehearse(config, data_set.image_shape, classes)


def load(config: ConfigDict, data: Data | Splits | None, cache: pathlib.Path) -> Splits:
  """The data of a run, checked against the config; what decoding them makes goes into the cache."""
  section = config.data
  flips = False
  if data is None:
    flips = data_sets.DATA_SETS[section.name].flips
    splits = data_sets.load(
      section.name, attribute=section.attribute, folder=section.folder, cache=cache, store=section.store
    )
  else:
    splits = data if isinstance(data, Splits) else split(data, section.resident_gib)
    for name in ("pool", "test"):
      data_sets.check_data(name, getattr(splits, name), len(splits.class_names))
    checks.validate_classes(config, len(splits.class_names))
    shape = data_sets.image_shape(splits.pool)
    checks.validate_sources(config, len(splits.class_names), shape, named=False)
  if section.test_set == "usps":
    splits = splits._replace(test=load_usps_test(section.usps_file))
  known = section.name if data is None and not section.folder else ""
  splits = splits._replace(pool=data_sets.leave_on_disk(splits.pool, section.resident_gib, known))
  splits = data_sets.keep_classes(splits, tuple(section.classes))
  splits = data_sets.keep_fractions(splits, tuple(section.pool_class_fractions))
  splits = splits._replace(pool=data_sets.open_pool(splits.pool, section.jitter, flips))
  classes, pool = len(splits.class_names), splits.pool
  counts, shape = np.bincount(pool.labels, minlength=classes), data_sets.image_shape(pool)
  checks.validate_for_data(config, classes, len(pool.images), shape, counts)
  if data is not None:
    rehearse(config, shape, classes)
  return splits


def split(data: Data, resident_gib: float) -> Splits:
  """One's own arrays, a fifth of them held out; what is large and mapped is not read."""
  data_sets.check_data("data", data)
  return data_sets.split(data_sets.leave_on_disk(data, resident_gib))


def describe(config: ConfigDict, data: Data | Splits | None) -> dict[str, Any]:
  """What makes a run's numbers, as JSON: the config, and of images of one's own a hash."""
  settings = json.loads(json.dumps(config.to_dict()))
  # Where USPS lies and where a pool is held changes no number.
  for field in ("usps_file", "resident_gib", "store"):
    del settings["data"][field]
  if data is None and config.data.folder:
    images, _ = read_attributes_folder(pathlib.Path(config.data.folder)).parts["train"]
    settings["data"]["folder"] = f"images {fingerprint(images)}"
  if data is not None:
    pool = data.pool if isinstance(data, Splits) else data
    images = pool.images
    made_of = images.fingerprint() if isinstance(images, Pool) else fingerprint(np.asarray(images))
    settings["data"]["name"] = f"arrays {made_of}"
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
  commit = None
  with contextlib.suppress(OSError):  # There is no git.
    commit = subprocess.run(
      ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
      cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=False,
    ).stdout.strip() or None  # fmt: skip
  return {
    "arguments": sys.argv[1:],
    "commit": commit,
    "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
    "device": {
      "platform": device.platform, "kind": device.device_kind, "count": jax.device_count(),
      "processes": jax.process_count(), **machine.describe(),
    },
  }  # fmt: skip
