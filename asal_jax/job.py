"""A whole job: checks, data, what is made once, the cycles of every strategy, summary and figures."""

import functools
import json
import os
import pathlib
import shutil
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
from asal_jax.pools.intake import skipped_csv
from asal_jax.pools.kinds import leave_on_disk
from asal_jax.pools.usps import load_usps_test
from asal_jax.reporting import report
from asal_jax.rng import seed_keys
from asal_jax.running import asking
from asal_jax.running.comparison import Comparison, Result, make_world
from asal_jax.running.prepare import Preparation
from asal_jax.running.rehearsal import rehearse
from asal_jax.running.workdir import claimed, refuse_inside
from asal_jax.store import machine
from asal_jax.store.checkpoint import Cache, fingerprint
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
  workdir, config = pathlib.Path(workdir), checks.settled(config)
  check(config, stage, known=data is None)
  settings = describe(config, data)
  if processes.agreed(settings) != settings:
    raise InputError(
      "--config: the processes of this run have different configs; start all by the same command"
    )
  of_folder = config.data.name == "folder" and data is None
  if of_folder:
    refuse_inside(workdir, pathlib.Path(config.data.folder))
  tell_precision(config.precision)
  cache = pathlib.Path(cache or workdir / "cache")
  with claimed(workdir, settings) as claim, jax.default_matmul_precision(config.precision):
    stages = Stages(workdir / "stages.jsonl")
    with stages("data"):
      splits = load(config, data, cache)
    claim.begin(splits.identity)
    if of_folder:
      processes.by_writer(shutil.copyfile)(skipped_csv(splits.folder, cache), workdir / "skipped.csv")
    return work(config, splits, workdir, cache, stage, stages)


def work(
  config: ConfigDict, splits: Splits, workdir: pathlib.Path, cache: pathlib.Path, stage: str, stages: Stages
) -> Result | None:
  """What the stages of `stage` do with the data, in a workdir that is claimed."""

  @functools.cache
  def judge() -> Judge:
    with stages("judge"):
      return train_judge(config, splits, cache)

  people = asking.make_people(config, splits, workdir)
  if people is not None and stage in ("all", "cycles"):
    # Before all else: people label while the GAN is trained.
    asking.ask_first(people, config, splits, seed_keys(config.seeds))
  look = report.make_look(config, judge if asking.known(splits.pool) else None, workdir)
  preparation = Preparation(config, splits.pool.images, cache, STAGES[stage], stages, look)
  if stage == "gan":
    preparation.gan  # noqa: B018
    return None
  shape, classes = splits.pool.images.image_shape, len(splits.class_names)
  classifier = make_classifier(config.classifier, shape, classes, tuple(config.data.pixel_range))
  world = make_world(config, preparation, classifier, classes, workdir)
  if stage == "features":
    return None
  comparison = Comparison(config, splits, classifier, world, judge, people, workdir)
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
  checks.validate_folder(config, named=known)
  if known:
    checks.validate_choice(config, "data.name", data_sets.DATA_SETS)
    data_set = data_sets.known_of(config)
    checks.validate_classes(config, data_set.classes)
    checks.validate_sources(config, data_set.classes, data_set.image_shape, named=True)
    if config.data.name == "celeb_a" and not config.data.folder:
      checks.validate_choice(config, "data.attribute", CELEB_A_ATTRIBUTES)
    classes = len(config.data.classes) or data_set.classes
    pool = config.data.jitter or data_set.pool or config.loop.budget
    checks.validate_for_data(config, classes, pool, data_set.image_shape)
    rehearse(config, data_set.image_shape, classes)


def load(config: ConfigDict, data: Data | Splits | None, cache: pathlib.Path) -> Splits:
  """The data of a run, checked against the config; what decoding them makes goes into the cache."""
  section = config.data
  flips = False
  if data is None:
    flips = data_sets.DATA_SETS[section.name].flips
    settings = {field: section[field] for field in section if field not in ("name", "classes")}
    splits = data_sets.load(section.name, cache=cache, features_file=config.features.file, **settings)
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
  splits = splits._replace(pool=leave_on_disk(splits.pool, section.resident_gib, known))
  splits = data_sets.keep_classes(splits, tuple(section.classes))
  splits = data_sets.keep_fractions(splits, tuple(section.pool_class_fractions))
  splits = splits._replace(pool=data_sets.open_pool(splits.pool, section.jitter, flips))
  classes, pool = len(splits.class_names), splits.pool
  counts = np.bincount(pool.labels, minlength=classes) if asking.known(pool) else None
  shape = data_sets.image_shape(pool)
  checks.validate_for_data(config, classes, len(pool.images), shape, counts)
  if data is not None or section.name == "folder":
    rehearse(config, shape, classes)
  return splits


def split(data: Data, resident_gib: float) -> Splits:
  """One's own arrays, a fifth of them held out; what is large and mapped is not read."""
  data_sets.check_data("data", data)
  return data_sets.split(leave_on_disk(data, resident_gib))


def describe(config: ConfigDict, data: Data | Splits | None) -> dict[str, Any]:
  """What makes a run's numbers, as JSON: the config, and of images of one's own a hash."""
  settings = json.loads(json.dumps(config.to_dict()))
  if settings["labeller"] != "pool":
    settings["labeller"] = "people"  # Whichever way they are asked.
  del settings["label_studio"]
  # Where USPS lies and where a pool is held changes no number.
  for field in ("usps_file", "resident_gib", "store"):
    del settings["data"][field]
  if data is None and config.data.name == "folder":
    # What these name is told apart by `Splits.identity`, wherever it lies.
    for field in ("folder", "labels", "test_folder", "refresh"):
      del settings["data"][field]
    settings["features"]["file"] = bool(config.features.file)
  elif data is None and config.data.folder:
    images, _ = read_attributes_folder(pathlib.Path(config.data.folder)).parts["train"]
    settings["data"]["folder"] = f"images {fingerprint(images)}"
  if data is not None:
    pool = data.pool if isinstance(data, Splits) else data
    images = pool.images
    made_of = images.fingerprint() if isinstance(images, Pool) else fingerprint(np.asarray(images))
    settings["data"]["name"] = f"arrays {made_of}"
  return settings
