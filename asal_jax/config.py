"""Checks of a config, before any work."""

import difflib
import math
from typing import Any

from ml_collections import ConfigDict

from asal_jax.acquisition.table import TABLE, needs, parse_strategy
from asal_jax.errors import InputError
from asal_jax.fields import CHOICES, FRACTIONS, NOT_NEGATIVE, POSITIVE, SEEDS, SHARES, SMALLEST_IMAGE
from asal_jax.models.gan import RESIDUAL_SIZE
from asal_jax.networks import plain
from asal_jax.pools.embeddings import RANGE

SEED = f"needed are integers from 0 to {2**31 - 1}"


def _require(condition: bool, field: str, found, allowed: str) -> None:
  if not condition:
    raise InputError(f"{field}: found {found!r}; {allowed}")


def validate_choice(config: ConfigDict, field: str, allowed) -> None:
  """Raises InputError unless the field's value is one of the names `allowed`."""
  value = _value(config, field)
  near = difflib.get_close_matches(str(value), list(allowed), 1)
  hint = f", did you mean {near[0]!r}?" if near else ""
  _require(value in allowed, field, value, f"allowed are {', '.join(allowed)}{hint}")


def _value(config: Any, field: str) -> Any:
  for part in field.split("."):
    config = config[part]
  return config


def validate_numbers(config: ConfigDict, section: str = "") -> None:
  """Raises InputError for a number that is not finite, or an integer beyond 32 bits, the largest on a device."""
  for name, value in config.items():
    field = section + name
    if isinstance(value, ConfigDict):
      validate_numbers(value, f"{field}.")
    several = isinstance(value, tuple | list)
    for number in value if several else (value,):
      single = isinstance(number, int | float | str) and not isinstance(number, bool)
      _require(not several or single, field, value, "needed are numbers or names")
      if isinstance(number, float):
        _require(math.isfinite(number), field, value, "needed is a finite number")
      elif isinstance(number, int):
        _require(
          -(2**31) <= number < 2**31, field, value, "needed is an integer of 32 bits, below 2147483648"
        )


def _are_numbers(values) -> bool:
  return all(isinstance(value, int | float) for value in values)


def validate(config: ConfigDict) -> None:
  """Raises InputError, one line, for the first impossible value; the data are not needed."""
  validate_numbers(config)
  _validate_tables(config)
  _validate_networks(config)
  _validate_seeds(config)
  _validate_data(config)
  _validate_loop(config)


def _validate_tables(config: ConfigDict) -> None:
  """Fields of which there is no more to say than a line of `fields`."""
  for field in (f"{section}.{field}".lstrip(".") for section, fields in POSITIVE.items() for field in fields):
    _require(_value(config, field) > 0, field, _value(config, field), "needed is a number above 0")
  for field in NOT_NEGATIVE:
    _require(_value(config, field) >= 0, field, _value(config, field), "needed is 0 or more")
  for field in FRACTIONS:
    found = _value(config, field)
    _require(0 <= found < 1, field, found, "needed is a number from 0 to below 1")
  for field in SHARES:
    found = _value(config, field)
    _require(0 <= found <= 1, field, found, "needed is a share or probability, from 0 to 1")
  for field, allowed in CHOICES.items():
    validate_choice(config, field, allowed)


def _validate_networks(config: ConfigDict) -> None:
  """What trains them."""
  _require(
    config.gan.loss != "wgan_ct" or config.gan.network == "residual",
    "gan.loss", "wgan_ct", "its critic needs dropout: gan.network=residual",
  )  # fmt: skip
  for field in ("classifier.decay_epochs", "judge.decay_epochs"):
    decay = _value(config, field)
    _require(
      all(isinstance(epoch, int) and epoch > 0 for epoch in decay), field, decay, "needed are epochs above 0"
    )


def _validate_seeds(config: ConfigDict) -> None:
  """JAX would take the lower 32 bits of a larger seed without a word, NumPy none below 0."""
  for field in SEEDS:
    _require(_is_seed(_value(config, field)), field, _value(config, field), SEED)
  seeds = config.seeds
  _require(
    len(seeds) > 0 and len(set(seeds)) == len(seeds) and all(_is_seed(seed) for seed in seeds),
    "seeds", seeds, f"{SEED}, distinct ones",
  )  # fmt: skip
  by_people = config.labeller != "pool" or "gaal_people" in config.strategies
  _require(
    len(seeds) == 1 or not by_people, "seeds", seeds,
    f"people would label {len(seeds)} x {config.loop.budget:,} images a strategy; take one: --config.seeds='(0,)'",
  )  # fmt: skip


