"""The channel `label_studio`: a project there holds the images of all questions, as tasks.

With an address the job makes the project, imports tasks and collects annotations while it waits. Without one a person
carries files: tasks to import are written beside each question, and exports that lie in `workdir/labels/label_studio/`
are read.
"""

import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from asal_jax.errors import InputError
from asal_jax.labelling import label_studio_tasks as formats
from asal_jax.labelling import questions
from asal_jax.labelling.answers import Answers
from asal_jax.labelling.label_studio_server import Server, Unreachable, api_key
from asal_jax.labelling.label_studio_tasks import Asked
from asal_jax.labelling.people import Channel
from asal_jax.labelling.questions import About, Question, asked
from asal_jax.store.files import write_json, write_whole
from asal_jax.store.progress import log

PAUSE = 5.0
"""Seconds between two looks at the server."""

PATIENCE = 900.0
"""Seconds that a server may be away while the job waits."""

TITLE = 50
"""Letters that a project's title may have."""


def make_channel(workdir: pathlib.Path, settings: ConfigDict, about: About, answers: Answers) -> Channel:
  """Label Studio at `settings.url`, or without an address by files; `settings.project` is the title, '' for the run's.

  Annotators are named by their e-mail addresses, or by their numbers where an export has no more. A skipped task is NA.
  An annotation that was changed is a new answer, and so is each of several people's; none is taken in twice.

  Raises InputError for an address or class names that can not be, and where there is no API key; the channel for a
  server that refuses, and for tasks and exports that are not of this run.
  """
  asked_so_far = _Asked(workdir, about, answers)
  if not settings.url:
    return _by_files(asked_so_far)
  return _by_server(
    asked_so_far, Server(settings.url, api_key()), (settings.project or about.title)[:TITLE].strip()
  )


class _Asked:
  """What was asked in a workdir, as tasks, and what is still to be told to people."""

  def __init__(self, workdir: pathlib.Path, about: About, answers: Answers):
    self.workdir, self.about, self.answers = workdir, about, answers
    self.configuration = formats.configuration(about.class_names)
    self._questions: list[Question] = []
    self._images: dict[tuple[str, int], Asked] = {}

  def known(self) -> formats.Known:
    """All images of all questions."""
    before = {question.name for question in self._questions}
    self._questions = questions.posted(self.workdir, self._questions)
    for question in self._questions:
      if question.name not in before:
        images = questions.images_of(self.workdir, question)
        self._images |= formats.asked_images(question, images)
    return self._images

  def open(self, question: Question) -> list[int]:
    """The ids that are asked for now and not settled."""
    ids = asked(question, self.answers.settled, len(self.about.class_names))
    return [i for i in ids if self.answers.settled(question, i) is None]

  def tasks(self, question: Question, ids: list[int]) -> list[dict[str, Any]]:
    """Tasks to import."""
    known, images, folder = self.known(), questions.images_of(self.workdir, question), self.about.folder
    found = [known[question.name, i] for i in ids]
    shown = [formats.picture(folder, question.files[one.row], images[one.row]) for one in found]
    return [formats.task(one, uri, self.about.class_names) for one, uri in zip(found, shown, strict=True)]

  def take(self, tasks: Any, people: dict[int, str], source: str) -> None:
    """Adds what tasks say and was not known."""
    found = formats.said(tasks, self.known(), self.about.class_names, people, source)
    self.answers.refresh()
    new = formats.news(found, self.answers.lines)
    if new:
      self.answers.add(*new)

  def left(self, question: Question) -> str:
    """How much is left, for a hint."""
    labels = self.answers.labels(question)
    left = sum(label is None for label in labels.values())
    return f"labels: {left} of {len(labels)} images of {question.name} are still to be labelled"


def _by_files(run: _Asked) -> Channel:
  """Files that a person carries to Label Studio, and back."""
  folder = questions.folder_of(run.workdir)
  layout, exports = folder / "label_studio.xml", folder / "label_studio"
  read: dict[pathlib.Path, int] = {}

  def files(question: Question) -> list[pathlib.Path]:
    return sorted(
      (folder / question.name).glob("label_studio*.json"), key=lambda path: (len(path.name), path)
    )

  def deliver(question: Question) -> None:
    exports.mkdir(parents=True, exist_ok=True)
    write_whole(layout, run.configuration)
    before = files(question)
    written = {item["meta"]["image_id"] for path in before for item in _json(path)}
    ids = [i for i in run.open(question) if i not in written]
    if ids:
      name = f"label_studio_{len(before) + 1}.json" if before else "label_studio.json"
      write_json(folder / question.name / name, run.tasks(question, ids))

  def gather() -> None:
    for path in sorted(exports.glob("*.json")):
      changed = path.stat().st_mtime_ns
      if read.get(path) != changed:
        run.take(_json(path), {}, str(path))
        read[path] = changed

  def hint(question: Question) -> str:
    several = f" by {run.about.people} people" if run.about.people > 1 else ""
    return (
      f"{run.left(question)}{several}; import {', '.join(map(str, files(question)))} into a project of Label Studio "
      f"whose labelling configuration is {layout}, label there, put its export as JSON into {exports}, and start the "
      "same command again to go on"
    )

  return Channel(deliver, gather, waits=False, hint=hint)


