"""What a person has at the end of a run in which people labelled: predictions, the classifier, and a page on both."""

import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int32, UInt8
from ml_collections import ConfigDict

from asal_jax import devices, processes
from asal_jax.labelling.answers import Answers
from asal_jax.models.classifier import make_accuracy
from asal_jax.reporting import facts, handover_page
from asal_jax.reporting.exported import save_classifier
from asal_jax.reporting.handover_page import Page
from asal_jax.reporting.markup import Shown
from asal_jax.reporting.mistakes import FEWEST, FOLDS, Doubts, doubts
from asal_jax.reporting.predictions import Outlook, name_of, write_predictions
from asal_jax.rng import seed_keys
from asal_jax.store.files import write_whole
from asal_jax.store.journal import Record
from asal_jax.store.progress import log
from asal_jax.types import Classifier, Params, PixelRange, Splits

SHOWN = 24
"""Images of the page that are uncertain, and so many whose label is doubted."""


class Asked(NamedTuple):
  """The labelled set of a run: `ids` i32[m] of the pool (-1: not of the pool), `labels` i32[m], -1 where an image was
  rejected, `images` u8[m h w c]."""

  ids: Int32[np.ndarray, " m"]
  labels: Int32[np.ndarray, " m"]
  images: UInt8[np.ndarray, "m h w c"]


def hand_over(
  config: ConfigDict, splits: Splits, classifier: Classifier, params: Params, asked: Asked,
  records: Sequence[Record], answers: Answers, workdir: pathlib.Path,
) -> None:  # fmt: skip
  """Writes predictions.csv, classifier/ and report.html into the workdir, anew each time.

  Args:
    config: of the run; `config.precision` must be set as jax's (as `job.run` does).
    splits: whose pool is a `Pool`; a test set of no images means that there is none.
    classifier: as of `make_classifier`.
    params: of one classifier, trained on all of `asked`; no seed axis.
    asked: the labelled set.
    records: the lines of metrics.jsonl.
    answers: of the people.
    workdir: with the questions that were posted, and config.json.
  """
  pool, names, pixel_range = splits.pool.images, splits.class_names, tuple(config.data.pixel_range)
  outlook = write_predictions(
    workdir / "predictions.csv", pool, splits.files, names, classifier, params, pixel_range, asked.ids, SHOWN
  )
  fit = config.data.fit if splits.pictures is None else None
  save_classifier(workdir / "classifier", classifier, params, pixel_range, pool.image_shape, names, fit)
  accuracy = tested(classifier, params, pixel_range, splits)
  key = seed_keys(config.seeds)[0]
  doubted = doubts(key, classifier, config.classifier, pixel_range, asked.images, asked.labels, len(names))
  if not processes.is_writer():
    return
  about = json.loads((workdir / "config.json").read_text()) if (workdir / "config.json").exists() else {}
  page = Page(
    config.name, names, len(pool), accuracy,
    facts.labelling(answers, asked.ids, asked.labels, len(names)),
    facts.cycles(records, answers, workdir, len(splits.test.labels)),
    outlook.counts, uncertain(outlook, splits), *mistakes(doubted, asked, splits),
    steps(config, about, workdir), setting(config, about),
  )  # fmt: skip
  write_whole(workdir / "report.html", handover_page.write(page))
  log.info("report: %s; predictions.csv and classifier/ are beside it", workdir / "report.html")


def tested(
  classifier: Classifier, params: Params, pixel_range: PixelRange, splits: Splits
) -> facts.Share | None:
  """How many of the test images the classifier is right about; None where there are none."""
  test, n = splits.test, len(splits.test.labels)
  if not n:
    return None
  images = devices.place_rows(lambda start, stop: test.images[start:stop], test.images.shape)
  measure = make_accuracy(classifier, pixel_range, len(splits.class_names))
  found = measure(jax.tree.map(lambda x: x[None], params), images, np.asarray(test.labels))
  return facts.wilson(round(float(found.overall[0]) * n), n)


