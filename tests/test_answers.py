"""Answers of people: what is on disk, and what settles an image."""

import csv
import json
import multiprocessing

import numpy as np
import pytest

from asal_jax.errors import InputError
from asal_jax.labelling import questions
from asal_jax.labelling.answers import KNOWN, NA, UNSURE, Answer, Answers, now
from asal_jax.labelling.questions import START, TEST, About, Question

NAMES = ("cat", "dog")
QUESTION = Question("random", 1, (7, 3, 9), ("a.png", "b.png", "c.png"), 3)


def say(answers, image, label, who="ann", question=QUESTION):
  file = "" if image is None else f"{image}.png"
  answers.add(Answer(image, file, label, who, now(), question.strategy, question.cycle))


def test_one_person_settles_an_image(tmp_path):
  answers = Answers(tmp_path, NAMES)
  for image, label in ((7, "dog"), (3, NA), (9, UNSURE)):
    assert answers.settled(QUESTION, image) is None
    assert not answers.done(QUESTION)
    say(answers, image, label)
  assert answers.done(QUESTION)
  assert answers.outcome(QUESTION) == ([7, 3, 9], [1, -1, -1])
  assert Answers(tmp_path, NAMES).outcome(QUESTION) == ([7, 3, 9], [1, -1, -1])


def test_an_answer_can_be_taken_back_and_changed(tmp_path):
  answers = Answers(tmp_path, NAMES)
  say(answers, 7, "dog")
  say(answers, 7, None)
  assert answers.settled(QUESTION, 7) is None
  say(answers, 7, "cat")
  say(answers, 7, "dog")
  assert answers.settled(QUESTION, 7) == 1


def test_two_must_agree_where_two_are_asked(tmp_path):
  answers = Answers(tmp_path, NAMES, people=2)
  say(answers, 7, "dog")
  assert answers.settled(QUESTION, 7) is None
  say(answers, 7, "dog", "bob")
  assert answers.settled(QUESTION, 7) == 1
  assert answers.agreement() == (1, 1)


def test_a_third_person_or_a_second_look_ends_a_dispute(tmp_path):
  answers = Answers(tmp_path, NAMES, people=2)
  for image in (7, 3, 9):
    say(answers, image, "dog")
    say(answers, image, "cat", "bob")
    assert answers.disputed(QUESTION, image)
    assert answers.settled(QUESTION, image) is None
  say(answers, 7, "cat", "cleo")
  assert answers.settled(QUESTION, 7) == 0
  say(answers, 3, "cat")
  assert answers.settled(QUESTION, 3) == 0
  say(answers, 9, "dog")
  assert answers.settled(QUESTION, 9) is None
  say(answers, 9, "cat", "bob")
  assert answers.settled(QUESTION, 9) == -1
  assert answers.agreement() == (1, 3)


def test_labels_that_came_with_the_images_need_no_second_person(tmp_path):
  answers = Answers(tmp_path, NAMES, people=2)
  answers.add(Answer(7, "a.png", "cat", KNOWN, now(), START, 0))
  assert answers.settled(QUESTION, 7) == 0


def test_the_test_set_has_ids_of_its_own(tmp_path):
  answers, test = Answers(tmp_path, NAMES), Question(TEST, 0, (7,), ("t.png",), 1)
  say(answers, 7, "dog", question=test)
  assert answers.settled(QUESTION, 7) is None
  assert answers.settled(test, 7) == 1


def test_a_start_set_grows_until_all_classes_are_seen(tmp_path):
  answers, start = Answers(tmp_path, NAMES), Question(START, 0, (1, 2, 3, 4, 5), tuple("abcde"), 2, 2)
  asked = []
  for image in start.ids[:4]:
    asked.append(list(answers.labels(start)))
    say(answers, image, "dog", question=start)
  asked.append(list(answers.labels(start)))
  assert asked == [[1, 2], [1, 2], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4, 5]]
  say(answers, 5, "cat", question=start)
  assert answers.done(start)


def test_enough_ends_a_question_with_what_is_settled(tmp_path):
  answers, start = Answers(tmp_path, NAMES), Question(START, 0, (1, 2, 3), tuple("abc"), 2, 1)
  say(answers, 2, "dog", question=start)
  say(answers, None, None, question=start)
  assert answers.done(start)
  assert answers.outcome(start) == ([2], [1])


def test_a_torn_line_is_no_answer_and_harms_no_other(tmp_path):
  answers = Answers(tmp_path, NAMES)
  say(answers, 7, "dog")
  whole = answers.path.read_bytes()
  answers.path.write_bytes(whole + whole[:20])
  again = Answers(tmp_path, NAMES)
  assert len(again.lines) == 1
  say(again, 3, "cat")
  assert again.settled(QUESTION, 3) == 0
  assert [a.id for a in Answers(tmp_path, NAMES).lines] == [7, 3]


