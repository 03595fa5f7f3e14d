"""Checks of a config, before any work."""

import difflib
import re
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from asal_jax.classifier import LOSSES
from asal_jax.errors import InputError
from asal_jax.index import INDICES
from asal_jax.networks.classifiers import CLASSIFIERS
from asal_jax.score import SCORES

BASES = ("random", *SCORES, "subpool", "supervised")
FEATURES = ("pixels", "autoencoder", "critic")
_ASAL = re.compile(rf"asal_({'|'.join(FEATURES)})(?:_rescore([1-9]\d*))?(_random_latents)?")


class StrategyName(NamedTuple):
  """A strategy's name taken apart; `features` is None for all but ASAL."""

  base: str
  features: str | None = None
  rescore: int = 1
  random_latents: bool = False


def parse_strategy(name: str) -> StrategyName:
  """Takes a strategy's name apart; InputError names what is allowed and the nearest spelling."""
  if name in BASES:
    return StrategyName(name)
  match = _ASAL.fullmatch(name)
  if match is None:
    known = [*BASES, *(f"asal_{f}" for f in FEATURES)]
    near = difflib.get_close_matches(name, known, 1)
    raise InputError(
      f"strategies: found '{name}'{f', did you mean {near[0]!r}?' if near else ';'} allowed are "
      f"{', '.join(known)}; asal_* also with _rescore<k> and/or _random_latents, in this order"
    )
  features, k, random = match.groups()
  return StrategyName("asal", features, int(k or 1), random is not None)


def feature_sets(strategies: tuple[str, ...]) -> tuple[str, ...]:
  """The feature sets that these strategies need, in the order of FEATURES."""
  needed = {parse_strategy(name).features for name in strategies}
  return tuple(f for f in FEATURES if f in needed)


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


POSITIVE = {
  "": ["subpool"],
  "classifier": ["epochs", "batch_size", "learning_rate"],
  "loop": ["start", "per_cycle", "budget"],
  "gan": [
    "width",
    "latent_dim",
    "iterations",
    "batch_size",
    "critic_steps",
    "learning_rate",
    "checkpoint_every",
  ],
  "autoencoder": ["code_channels", "epochs", "batch_size", "learning_rate", "checkpoint_every"],
  "features": ["dimensions"],
  "index": ["n_neighbors"],
  "synthesis": ["learning_rate"],
}
"""Fields that must be above 0, by section."""


def validate(config: ConfigDict) -> None:
  """Raises InputError, one line, for the first impossible value; the data are not needed."""
  for field in (f"{section}.{field}".lstrip(".") for section, fields in POSITIVE.items() for field in fields):
    _require(_value(config, field) > 0, field, _value(config, field), "needed is a number above 0")
  for field in ("gan.penalty", "synthesis.ascent_steps", "index.epsilon"):
    _require(_value(config, field) >= 0, field, _value(config, field), "needed is 0 or more")
  for field in ("gan.beta1", "gan.beta2"):
    _require(
      0 <= _value(config, field) < 1, field, _value(config, field), "needed is a number from 0 to below 1"
    )
  validate_choice(config, "score", SCORES)
  validate_choice(config, "classifier.network", CLASSIFIERS)
  validate_choice(config, "classifier.loss", LOSSES)
  validate_choice(config, "index.name", INDICES)
  seeds, low_high = config.seeds, config.data.pixel_range
  integers = all(isinstance(seed, int) for seed in seeds)
  _require(
    len(seeds) > 0 and len(set(seeds)) == len(seeds) and integers,
    "seeds",
    seeds,
    "needed are distinct integers",
  )
  _require(
    len(low_high) == 2 and low_high[0] < low_high[1], "data.pixel_range", low_high, "needed is (black, white)"
  )
  strategies = config.strategies
  _require(
    len(strategies) > 0 and len(set(strategies)) == len(strategies),
    "strategies", strategies, "needed are distinct names, at least one",
  )  # fmt: skip
  for name in strategies:
    parse_strategy(name)
  loop = config.loop
  _require(
    loop.budget >= loop.start, "loop.budget", loop.budget, f"needed is at least loop.start = {loop.start}"
  )
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
  if config.classifier.network == "lenet5":
    _require(
      min(image_shape[:2]) >= 16,
      "classifier.network",
      "lenet5",
      f"images are {image_shape[:2]}, needed 16x16",
    )
  if class_counts is not None:
    each = -(-loop.start // classes)
    _require(
      bool(min(class_counts) >= each), "loop.start", loop.start,
      f"it needs {each} of each class, the pool has {[int(n) for n in class_counts]}",
    )  # fmt: skip


def validate_classes(config: ConfigDict, classes: int) -> None:
  """Raises InputError where `data.classes` are not distinct labels of a data set of `classes` classes."""
  chosen = config.data.classes
  _require(
    len(set(chosen)) == len(chosen) and all(isinstance(k, int) and 0 <= k < classes for k in chosen),
    "data.classes", chosen, f"needed are distinct labels of 0..{classes - 1}, or () for all",
  )  # fmt: skip