def uncertain(outlook: Outlook, splits: Splits) -> list[Shown]:
  """The most uncertain images left."""
  if not len(outlook.ids):
    return []
  images = np.asarray(splits.shown.read(outlook.ids))
  found = zip(images, outlook.ids.tolist(), *(x.tolist() for x in outlook.predicted), strict=True)
  return [
    Shown(image, name_of(splits.files, i), (f"{splits.class_names[k]} ({p:.2f})",))
    for image, i, k, p, _ in found
  ]


def mistakes(found: Doubts | None, asked: Asked, splits: Splits) -> tuple[str, list[Shown]]:
  """A sentence on the labels that were judged, and the images of those that the classifier disagrees with."""
  names = splits.class_names
  if found is None:
    return (
      f"Not looked for: that needs {FEWEST} labels in at least two classes, so that a classifier can be trained "
      "without those that it judges."
    ), []
  wrong = np.flatnonzero(found.predicted != asked.labels[found.rows])
  told = (
    f"A classifier that was trained on the other labels ({FOLDS}-fold cross-validation) predicts another class for "
    f"{len(wrong)} of {len(found.rows)} labelled images. Below are those whose label it finds least probable "
    "(probabilities in brackets). Many will be right: images were asked for because they are hard."
  )
  if found.skipped:
    told += f" Not judged, for fewer than {FEWEST} labels: {', '.join(names[k] for k in found.skipped)}."
  shown = []
  for j in wrong[:SHOWN]:
    row, k = found.rows[j], found.predicted[j]
    i, given = int(asked.ids[row]), names[asked.labels[row]]
    image = (
      asked.images[row] if splits.pictures is None else np.asarray(splits.pictures.read(asked.ids[[row]]))[0]
    )
    lines = f"labelled {given} ({found.given[j]:.2f})", f"predicted {names[k]} ({found.probabilities[j]:.2f})"
    shown.append(Shown(image, name_of(splits.files, i) if i >= 0 else "synthetic image", lines))
  return told, shown


def steps(config: ConfigDict, about: Mapping[str, Any], workdir: pathlib.Path) -> list[tuple[str, str]]:
  """What a person may do next, and by which command; `about` is the run's config.json."""
  found = []
  if (workdir / "classifier" / "classify.py").exists():
    command = shlex.join(["python", str(workdir / "classifier" / "classify.py")])
    found.append(
      ("Classify other images, on any machine: copy the folder classifier there", f"{command} PHOTO ...")
    )
  if about.get("arguments"):
    same = ["python", "-m", "asal_jax.main", *about["arguments"]]
    page = shlex.join(["python", "-m", "asal_jax.label", str(workdir)])
    found.append(
      ("Mend labels on the page, then have this run write everything anew", f"{page}\n{shlex.join(same)}")
    )
    more = f"--config.loop.budget={config.loop.budget + 10 * config.loop.per_cycle}"
    found.append(("Have more images labelled", shlex.join([*same, more])))
  return found


def setting(config: ConfigDict, about: Mapping[str, Any]) -> dict[str, str]:
  """What the run was, by name; `about` is its config.json."""
  loop, device = config.loop, about.get("device", {})
  found = {
    "classifier": f"{config.classifier.network}, {config.classifier.epochs} epochs, {config.precision}",
    "strategies": ", ".join(config.strategies),
    "labels": f"{loop.start} at the start, {loop.per_cycle} a cycle, up to {loop.budget}; seed {config.seeds[0]}",
    "command": shlex.join(about.get("arguments", ())),
    "commit": about.get("commit") or "",
    "versions": ", ".join(f"{name} {number}" for name, number in about.get("versions", {}).items()),
    "device": ", ".join(str(device[k]) for k in ("count", "kind", "processor") if device.get(k)),
  }
  return {name: value for name, value in found.items() if value}
