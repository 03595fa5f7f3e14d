"""The strategies there are by name, and what each needs."""

import difflib
import re
from typing import NamedTuple

from asal_jax.acquisition.score import SCORES
from asal_jax.errors import InputError

GAAL = {"gaal_stand_in": "classifier", "gaal_file": "file"}
"""GAAL's strategies and the labeller of each, of `labellers.SHOWN_AS`."""

BASES = ("random", *SCORES, "subpool", *GAAL, "supervised")
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


def needs_gan(strategies: tuple[str, ...]) -> bool:
  """Whether one of these strategies synthesizes samples: ASAL or GAAL."""
  return bool(feature_sets(strategies)) or any(name in GAAL for name in strategies)
