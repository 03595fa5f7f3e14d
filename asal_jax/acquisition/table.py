"""The strategies there are: name, maker, what each needs, and the modifiers it takes. The one place that knows them."""

import difflib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32
from ml_collections import ConfigDict

from asal_jax.acquisition import rivals, walk
from asal_jax.acquisition.anchors import anchoral
from asal_jax.acquisition.balanced import balanced_walk
from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.strategy import Synthesis, asal, exhaustive, random_sampling, subpool
from asal_jax.errors import InputError
from asal_jax.models.classifier import Scorer
from asal_jax.search.features import FeatureSet
from asal_jax.store.rows import Partial
from asal_jax.types import Pool, Query

FEATURES = ("pixels", "autoencoder", "critic")
"""The feature sets in which samples are matched, and on whose neighbour graphs walks go."""

WALK = "walk"
"""In an Entry: the features that `config.walk.features` names."""

GAAL = ("gaal_stand_in", "gaal_people")
"""GAAL, whose samples a judge labels in a person's place, or people do."""


class World(NamedTuple):
  """What a strategy may see: no label is in it. `scorers`, `feature_sets` and `graphs` i32[n k] are by name.

  `predict(params, images u8[s m h w c])` gives the scores f32[s m] by `config.score` and the most probable classes
  i32[s m], of `classes`; `embed`, of the same, the classes' probabilities f32[s m k] and the classifier's last hidden
  layer f32[s m d]; `partial(name)` is where a pass over the whole pool keeps what it has so far.
  """

  pool: Pool
  classes: int
  scorers: dict[str, Scorer]
  predict: Callable[..., Any]
  embed: Callable[..., Any]
  synthesis: Synthesis | None
  feature_sets: dict[str, FeatureSet]
  graphs: dict[str, Int32[np.ndarray, "n k"]]
  partial: Callable[[str], Partial]


class StrategyName(NamedTuple):
  """A strategy's name taken apart: the entry of TABLE and its modifiers, None where they are not there."""

  base: str
  size: int | None = None
  rescore: int | None = None
  walk: int | None = None
  random_latents: bool = False


Maker = Callable[[StrategyName, ConfigDict, World], Query]


class Entry(NamedTuple):
  """A strategy: what it asks for, its maker, and what it needs.

  `make` is None for what is no query of the pool, and for what is there to be walked from alone; `walk` makes the
  walk. `modifiers` are those it takes, of StrategyName. `features` is the feature set that it searches,
  `graph` the one whose neighbour graph it, or its walk, goes along: WALK stands for `config.walk.features`.
  """

  about: str
  make: Maker | None = None
  walk: Maker | None = None
  modifiers: tuple[str, ...] = ()
  gan: bool = False
  features: str | None = None
  graph: str | None = None


def _graph(config: ConfigDict, world: World, features: str) -> walk.Graph:
  return world.graphs[config.walk.features if features == WALK else features]


def _walk(
  make_starts: Callable[[StrategyName, ConfigDict, World], walk.Starts], features: str = WALK
) -> Maker:
  """A walk on the graph of `features` from the starts that are made."""

  def make(name: StrategyName, config: ConfigDict, world: World) -> Query:
    starts = make_starts(name, config, world)
    graph = _graph(config, world, features)
    return walk.walk(world.pool, world.predict, graph, starts, int(name.walk or 0), config.loop.per_cycle)

  return make


def _make_asal(features: str) -> Maker:
  def make(name: StrategyName, config: ConfigDict, world: World) -> Query:
    assert world.synthesis is not None, "ASAL needs a GAN"
    return asal(
      world.pool, world.scorers[config.score], world.synthesis, world.feature_sets[features],
      rescore=name.rescore or 1, random_latents=name.random_latents,
    )  # fmt: skip

  return make


def _asal(features: str) -> Entry:
  """ASAL in one feature set."""
  make = _make_asal(features)
  return Entry(
    "the real neighbours of synthesized uncertain samples, by these features",
    make, _walk(lambda name, config, world: walk.matches(make(name, config, world)), features),
    ("rescore", "walk", "random_latents"), gan=True, features=features, graph=features,
  )  # fmt: skip


