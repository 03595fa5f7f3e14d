"""Which image each person is shown next, and what becomes of answers."""

import pytest
from asked import NAMES, question

from asal_jax.errors import InputError
from asal_jax.labelling.answers import NA, UNSURE, Answers
from asal_jax.labelling.page.session import LEASE, ORDER, RESERVED, Session, Turn, keys

START = question()


class Clock:
  def __init__(self):
    self.now = 0.0

  def __call__(self):
    return self.now


@pytest.fixture
def sessions(tmp_path):
  """Makes the session of so many people, and its clock."""

  def make(people=1):
    clock = Clock()
    return Session(Answers(tmp_path, NAMES, people), clock), clock

  return make


def say(session, who, label, turn=None, asked=(START,)):
  """A person answers the image that this person is shown."""
  turn = turn or session.next(who, asked)
  return session.answer(turn, who, label, session.answers.times(*turn, who))


def shown(session, who, asked=(START,)):
  turn = session.next(who, asked)
  return turn and turn.id


@pytest.mark.parametrize(
  ("names", "expected"),
  [
    (("cat", "dog"), ["1", "2"]),
    (tuple("0123456789"), list("0123456789")),
    (("B", "a"), ["b", "a"]),
    (("a", "A"), ["1", "2"]),
    (("u", "v"), ["1", "2"]),
    (tuple(f"class {k}" for k in range(11)), list("1234567890a")),
  ],
)
def test_keys_are_names_of_one_sign_or_follow_the_order(names, expected):
  assert keys(names) == expected


def test_classes_beyond_the_keys_have_none():
  found = keys([f"class {k}" for k in range(100)])
  assert found[: len(ORDER)] == list(ORDER)
  assert set(found[len(ORDER) :]) == {""}
  assert len(found) == 100
  assert not set(ORDER) & set(RESERVED)
  assert len(set(ORDER)) == len(ORDER)


def test_one_person_is_shown_each_image_once_in_order(sessions):
  session, _ = sessions()
  order = []
  while (turn := session.next("ann", [START])) is not None:
    order.append(turn.id)
    say(session, "ann", "cat", turn)
  assert order == [0, 1, 2, 3]
  assert session.answers.done(START)


def test_looking_again_shows_the_same_image(sessions):
  session, _ = sessions()
  assert [shown(session, "ann") for _ in range(3)] == [0, 0, 0]


def test_the_first_question_that_is_open_comes_first(sessions):
  session, _ = sessions()
  asked = (question("test", ids=(0, 1)), START)
  for expected in ["test", "test", "start"]:
    turn = session.next("ann", asked)
    assert turn.question.strategy == expected
    say(session, "ann", "cat", turn)
  # The pool's image 0 is another one than the test set's.
  assert [line.id for line in session.answers.lines] == [0, 1, 0]


def test_two_people_are_not_shown_the_same_image(sessions):
  session, _ = sessions()
  assert shown(session, "ann") == 0
  assert shown(session, "bob") == 1
  say(session, "ann", "cat")
  assert shown(session, "ann") == 2
  assert shown(session, "bob") == 1


def test_a_lease_ends_after_its_time(sessions):
  session, clock = sessions()
  assert shown(session, "ann") == 0
  clock.now = LEASE - 1
  assert shown(session, "bob") == 1
  clock.now = LEASE + 1
  assert shown(session, "carol") == 0
  assert shown(session, "bob") == 1


def test_the_last_image_is_with_another_person(sessions):
  session, _ = sessions()
  one = question(ids=(5,))
  assert shown(session, "ann", [one]) == 5
  assert session.next("bob", [one]) is None
  assert session.others("bob", [one]) == (1, ["ann"])
  say(session, "ann", "cat", asked=[one])
  assert session.others("bob", [one]) == (0, [])


def test_an_answer_after_another_person_was_quicker_is_told_and_not_kept(sessions):
  session, clock = sessions()
  late = session.next("ann", [START])
  clock.now = LEASE + 1
  assert shown(session, "bob") == late.id
  say(session, "bob", "dog")
  assert "bob" in session.answer(late, "ann", "cat", 0)
  assert [line.who for line in session.answers.lines] == ["bob"]


def test_an_answer_sent_twice_counts_once(sessions):
  session, _ = sessions()
  turn = session.next("ann", [START])
  for _ in range(2):
    assert session.answer(turn, "ann", "cat", 0) == ""
  assert len(session.answers.lines) == 1


def test_every_image_goes_to_as_many_people_as_are_asked_for(sessions):
  session, _ = sessions(people=2)
  assert [shown(session, who) for who in ("ann", "bob", "carol")] == [0, 0, 1]
  say(session, "ann", "cat")
  assert [shown(session, who) for who in ("ann", "bob", "carol")] == [1, 0, 1]
  say(session, "bob", "cat")
  assert session.answers.settled(START, 0) == 0
  assert session.answers.agreement() == (1, 1)


def test_one_of_two_people_waits_for_the_other(sessions):
  session, _ = sessions(people=2)
  for _ in START.ids:
    say(session, "ann", "cat")
  assert session.next("ann", [START]) is None
  assert session.others("ann", [START]) == (4, [])
  assert shown(session, "bob") == 0