def _is_seed(seed: Any) -> bool:
  return isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**31


def _validate_data(config: ConfigDict) -> None:
  for field, lengths in {"data.pixel_range": (2,), "classifier.pixel_range": (0, 2)}.items():
    values, rest = _value(config, field), ", or () for data.pixel_range" if 0 in lengths else ""
    _require(
      len(values) in lengths and _are_numbers(values) and list(values) == sorted(set(values)),
      field, values, f"needed is (black, white){rest}",
    )  # fmt: skip
  fractions = config.data.pool_class_fractions
  _require(
    _are_numbers(fractions) and all(0 < fraction <= 1 for fraction in fractions),
    "data.pool_class_fractions", fractions, "needed are shares above 0 and up to 1, or () for all",
  )  # fmt: skip


def _validate_loop(config: ConfigDict) -> None:
  """Strategies, and whether a budget is reached in whole cycles."""
  strategies = config.strategies
  _require(
    len(strategies) > 0 and len(set(strategies)) == len(strategies) and all(isinstance(s, str) for s in strategies),
    "strategies", strategies, "needed are distinct names, at least one",
  )  # fmt: skip
  loop = config.loop
  for name in strategies:
    calls = parse_strategy(name).walk
    _require(
      calls is None or calls >= loop.per_cycle, "strategies", name,
      f"a walk makes at least loop.per_cycle = {loop.per_cycle} calls",
    )  # fmt: skip
  _require(
    loop.budget >= loop.start, "loop.budget", loop.budget, f"needed is at least loop.start = {loop.start}"
  )
  batch = config.synthesis.batch
  _require(
    not batch or loop.per_cycle % batch == 0, "synthesis.batch", batch,
    f"needed is a divisor of loop.per_cycle = {loop.per_cycle}, or 0 for all",
  )  # fmt: skip
  rest = (loop.budget - loop.start) % loop.per_cycle
  _require(
    rest == 0, "loop.budget", loop.budget,
    f"not reached from {loop.start} in steps of {loop.per_cycle}: use {loop.budget - rest} or "
    f"{loop.budget - rest + loop.per_cycle}",
  )  # fmt: skip