def _exhaustive(score: str) -> Entry:
  def make(name: StrategyName, config: ConfigDict, world: World) -> Query:
    return exhaustive(world.pool, world.scorers[score], config.loop.per_cycle, world.partial(score))

  return Entry("the highest scores of the whole pool", make)


def _subpool(name: StrategyName, config: ConfigDict, world: World) -> Query:
  scorer = world.scorers[config.score]
  return subpool(world.pool, scorer, name.size or config.subpool, config.loop.per_cycle)


def _rival(make: Callable[[Pool, Callable[..., Any], int, int], Query]) -> Maker:
  """A rival on a sub-pool."""
  return lambda name, config, world: make(
    world.pool, world.embed, name.size or config.subpool, config.loop.per_cycle
  )


def _coreset_pool(name: StrategyName, config: ConfigDict, world: World) -> Query:
  return rivals.coreset_of_pool(world.feature_sets[config.walk.features].features, config.loop.per_cycle)


def _anchoral(name: StrategyName, config: ConfigDict, world: World) -> Query:
  found = world.feature_sets[config.walk.features]
  size, batch = name.size or config.subpool, config.loop.per_cycle
  return anchoral(world.pool, world.predict, found.features, found.index, size, batch)


def _random_starts(name: StrategyName, config: ConfigDict, world: World) -> walk.Starts:
  return walk.drawn(len(world.pool), walk.share(name.walk, config.walk.starts))


def _labelled_starts(name: StrategyName, config: ConfigDict, world: World) -> walk.Starts:
  return walk.near_labelled(_graph(config, world, WALK), walk.share(name.walk, config.walk.starts))


def _mixed_starts(name: StrategyName, config: ConfigDict, world: World) -> walk.Starts:
  match, settings = _make_asal(config.walk.features)(name, config, world), config.walk
  return walk.together(
    [
      walk.first(walk.matches(match), walk.share(name.walk, settings.asal)),
      walk.near_labelled(_graph(config, world, WALK), walk.share(name.walk, settings.labelled)),
      walk.drawn(len(world.pool), walk.share(name.walk, settings.random)),
    ]
  )


def _balanced(name: StrategyName, config: ConfigDict, world: World) -> Query:
  matches = None
  if name.base == "balanced_asal":
    matches = walk.matches(_make_asal(config.walk.features)(name, config, world))
  return balanced_walk(
    world.pool, world.predict, _graph(config, world, WALK), world.feature_sets[config.walk.features].features,
    world.classes, int(name.walk or 0), config.loop.per_cycle, matches,
  )  # fmt: skip


def _seals(name: StrategyName, config: ConfigDict, world: World) -> Query:
  return walk.seals(world.pool, world.predict, _graph(config, world, WALK), config.loop.per_cycle)


