"""The strategies of a config side by side: the same seeds, start set and learner for all; then their report."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int32
from ml_collections import ConfigDict

from asal_jax import devices, processes
from asal_jax.acquisition import table
from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.strategy import Synthesis
from asal_jax.acquisition.synthesis import in_batches, make_synthesis
from asal_jax.acquisition.table import World, make_query
from asal_jax.labelling.labellers import make_classifier_labeller, make_file_labeller
from asal_jax.labelling.oracle import make_oracle, start_sets
from asal_jax.models.classifier import make_accuracy, make_embed, make_fit, make_predict, make_scorer
from asal_jax.models.judge import Judge
from asal_jax.reporting import report, summary
from asal_jax.rng import seed_keys
from asal_jax.running import gaal
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
from asal_jax.store.checkpoint import write_json
from asal_jax.store.journal import Journal, Record
from asal_jax.store.progress import log
from asal_jax.store.rows import Partial
from asal_jax.types import Classifier, Labeller, Splits


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
    workdir: pathlib.Path,
  ):  # fmt: skip
    self.config, self.splits, self.classifier, self.world = config, splits, classifier, world
    self.judge, self.workdir = judge, workdir
    self.journal = Journal(workdir, config.seeds, config.tensorboard)
    self.keys, self.oracle = seed_keys(config.seeds), make_oracle(splits.pool.labels)
    loop, classes = config.loop, len(splits.class_names)
    self.start = start_sets(self.keys, splits.pool.labels, loop.start, classes, loop.start_set)
    self.learner = self._learner()
    self.stores = {name: gaal.SyntheticStore(workdir / "synthetic" / name) for name in table.GAAL}

  def _learner(self, shared: bool = False) -> Learner:
    """A learner of its own: one compile for one size of the labelled buffer."""
    pixel_range, test = tuple(self.config.data.pixel_range), self.splits.test
    return Learner(
      make_fit(self.classifier, self.config.classifier, pixel_range, shared),
      make_accuracy(self.classifier, pixel_range, len(self.splits.class_names)),
      devices.place_rows(lambda start, stop: test.images[start:stop], test.images.shape), jax.device_put(test.labels),
      len(self.splits.class_names),
    )  # fmt: skip

  def _file_labeller(self) -> Labeller:
    label = make_file_labeller(self.workdir / "labels", self.splits.class_names, tuple(self.config.seeds))
    return processes.by_writer(label)

  def _start(self, name: str) -> Record:
    """The start set as cycle 0 of a strategy."""
    selection = self.journal.selection(name, 0, self.start, None, None)
    return {**selection, "labels": self.oracle(self.start).tolist()}

  def _pool_strategy(self, name: str) -> Strategy:
    """A strategy that asks for real samples, labelled by the pool's labels or by a person."""

    def ask_person(selection: Record) -> Int32[np.ndarray, "s b"]:
      images = read_images(self.world.pool, selection["ids"])
      return self._file_labeller()(name, selection["cycle"], images)

    def ask_oracle(selection: Record) -> Int32[np.ndarray, "s b"]:
      return self.oracle(np.array(selection["ids"], np.int32))

    label = ask_person if self.config.labeller == "file" else ask_oracle
    query = make_query(name, self.config, self.world)
    return pool_strategy(name, query, self.keys, self.world, label, self.journal)

  def _gaal(self, name: str) -> Strategy:
    """GAAL, labelled by the judge or by a person."""
    labeller = (
      self._file_labeller() if table.GAAL[name] == "file" else make_classifier_labeller(self.judge().label)
    )
    pixel_range = tuple(self.config.data.pixel_range)
    return gaal.gaal(name, self.keys, self.world, labeller, self.stores[name], pixel_range, self.journal)

  def run(self, name: str) -> None:
    """All cycles of the strategy `name`."""
    if name == "supervised":
      run_supervised(self._learner(shared=True), self.keys, self.world.pool, self.oracle, self.journal)
      return
    if (name, 0) not in self.journal.selections:
      self.journal.add_selection(self._start(name))
    loop, seeds = self.config.loop, len(self.keys)
    cycles = (loop.budget - loop.start) // loop.per_cycle + 1
    strategy = self._gaal(name) if name in table.GAAL else self._pool_strategy(name)
    labelled = Labelled(self.world.pool.image_shape, seeds, loop.budget)
    run_strategy(strategy, labelled, cycles, self.keys, self.learner, self.journal)

  def report(self) -> Result:
    """summary.json and figures, of all that the journal holds."""
    figures, records, title = self.workdir / "figures", self.journal.records(), self.config.name
    figures.mkdir(exist_ok=True)
    summarised = summary.summarise(records)
    write_json(self.workdir / "summary.json", summarised)
    report.draw_curves(records, self.splits, title, figures)
    if self.world.synthesis is not None:
      labelled = Labelled(self.world.pool.image_shape, len(self.keys), self.config.loop.budget)
      labelled.add(self._start("start"), read_images(self.world.pool, self.start))
      params = fit(self.learner, self.keys, 0, labelled)
      report.draw_samples(
        self.keys,
        params,
        self.start,
        self.world.synthesis,
        self.world.feature_sets,
        self.splits,
        self.config,
        figures,
      )
    log.info("figures: %s", ", ".join(str(path) for path in sorted(figures.glob("*.png"))))
    return Result(summarised, records, self.workdir)
