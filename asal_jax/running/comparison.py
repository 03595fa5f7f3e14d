"""The strategies of a config side by side: the same seeds, start set and learner for all; then their report."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int32, UInt8
from ml_collections import ConfigDict

from asal_jax import devices
from asal_jax.acquisition import table
from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.strategy import Synthesis
from asal_jax.acquisition.synthesis import in_batches, make_synthesis
from asal_jax.acquisition.table import World, make_query
from asal_jax.labelling.oracle import make_oracle
from asal_jax.labelling.people import People
from asal_jax.models.classifier import make_accuracy, make_embed, make_fit, make_predict, make_scorer
from asal_jax.models.judge import Judge
from asal_jax.reporting import handover, report, summary
from asal_jax.rng import seed_keys
from asal_jax.running import asking, gaal
from asal_jax.running.loop import (
  Labelled,
  Learner,
  Strategy,
  fit,
  pool_strategy,
  read_images,
  run_strategy,
  run_supervised,
)
from asal_jax.running.prepare import Preparation
from asal_jax.store.files import write_json
from asal_jax.store.journal import Journal, Record
from asal_jax.store.progress import log
from asal_jax.store.rows import Partial
from asal_jax.types import Classifier, Params, Splits


class Result(NamedTuple):
  """What a run returns: `summary` as in summary.json, `records` as in metrics.jsonl, and the workdir."""

  summary: dict[str, dict]
  records: list[dict]
  workdir: pathlib.Path


def make_world(
  config: ConfigDict, preparation: Preparation, classifier: Classifier, classes: int, workdir: pathlib.Path
) -> World:
  """Everything the strategies of a config may use; GAN, features and graphs only where one of them needs these."""
  partial = lambda name: Partial(workdir / f"partial_{name}.npz")  # noqa: E731
  scorers = {name: make_scorer(classifier, score, preparation.pixel_range) for name, score in SCORES.items()}
  predict = make_predict(classifier, SCORES[config.score], preparation.pixel_range)
  needed = table.needs(config)
  return World(
    preparation.pool,
    classes,
    scorers,
    predict,
    make_embed(classifier, preparation.pixel_range),
    _synthesis(config, preparation, classifier) if needed.gan else None,
    {name: preparation.feature_set(name) for name in needed.features},
    {name: preparation.graph(name) for name in needed.graphs},
    partial,
  )


def _synthesis(config: ConfigDict, preparation: Preparation, classifier: Classifier) -> Synthesis:
  """The trained generator, and ascent through it and the classifier."""
  gan, state = preparation.gan
  if config.synthesis.batch_norm == "reference":
    gan = gan._replace(generate=gan.generate_by_batch)
  settings, score, batch = config.synthesis, SCORES[config.score], config.loop.per_cycle
  unmoved = ConfigDict({**settings.to_dict(), "ascent_steps": 0})

  def generate(params, z):
    return in_batches(lambda z: gan.generate(params, z), z, settings.batch)

  return Synthesis(
    generate, state.generator,
    ascended=make_synthesis(settings, gan, classifier, score, batch),
    random=make_synthesis(unmoved, gan, classifier, score, batch),
  )  # fmt: skip


class Comparison:
  """All strategies of a run in one workdir; what its journal holds is not done again."""

  def __init__(
    self, config: ConfigDict, splits: Splits, classifier: Classifier, world: World, judge: Callable[[], Judge],
    people: People | None, workdir: pathlib.Path,
  ):  # fmt: skip
    self.config, self.classifier, self.world = config, classifier, world
    self.judge, self.people, self.workdir = judge, people, workdir
    self.splits = splits = asking.tested(people, splits)
    self.journal = Journal(workdir, config.seeds, config.tensorboard)
    self.keys, self.oracle = seed_keys(config.seeds), make_oracle(splits.pool.labels)
    self.start = asking.start_set(people, config, splits, self.keys)
    self.learner = self._learner()
    self.stores = {name: gaal.SyntheticStore(workdir / "synthetic" / name) for name in table.GAAL}

  def _learner(self, shared: bool = False) -> Learner:
    """A learner of its own: one compile for one size of the labelled buffer."""
    pixel_range, test = tuple(self.config.data.pixel_range), self.splits.test
    return Learner(
      make_fit(self.classifier, self.config.classifier, pixel_range, shared),
      make_accuracy(self.classifier, pixel_range, len(self.splits.class_names)),
      devices.place_rows(lambda start, stop: test.images[start:stop], test.images.shape) if len(test.labels) else None,
      jax.device_put(test.labels),
      len(self.splits.class_names),
    )  # fmt: skip

  def _start(self, name: str) -> Record:
    """The start set as cycle 0 of a strategy."""
    selection = self.journal.selection(name, 0, self.start.ids, None, None)
    return {**selection, "labels": self.start.labels.tolist()}

  def _pool_strategy(self, name: str) -> Strategy:
    """A strategy that asks for real samples, labelled by the pool's labels or by people."""

    def label(selection: Record) -> Int32[np.ndarray, "s b"]:
      return self.oracle(np.array(selection["ids"], np.int32))

    query = make_query(name, self.config, self.world)
    strategy = pool_strategy(name, query, self.keys, self.world, label, self.journal)
    return strategy if self.config.labeller == "pool" else self._by_people(strategy)

  def _by_people(self, strategy: Strategy) -> Strategy:
    """The same strategy, labelled by people, who are also told what the classifier thinks."""
    people = self.people
    assert people is not None

    def choose(cycle: int, params: Params, labelled: Labelled) -> Record:
      selection = strategy.choose(cycle, params, labelled)
      show(selection, np.asarray(self.world.embed(params, strategy.images(selection))[0])[0])
      return selection

    def show(selection: Record, thought: Float[np.ndarray, "b k"] | None = None) -> None:
      question = asking.cycle_question(selection, self.splits, thought)
      people.ask(question, asking.pictures(self.splits, question.ids))

    def label(selection: Record) -> Int32[np.ndarray, "s b"]:
      if not people.was_asked(strategy.name, selection["cycle"]):
        show(selection)
      return np.array([people.labels(strategy.name, selection["cycle"])[1]], np.int32)

    return strategy._replace(choose=choose, label=label)

  def _gaal(self, name: str) -> Strategy:
    """GAAL, labelled by the judge or by people."""
    people = self.people

    def judged(cycle: int, images: UInt8[np.ndarray, "s b h w c"]) -> Int32[np.ndarray, "s b"]:
      return self.judge().label(images.reshape(-1, *images.shape[2:])).reshape(images.shape[:2])

    def by_people(cycle: int, images: UInt8[np.ndarray, "s b h w c"]) -> Int32[np.ndarray, "s b"]:
      assert people is not None
      people.ask(asking.synthetic_question(name, cycle, images.shape[1]), images[0])
      return np.array([people.labels(name, cycle)[1]], np.int32)

    labeller, pixel_range = (
      judged if name == "gaal_stand_in" else by_people,
      tuple(self.config.data.pixel_range),
    )
    return gaal.gaal(name, self.keys, self.world, labeller, self.stores[name], pixel_range, self.journal)

  def run(self, name: str) -> None:
    """All cycles of the strategy `name`."""
    if name == "supervised":
      run_supervised(self._learner(shared=True), self.keys, self.world.pool, self.oracle, self.journal)
      return
    if name in table.GAAL:
      self.stores[name].forget_lost(name, self.journal)
    if (name, 0) not in self.journal.selections:
      self.journal.add_selection(self._start(name))
    loop, seeds = self.config.loop, len(self.keys)
    begun = len(self.journal.selections[name, 0]["ids"][0])
    cycles = (loop.budget - begun) // loop.per_cycle + 1
    strategy = self._gaal(name) if name in table.GAAL else self._pool_strategy(name)
    labelled = Labelled(self.world.pool.image_shape, seeds, loop.budget)
    run_strategy(strategy, labelled, cycles, self.keys, self.learner, self.journal)

  def _hand_over(self, records: list[Record]) -> None:
    """What people have at the end, by a classifier trained on all that they labelled, as they see it now."""
    assert self.people is not None
    labels = {
      i: label
      for selection in self.journal.selections.values()
      if selection["ids"] is not None
      for i, label in zip(selection["ids"][0], selection["labels"][0], strict=True)
    }
    labels = asking.corrected(self.people, labels)
    labelled = Labelled(self.world.pool.image_shape, 1, max(self.config.loop.budget, len(labels)))
    ids, given = [list(labels)], [list(labels.values())]
    labelled.add({"ids": ids, "labels": given}, read_images(self.world.pool, ids))
    cycle = max(cycle for _, cycle in self.journal.selections)
    params = jax.tree.map(lambda p: p[0], fit(self.learner, self.keys, cycle, labelled))
    n = labelled.count
    asked = handover.Asked(labelled.ids[0, :n], labelled.labels[0, :n], labelled.images[0, :n])
    handover.hand_over(
      self.config, self.splits, self.classifier, params, asked, records, self.people.answers, self.workdir
    )

  def report(self) -> Result:
    """summary.json and figures, of all that the journal holds."""
    figures, records, title = self.workdir / "figures", self.journal.records(), self.config.name
    figures.mkdir(exist_ok=True)
    summarised = summary.summarise(records)
    write_json(self.workdir / "summary.json", summarised)
    report.draw_curves(records, self.splits, title, figures)
    if self.world.synthesis is not None:
      labelled = Labelled(self.world.pool.image_shape, len(self.keys), self.config.loop.budget)
      labelled.add(self._start("start"), read_images(self.world.pool, self.start.ids))
      params = fit(self.learner, self.keys, 0, labelled)
      report.draw_samples(
        self.keys,
        params,
        self.start.ids,
        self.world.synthesis,
        self.world.feature_sets,
        self.splits,
        self.config,
        figures,
      )
    if self.config.labeller != "pool":
      self._hand_over(records)
    log.info("figures: %s", ", ".join(str(path) for path in sorted(figures.glob("*.png"))))
    return Result(summarised, records, self.workdir)