def validate_for_data(
  config: ConfigDict, classes: int, pool: int, image_shape: tuple[int, ...], class_counts=None
) -> None:
  """Raises InputError where the config does not fit data of `classes` classes and `pool` samples.

  Called twice: with what is known of a named data set before loading, and with the loaded data.
  `class_counts`, int[classes], are checked against the start set where they are given.
  """
  loop = config.loop
  binary_only = {
    "score": config.score == "min_distance",
    "strategies": "min_distance" in config.strategies,
    "classifier.loss": config.classifier.loss == "hinge",
  }
  for field, wanted in binary_only.items():
    _require(
      classes == 2 or not wanted, field, config.classifier.loss if "." in field else "min_distance",
      f"it is for two classes, the data have {classes}",
    )  # fmt: skip
  _require(classes >= 2, "data.classes", config.data.classes, "needed are at least two classes")
  _require(loop.budget <= pool, "loop.budget", loop.budget, f"the pool has {pool} samples")
  _require(
    loop.start >= classes, "loop.start", loop.start, f"needed is one label for each of {classes} classes"
  )
  # The judge is asked about what a GAN makes.
  for section in ("classifier", "judge") if needs(config).gan else ("classifier",):
    network = config[section].network
    smallest = SMALLEST_IMAGE.get(network, 1)
    _require(
      min(image_shape[:2]) >= smallest, f"{section}.network", network,
      f"images are {image_shape[:2]}, needed {smallest}x{smallest}",
    )  # fmt: skip
  _require(
    config.gan.network != "residual" or tuple(image_shape[:2]) == RESIDUAL_SIZE, "gan.network", "residual",
    f"images are {image_shape[:2]}, it makes {RESIDUAL_SIZE}",
  )  # fmt: skip
  sides = plain.pyramid(*image_shape[:2])
  _require(
    config.autoencoder.network != "cifar" or sides[-1] == tuple(n << len(sides) - 1 for n in sides[0]),
    "autoencoder.network", "cifar", f"images are {image_shape[:2]}, which pooling does not halve evenly",
  )  # fmt: skip
  if class_counts is not None and loop.start_set == "balanced":
    each = -(-loop.start // classes)
    _require(
      bool(min(class_counts) >= each), "loop.start", loop.start,
      f"it needs {each} of each class, the pool has {[int(n) for n in class_counts]}: lower it, leave classes out "
      "(data.classes), or take loop.start_set=random",
    )  # fmt: skip


def validate_classes(config: ConfigDict, classes: int) -> None:
  """Raises InputError where `data.classes` are not distinct labels of a data set of `classes` classes.

  So too where `data.pool_class_fractions` are not one for each of them.
  """
  chosen, fractions = config.data.classes, config.data.pool_class_fractions
  _require(
    len(set(chosen)) == len(chosen) and all(isinstance(k, int) and 0 <= k < classes for k in chosen),
    "data.classes", chosen, f"needed are distinct labels of 0..{classes - 1}, or () for all",
  )  # fmt: skip
  kept = len(chosen) or classes
  _require(
    len(fractions) in (0, kept), "data.pool_class_fractions", fractions,
    f"needed is one for each of {kept} classes, or () for all samples",
  )  # fmt: skip


def validate_sources(config: ConfigDict, classes: int, image_shape: tuple[int, ...], named: bool) -> None:
  """Raises InputError where `data.test_set`, `data.folder` or `data.store` do not fit data of `classes` classes.

  `named` tells whether they are the data set of `data.name`, and not arrays of one's own.
  """
  _require(
    config.data.test_set == "own" or (classes, tuple(image_shape)) == (10, (28, 28, 1)),
    "data.test_set", config.data.test_set,
    f"it is for ten digits of 28x28x1, the data have {classes} classes of {'x'.join(map(str, image_shape))}",
  )  # fmt: skip
  _require(
    not config.data.folder or not named or config.data.name in ("celeb_a", "folder"),
    "data.folder", config.data.folder,
    f"it stands in for celeb_a, or belongs to data.name=folder; data.name is {config.data.name!r}",
  )  # fmt: skip
  _require(
    config.data.store == "decoded" or (named and config.data.name != "digits" and not config.data.folder),
    "data.store", config.data.store, "it is for mnist, cifar10 and celeb_a as tensorflow-datasets has them",
  )  # fmt: skip


OF_FOLDERS = ("class_names", "labels", "test_folder", "test_labels", "refresh")
"""Fields of `data` that say something of images in a folder alone."""

NOT_OF_FOLDERS = ("classes", "pool_class_fractions", "jitter")
"""Fields of `data` that make another pool of one whose labels are known."""


def validate_folder(config: ConfigDict, named: bool) -> None:
  """Raises InputError where the fields of `data.name=folder` do not fit each other, or are set for other data."""
  data, own = config.data, named and config.data.name == "folder"
  for field in () if own else OF_FOLDERS:
    _require(not data[field], f"data.{field}", data[field], "it is for data.name=folder")
  _require(
    own or not config.features.file, "features.file", config.features.file, "it is for data.name=folder"
  )
  if not own:
    return
  _require(bool(data.folder), "data.folder", data.folder, "needed is the folder with the images")
  for field in NOT_OF_FOLDERS:
    _require(
      not data[field], f"data.{field}", data[field], "it makes no sense for data.name=folder; leave it out"
    )
  _require(
    not (data.test_folder and data.test_labels), "data.test_labels", data.test_labels,
    f"there is a data.test_folder, {data.test_folder}; choose one of them",
  )  # fmt: skip
  if config.features.file:
    _validate_embeddings(config)


def _validate_embeddings(config: ConfigDict) -> None:
  """Raises InputError for what needs images, where there are embeddings in their place."""
  data, features = config.data, config.walk.features
  _require(
    not data.test_folder, "data.test_folder", data.test_folder,
    "features.file has rows for the pool alone; take data.test_labels",
  )  # fmt: skip
  _require(
    features == "pixels", "walk.features", features, "features.file takes 'pixels', which are the embeddings"
  )
  needy = {name for name, entry in TABLE.items() if entry.gan or entry.features == "autoencoder"}
  for name in config.strategies:
    _require(
      parse_strategy(name).base not in needy, "strategies", name,
      f"features.file leaves no images for a GAN or auto-encoder to learn from; allowed are "
      f"{', '.join(name for name in TABLE if name not in needy)}",
    )  # fmt: skip


def settled(config: ConfigDict) -> ConfigDict:
  """The config with what follows from it: embeddings have a range of their own, and a linear model on them."""
  if not config.features.file:
    return config
  config = config.copy_and_resolve_references()
  config.data.pixel_range, config.classifier.network = RANGE, "linear"
  return config
