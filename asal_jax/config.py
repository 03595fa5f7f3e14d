"""Checks of a config, before any work."""

import difflib
from typing import Any

from ml_collections import ConfigDict

from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.table import FEATURES, needs, parse_strategy
from asal_jax.errors import InputError
from asal_jax.labelling.oracle import START_SETS
from asal_jax.models.classifier import LOSSES, OPTIMIZERS
from asal_jax.models.gan import LOSSES as GAN_LOSSES
from asal_jax.models.gan import NETWORKS, RESIDUAL_SIZE
from asal_jax.networks import plain
from asal_jax.networks.autoencoders import AUTOENCODERS
from asal_jax.networks.classifiers import CLASSIFIERS
from asal_jax.search.index import AUTO, INDICES


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
  "judge": ["epochs", "batch_size", "learning_rate"],
  "loop": ["start", "per_cycle", "budget"],
  "gan": [
    "width",
    "critic_width",
    "latent_dim",
    "iterations",
    "batch_size",
    "generator_batch_size",
    "critic_steps",
    "learning_rate",
    "checkpoint_every",
  ],
  "autoencoder": ["code_channels", "epochs", "batch_size", "learning_rate", "checkpoint_every"],
  "features": ["dimensions"],
  "index": ["n_neighbors"],
  "walk": ["neighbours"],
  "synthesis": ["learning_rate"],
}
"""Fields that must be above 0, by section."""


NOT_NEGATIVE = (
  "classifier.weight_decay",
  "judge.weight_decay",
  "gan.penalty",
  "gan.consistency",
  "gan.margin",
  "gan.looks",
  "autoencoder.iterations",
  "data.jitter",
  "data.resident_gib",
  "synthesis.ascent_steps",
  "synthesis.batch",
  "index.epsilon",
)

CHOICES = {
  "data.store": ("decoded", "records"),
  "score": SCORES,
  "precision": ("float32", "tensorfloat32", "bfloat16"),
  "labeller": ("pool", "file"),
  "classifier.network": CLASSIFIERS,
  "classifier.loss": LOSSES,
  "classifier.optimizer": OPTIMIZERS,
  "judge.network": CLASSIFIERS,
  "judge.optimizer": OPTIMIZERS,
  "gan.network": NETWORKS,
  "gan.loss": GAN_LOSSES,
  "gan.batch_norm": ("none", "generator", "both"),
  "autoencoder.network": AUTOENCODERS,
  "index.name": (*INDICES, AUTO),
  "synthesis.batch_norm": ("frozen", "reference"),
  "walk.features": FEATURES,
  "loop.start_set": START_SETS,
}
"""Fields that name something, with the names there are."""

SMALLEST_IMAGE = {"lenet5": 16, "lenet_20_50_500": 16, "all_cnn": 12, "celeba": 8}
"""Sides of the smallest images that a classifier's network takes, where there is a limit."""


def validate(config: ConfigDict) -> None:
  """Raises InputError, one line, for the first impossible value; the data are not needed."""
  for field in (f"{section}.{field}".lstrip(".") for section, fields in POSITIVE.items() for field in fields):
    _require(_value(config, field) > 0, field, _value(config, field), "needed is a number above 0")
  for field in NOT_NEGATIVE:
    _require(_value(config, field) >= 0, field, _value(config, field), "needed is 0 or more")
  for field in ("gan.beta1", "gan.beta2"):
    _require(
      0 <= _value(config, field) < 1, field, _value(config, field), "needed is a number from 0 to below 1"
    )
  for field, allowed in CHOICES.items():
    validate_choice(config, field, allowed)
  _require(
    config.gan.loss != "wgan_ct" or config.gan.network == "residual",
    "gan.loss", "wgan_ct", "its critic needs dropout: gan.network=residual",
  )  # fmt: skip
  for field in ("classifier.decay_epochs", "judge.decay_epochs"):
    decay = _value(config, field)
    _require(
      all(isinstance(epoch, int) and epoch > 0 for epoch in decay), field, decay, "needed are epochs above 0"
    )
  confidence = config.judge.confidence
  _require(0 <= confidence <= 1, "judge.confidence", confidence, "needed is a probability, from 0 to 1")
  seeds = config.seeds
  integers = all(isinstance(seed, int) and -(2**31) <= seed < 2**31 for seed in seeds)
  _require(
    len(seeds) > 0 and len(set(seeds)) == len(seeds) and integers,
    "seeds",
    seeds,
    "needed are distinct integers of 32 bits",
  )
  for field, lengths in {"data.pixel_range": (2,), "classifier.pixel_range": (0, 2)}.items():
    values, rest = _value(config, field), ", or () for data.pixel_range" if 0 in lengths else ""
    _require(
      len(values) in lengths and list(values) == sorted(set(values)),
      field, values, f"needed is (black, white){rest}",
    )  # fmt: skip
  validate_choice(config, "data.test_set", ("own", "usps"))
  for field in ("walk.starts", "walk.asal", "walk.labelled", "walk.random"):
    share = _value(config, field)
    _require(0 <= share <= 1, field, share, "needed is a share of a walk's calls, from 0 to 1")
  fractions = config.data.pool_class_fractions
  _require(
    all(0 < fraction <= 1 for fraction in fractions),
    "data.pool_class_fractions", fractions, "needed are shares above 0 and up to 1, or () for all",
  )  # fmt: skip
  strategies = config.strategies
  _require(
    len(strategies) > 0 and len(set(strategies)) == len(strategies),
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
      f"it needs {each} of each class, the pool has {[int(n) for n in class_counts]}",
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
    not config.data.folder or not named or config.data.name == "celeb_a", "data.folder", config.data.folder,
    f"it stands in for celeb_a, data.name is {config.data.name!r}",
  )  # fmt: skip
  _require(
    config.data.store == "decoded" or (named and config.data.name != "digits" and not config.data.folder),
    "data.store", config.data.store, "it is for mnist, cifar10 and celeb_a as tensorflow-datasets has them",
  )  # fmt: skip