def write(folder, who):
  answers = Answers(folder, NAMES)
  for image in range(50):
    say(answers, image, "dog", who)


def test_processes_that_write_at_once_lose_nothing(tmp_path):
  with multiprocessing.get_context("spawn").Pool(3) as pool:
    pool.starmap(write, [(tmp_path, who) for who in ("ann", "bob", "cleo")])
  found = Answers(tmp_path, NAMES)
  assert {(a.id, a.who) for a in found.lines} == {(i, w) for i in range(50) for w in ("ann", "bob", "cleo")}
  assert len(found.lines) == 150
  for line in found.path.read_text().splitlines():
    json.loads(line)


def test_labels_csv_has_the_latest_of_each_person(tmp_path):
  answers = Answers(tmp_path, (*NAMES, 'cat, or "dog"'))
  say(answers, 7, "dog")
  say(answers, 7, 'cat, or "dog"')
  say(answers, 3, NA, "bob")
  answers.write_csv(tmp_path / "labels.csv")
  header, *rows = csv.reader((tmp_path / "labels.csv").read_text().splitlines())
  assert header == ["file", "label", "who", "when", "cycle", "strategy"]
  assert [row[:3] + row[4:] for row in rows] == [
    ["7.png", 'cat, or "dog"', "ann", "1", "random"],
    ["3.png", NA, "bob", "1", "random"],
  ]


@pytest.mark.parametrize("name", ["labels/about.json", "labels/random/cycle_1/question.json"])
def test_what_was_asked_is_read_as_it_was_written_or_not_at_all(tmp_path, name):
  questions.announce(tmp_path, About("pets", NAMES, "/photos", 2))
  questions.post(tmp_path, QUESTION, np.zeros((len(QUESTION.ids), 4, 4, 3), np.uint8))
  read = lambda: (questions.read_about(tmp_path), *questions.posted(tmp_path))  # noqa: E731
  path, wanted = tmp_path / name, read()
  whole = path.read_bytes()
  for place in range(len(whole) - 1):
    for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :]):
      path.write_bytes(damaged)
      with pytest.raises(InputError, match=rf"^labels: .*{path.name}"):
        read()
  path.write_bytes(whole)
  assert read() == wanted


@pytest.mark.parametrize("how", ["gone", "cut", "flipped"])
def test_damaged_images_of_a_question_are_not_shown_and_the_job_mends_them(tmp_path, how, caplog):
  images = np.random.default_rng(0).integers(0, 256, (len(QUESTION.ids), 4, 4, 3), np.uint8)
  questions.post(tmp_path, QUESTION, images)
  path = tmp_path / "labels/random/cycle_1/images.npy"
  whole = path.read_bytes()
  damaged = {"cut": whole[:-1], "flipped": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]}
  path.unlink() if how == "gone" else path.write_bytes(damaged[how])
  (posted,) = questions.posted(tmp_path)
  with pytest.raises(InputError, match=r"images\.npy.*start the job again, which mends it"):
    questions.images_of(tmp_path, posted)
  with pytest.raises(InputError, match="belongs to other images"):
    questions.post(tmp_path, QUESTION, images ^ 1)
  questions.post(tmp_path, QUESTION, images)
  assert path.read_bytes() == whole
  assert not path.with_name("again.npy").exists()
  assert questions.posted(tmp_path) == [posted]
  np.testing.assert_array_equal(questions.images_of(tmp_path, posted), images)
  assert path.with_name("images.npy.damaged").exists() == (how != "gone")


def test_questions_are_read_as_they_were_posted(tmp_path):
  images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8)
  about = About("pets", NAMES, "/photos", 2)
  posted = [
    QUESTION._replace(probabilities=((0.25, 0.75),) * 3),
    QUESTION._replace(cycle=2),
    Question(START, 0, (1, 2, 3), tuple("abc"), 1, 1),
    Question(TEST, 0, (0, 1, 2), tuple("abc"), 3),
  ]
  questions.announce(tmp_path, about)
  for question in posted:
    questions.post(tmp_path, question, images)
  assert questions.read_about(tmp_path) == about
  (checksum,) = {question.checksum for question in questions.posted(tmp_path)}
  posted = [question._replace(checksum=checksum) for question in posted]
  assert questions.posted(tmp_path) == [posted[3], posted[2], posted[0], posted[1]]
  np.testing.assert_array_equal(questions.images_of(tmp_path, posted[0]), images)


def test_a_workdir_that_asked_nothing_is_told(tmp_path):
  with pytest.raises(InputError, match=r"about\.json .*no question was asked"):
    questions.read_about(tmp_path)