TABLE: dict[str, Entry] = {
  "random": Entry(
    "uniform draws", lambda name, config, world: random_sampling(len(world.pool), config.loop.per_cycle),
    _walk(_random_starts), ("walk",), graph=WALK,
  ),
  **{score: _exhaustive(score) for score in SCORES},
  "subpool": Entry("the highest scores among so many random samples", _subpool, modifiers=("size",)),
  **{f"asal_{features}": _asal(features) for features in FEATURES},
  "seals": Entry("the highest scores among the graph neighbours of all labelled samples", _seals, graph=WALK),
  "labelled": Entry(
    "a walk from graph neighbours of labelled samples", walk=_walk(_labelled_starts), modifiers=("walk",), graph=WALK
  ),
  "mixed": Entry(
    "a walk from ASAL's matches, neighbours of labelled samples and random ones", walk=_walk(_mixed_starts),
    modifiers=("walk",), gan=True, features=WALK, graph=WALK,
  ),
  "balanced": Entry(
    "random samples, and a walk for the classes that these show too rarely; each class in turn", walk=_balanced,
    modifiers=("walk",), features=WALK, graph=WALK,
  ),
  "balanced_asal": Entry(
    "the same with ASAL's matches: among the starts, and while a class has no label", walk=_balanced,
    modifiers=("walk",), gan=True, features=WALK, graph=WALK,
  ),
  "badge": Entry("of a sub-pool, large and diverse gradients", _rival(rivals.badge), modifiers=("size",)),
  "cluster_margin": Entry(
    "of a sub-pool, small margins, from all clusters", _rival(rivals.cluster_margin), modifiers=("size",)
  ),
  "coreset": Entry(
    "of a sub-pool, what is farthest from all labelled samples in the hidden layer", _rival(rivals.coreset),
    modifiers=("size",),
  ),
  "coreset_pool": Entry(
    "of the whole pool, what is farthest from all labelled samples by fixed features", _coreset_pool, features=WALK
  ),
  "anchoral": Entry(
    "the highest scores of a sub-pool near labelled samples of each class", _anchoral, modifiers=("size",),
    features=WALK,
  ),
  "density": Entry(
    "of a sub-pool, the highest entropies where it is dense", _rival(rivals.density), modifiers=("size",)
  ),
  **{name: Entry("the synthesized samples themselves, to be labelled", gan=True) for name in GAAL},
  "supervised": Entry("nothing: all labels, the reference"),
}  # fmt: skip
"""Every strategy by the first part of its name; a strategy of one's own is an entry more."""

_MODIFIERS = r"([1-9]\d*)?(?:_rescore([1-9]\d*))?(?:_walk([1-9]\d*))?(_random_latents)?"


def parse_strategy(name: str) -> StrategyName:
  """Takes a strategy's name apart; InputError names what is allowed and the nearest spelling."""
  bases = "|".join(map(re.escape, sorted(TABLE, key=len, reverse=True)))
  match = re.fullmatch(rf"({bases}){_MODIFIERS}", name)
  if match is not None:
    base, *numbers, random = match.groups()
    size, rescore, calls = (None if number is None else int(number) for number in numbers)
    found = StrategyName(base, size, rescore, calls, random is not None)
    entry, given = TABLE[base], {field for field in found._fields[1:] if getattr(found, field)}
    walked = entry.make is not None or "walk" not in entry.modifiers or found.walk
    if given <= set(entry.modifiers) and walked and not (found.walk and found.rescore):
      return found
  near = difflib.get_close_matches(name, TABLE, 1)
  takes = lambda modifier: ", ".join(base for base in TABLE if modifier in TABLE[base].modifiers)  # noqa: E731
  raise InputError(
    f"strategies: found '{name}'{f', did you mean {near[0]!r}?' if near else ';'} allowed are {', '.join(TABLE)}; "
    f"behind {takes('walk')} also _walk<calls>, without which labelled and mixed are none; behind asal_* "
    f"_rescore<k> or _walk<calls>, then _random_latents; behind {takes('size')} a number of samples"
  )


class Needs(NamedTuple):
  """What a config's strategies need beside pool and classifier: a GAN, feature sets with an index, graphs."""

  gan: bool
  features: tuple[str, ...]
  graphs: tuple[str, ...]

  @property
  def autoencoder(self) -> bool:
    """Whether the auto-encoder is one of them."""
    return "autoencoder" in (*self.features, *self.graphs)


def needs(config: ConfigDict) -> Needs:
  """What the strategies of a config need."""
  gan, features, graphs = False, set(), set()
  for name in map(parse_strategy, config.strategies):
    entry = TABLE[name.base]
    gan |= entry.gan
    features.add(entry.features)
    if name.walk or "walk" not in entry.modifiers:
      graphs.add(entry.graph)
  named = [{config.walk.features if f == WALK else f for f in found} for found in (features, graphs)]
  gan |= any("critic" in found for found in named)
  return Needs(gan, *(tuple(f for f in FEATURES if f in found) for found in named))


def make_query(strategy: str, config: ConfigDict, world: World) -> Query:
  """The strategy called `strategy`, for what asks for samples of the pool."""
  name = parse_strategy(strategy)
  entry = TABLE[name.base]
  make = entry.walk if name.walk else entry.make
  assert make is not None, f"{strategy} is no query"
  return make(name, config, world)