def test_a_dispute_is_asked_again_after_the_other_images(sessions):
  session, _ = sessions(people=2)
  one = question(ids=(0, 1))
  say(session, "ann", "cat", Turn(one, 0))
  say(session, "bob", "dog", Turn(one, 0))
  assert session.answers.disputed(one, 0)
  for who in ("ann", "bob"):
    assert shown(session, who, [one]) == 1
    say(session, who, "bird", Turn(one, 1))
  assert [shown(session, who, [one]) for who in ("ann", "bob")] == [0, 0]
  say(session, "ann", "dog", Turn(one, 0))
  assert session.answers.settled(one, 0) == 1
  assert session.next("bob", [one]) is None
  assert session.answers.done(one)


def test_people_who_disagree_twice_reject_the_image(sessions):
  session, _ = sessions(people=2)
  one = question(ids=(0,))
  for _ in range(2):
    say(session, "ann", "cat", asked=[one])
    say(session, "bob", "dog", asked=[one])
  assert session.answers.settled(one, 0) == -1
  assert session.next("ann", [one]) is None


def test_a_third_person_decides_a_dispute(sessions):
  session, _ = sessions(people=2)
  one = question(ids=(0,))
  say(session, "ann", "cat", asked=[one])
  say(session, "bob", "dog", asked=[one])
  assert shown(session, "carol", [one]) == 0
  say(session, "carol", "dog", asked=[one])
  assert session.answers.settled(one, 0) == 1


def test_undo_asks_the_same_person_for_the_same_image(sessions):
  session, _ = sessions()
  for label in ("cat", "dog", "bird"):
    say(session, "ann", label)
  assert shown(session, "ann") == 3
  session.undo(session.history("ann", [START])[-1], "ann")
  assert shown(session, "bob") == 3
  assert shown(session, "ann") == 2
  assert session.answers.settled(START, 2) is None
  assert [turn.id for turn in session.history("ann", [START])] == [0, 1]


def test_undo_twice_takes_back_one_answer(sessions):
  session, _ = sessions()
  turn = session.next("ann", [START])
  say(session, "ann", "cat", turn)
  for _ in range(2):
    session.undo(turn, "ann")
  assert [line.label for line in session.answers.lines] == ["cat", None]
  session.undo(turn, "bob")
  assert len(session.answers.lines) == 2


def test_another_answer_replaces_the_first_and_is_no_second_look(sessions):
  session, _ = sessions(people=2)
  turn = Turn(START, 0)
  say(session, "ann", "cat", turn)
  say(session, "ann", "dog", turn)
  assert session.answers.given(START, 0)["ann"].label == "dog"
  assert session.answers.times(START, 0, "ann") == 1
  say(session, "bob", "cat", turn)
  # Both are still to look again, as if ann had said dog at once.
  assert session.answers.disputed(START, 0)
  assert [shown(session, who, [question(ids=(0,))]) for who in ("ann", "bob")] == [0, 0]


def test_history_is_in_the_order_of_the_latest_answers(sessions):
  session, _ = sessions()
  for label in ("cat", "dog", "bird"):
    say(session, "ann", label)
  say(session, "ann", "bird", Turn(START, 0))
  say(session, "bob", "cat")
  assert [turn.id for turn in session.history("ann", [START])] == [1, 2, 0]
  assert [turn.id for turn in session.history("bob", [START])] == [3]


def test_not_sure_and_rejected_are_answers_and_other_words_are_not(sessions):
  session, _ = sessions()
  say(session, "ann", NA)
  say(session, "ann", UNSURE)
  assert session.answers.outcome(START) == ([0, 1], [-1, -1])
  with pytest.raises(InputError, match="cow"):
    say(session, "ann", "cow")


def test_enough_ends_the_start_set_alone_and_only_with_a_label(sessions):
  session, _ = sessions()
  cycle = question("asal", 1, ids=(8, 9))
  say(session, "ann", NA)
  assert session.enough(START, "ann") != ""
  assert session.enough(cycle, "ann") != ""
  assert not session.answers.done(START)
  say(session, "ann", "cat")
  for _ in range(2):
    assert session.enough(START, "ann") == ""
  assert session.answers.done(START)
  assert sum(line.id is None for line in session.answers.lines) == 1
  assert shown(session, "ann", [START, cycle]) == 8
  # Whoever was looking at it comes too late.
  assert "closed" in session.answer(Turn(START, 2), "bob", "dog", 0)
  assert session.answers.outcome(START) == ([0, 1], [-1, 0])


def test_the_start_set_grows_until_each_class_was_seen(sessions):
  session, _ = sessions()
  growing = question(ids=range(6), first=2, more=1)
  for label in ("cat", "cat", "dog", "bird"):
    say(session, "ann", label, asked=[growing])
  assert session.next("ann", [growing]) is None
  assert session.answers.outcome(growing) == ([0, 1, 2, 3], [0, 0, 1, 2])


def test_answers_of_before_a_restart_are_known(sessions):
  session, _ = sessions()
  say(session, "ann", "cat")
  again, _ = sessions()
  assert shown(again, "ann") == 1
  assert [turn.id for turn in again.history("ann", [START])] == [0]
