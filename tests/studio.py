"""A workdir whose images are labelled in Label Studio, and what its people say, for the tests of that channel."""

import json
import pathlib

import asked
from ml_collections import ConfigDict

from asal_jax.labelling import label_studio, questions
from asal_jax.labelling.answers import Answers
from asal_jax.labelling.questions import TEST

CLASSES = ("cat", "a <b> & \"c\" 'd'", "{{idx}}", "ünï 猫")

EXPORT, EXPORT_MIN = (
  json.loads((pathlib.Path(__file__).parent / f"label_studio_export{kind}.json").read_text(encoding="utf-8"))
  for kind in ("", "_min")
)
"""A real server's (1.23.2) exports of some tasks of such a workdir, with images cut short."""


def make_workdir(folder, people=1, originals="", names=CLASSES):
  """A workdir, its question for 8 images of the test set, and one of a cycle, which asks for 4 of 6 at first."""
  test = asked.question(TEST, 0, range(8))
  thought = ((0.125, 0.625, 0.125, 0.125),) * 6
  cycle = asked.question("random", 1, (3, 1, 4, 15, 9, 2), first=4, more=2, probabilities=thought)
  asked.make_workdir(folder, test, cycle, people=people, originals=originals, names=names)
  return test, cycle


def open_channel(workdir, url="", title="", about=None):
  """(channel, answers) of a workdir, as a job that starts has them."""
  about = about or questions.read_about(workdir)
  answers = Answers(workdir, about.class_names, about.people)
  settings = ConfigDict({"url": url, "project": title})
  return label_studio.make_channel(workdir, settings, about, answers), answers


def result(choice):
  """The result of an annotation that chooses one, or none where `choice` is None."""
  value = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}
  return [] if choice is None else [value]