def _json(path: pathlib.Path) -> Any:
  try:
    return json.loads(path.read_bytes())
  except (OSError, ValueError, RecursionError) as error:
    raise InputError(
      f"labels: {path} is no JSON ({error}); needed is an export of Label Studio as JSON"
    ) from error


class _Project:
  """The project of a title on a server: found, or made when there is something to ask."""

  def __init__(self, run: _Asked, server: Server, title: str):
    self.run, self.server, self.title = run, server, title
    self.number: int | None = None
    self._there: set[tuple[str, int]] | None = None  # Images that it holds, where we know.
    self._people: dict[int, str] = {}

  @property
  def address(self) -> str:
    """Where people open it."""
    return f"{self.server.url}/projects/{self.number or ''}"

  def deliver(self, question: Question) -> None:
    """Imports what is asked for now and is not there yet."""
    ids = self.run.open(question)
    if not ids or (self._there is not None and all((question.name, i) in self._there for i in ids)):
      return
    if self._there is None:
      self._open(make=True)
      self.collect()
    there, self._there = self._there or set(), None  # Not known, should the import break off.
    ids = [i for i in self.run.open(question) if (question.name, i) not in there]
    if self.number is not None and ids:
      self.server.send(self.number, self.run.tasks(question, ids))
    self._there = there | {(question.name, i) for i in ids}

  def _open(self, make: bool) -> None:
    about, fields = self.run.about, ("parsed_label_config", "maximum_annotations")
    found = self.server.project(self.title, fields)
    if found is None and make:
      settings = {"title": self.title, "label_config": self.run.configuration, **_settings(about.people)}
      found = self.server.make_project(settings)
    if found is None:
      return
    control = (found.get("parsed_label_config") or {}).get(formats.CONTROL, {})
    choices = control.get("labels", ())
    if {*choices} != {*about.class_names, formats.NOT_SURE}:
      raise InputError(
        f"label_studio.project: {self.title!r} at {self.server.url} is for the choices "
        f"{', '.join(choices) or '(none)'}, not for this run's; give this run another title"
      )
    if found["maximum_annotations"] < about.people:
      self.server.change_project(found["id"], {"maximum_annotations": about.people})
    self.number = found["id"]

  def collect(self) -> None:
    """Takes in what people said, and has one more person asked where they disagree."""
    if self.number is None:
      self._open(make=False)
    if self.number is None:
      return
    tasks = self.server.tasks(self.number)
    annotators = [one.get("completed_by") for task in tasks for one in task["annotations"]]
    if any(isinstance(by, int) and by not in self._people for by in annotators):
      self._people = self.server.people()
    self.run.take(tasks, self._people, self.address)
    keys = [(task["meta"]["question"], task["meta"]["image_id"]) for task in tasks]
    self._there = (self._there or set()) | {*keys}
    known, answers = self.run.known(), self.run.answers
    for task, key in zip(tasks, keys, strict=True):
      question, i = known[key].question, key[1]
      asked_of = len(answers.given(question, i)) + 1
      if answers.disputed(question, i) and task["overlap"] < asked_of:
        file = question.files[known[key].row]
        log.info("people disagree about %s: one more is asked, or all change their mind", file)
        self.server.ask_one_more(task["id"], asked_of)


def _settings(people: int) -> dict[str, Any]:
  """Of a new project: a skipped task counts as annotated, and predictions are there, but not shown: they bias."""
  return {
    "maximum_annotations": people, "skip_queue": "IGNORE_SKIPPED", "show_collab_predictions": False,
    "enable_empty_annotation": False,
  }  # fmt: skip


def _by_server(run: _Asked, server: Server, title: str) -> Channel:
  """The project of this title; its server may be away for a while once it has answered."""
  project, met, again, looked = _Project(run, server, title), *[float("-inf")] * 3

  def patiently(call: Callable[[], None]) -> None:
    nonlocal met, again
    if time.monotonic() < again:
      return
    try:
      call()
      met = time.monotonic()
    except Unreachable as error:
      again = time.monotonic() + PAUSE
      if again > met + PATIENCE:
        raise
      log.warning("%s", error)

  def gather() -> None:
    nonlocal looked
    if time.monotonic() > looked + PAUSE:
      patiently(project.collect)
      looked = time.monotonic()

  def hint(question: Question) -> str:
    return f"{run.left(question)} in Label Studio, project {title!r}: {project.address}"

  return Channel(lambda question: patiently(lambda: project.deliver(question)), gather, waits=True, hint=hint)
