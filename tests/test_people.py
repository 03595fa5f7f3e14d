"""People behind a channel: what was asked, what they are shown, and when the job goes on."""

import numpy as np
import pytest

from asal_jax.errors import InputError
from asal_jax.labelling import questions
from asal_jax.labelling.answers import Answer, now
from asal_jax.labelling.people import Channel, People, names
from asal_jax.labelling.questions import About, Question

ABOUT = About("pets", ("cat", "dog"))
QUESTION = Question("random", 1, (4, 2), ("a", "b"), 2)
IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def people(workdir, waits=False, gather=lambda: None):
  delivered = []
  channel = Channel(delivered.append, gather, waits, lambda question: f"label {question.name}")
  return People(workdir, ABOUT, lambda answers: channel), delivered


def test_a_question_whose_posting_was_killed_was_not_asked(tmp_path):
  asking, _ = people(tmp_path)
  where = questions.folder_of(tmp_path) / QUESTION.name
  where.mkdir(parents=True)
  np.save(where / "images.npy", np.zeros(3))
  assert not asking.was_asked("random", 1)
  asking.ask(QUESTION, IMAGES)
  assert asking.was_asked("random", 1)
  np.testing.assert_array_equal(questions.images_of(tmp_path, QUESTION), IMAGES)


def test_a_job_that_does_not_wait_says_what_to_do(tmp_path):
  asking, delivered = people(tmp_path)
  asking.ask(QUESTION, IMAGES)
  with pytest.raises(InputError, match="label random/cycle_1"):
    asking.labels("random", 1)
  assert [question._replace(checksum="") for question in delivered] == [QUESTION, QUESTION]


def test_a_job_that_waits_gathers_until_all_is_answered(tmp_path):
  left = [Answer(2, "b", "dog", "ann", now(), "random", 1), Answer(4, "a", "n.a.", "ann", now(), "random", 1)]
  asking, _ = people(tmp_path, True, lambda: asking.answers.add(left.pop()))
  asking.ask(QUESTION, IMAGES)
  assert asking.labels("random", 1) == ([4, 2], [-1, 1])
  assert not left


def test_images_without_a_name_are_numbered():
  assert names((), (3, 0)) == ("image 3", "image 0")
  assert names(("a.png", "b.png"), (1, 0)) == ("b.png", "a.png")
