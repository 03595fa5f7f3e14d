"""Labels that come with images: by CSV, as people and spreadsheets write it, and by sub-folders."""

import numpy as np
import pytest

from asal_jax.errors import InputError
from asal_jax.labelling import answers, questions
from asal_jax.labelling.answers import Answer, Answers
from asal_jax.pools import known
from asal_jax.pools.known import known_labels, name_classes

FILES = ("a.png", "b c.png", "cat/1.png", "cat/x/2.png", "Dog/3.png", "other/4.png")
NAMES = ("cat", "dog", "bird")
BY_FOLDER = [-1, -1, 0, 0, 1, -1]


def labels(tmp_path, text, files=FILES, names=NAMES, **options):
  (tmp_path / "labels.csv").write_bytes(text.encode() if isinstance(text, str) else text)
  return known_labels(files, names, tmp_path / "labels.csv", **options)


def test_words_are_those_of_answers():
  assert known.NO_CLASS == (answers.NA, answers.UNSURE)
  assert known.TEST == questions.TEST
  assert {*answers.COLUMNS} > known.ANSWERED


@pytest.mark.parametrize(
  ("text", "files", "classes"),
  [
    ("cat,dog", FILES, ("cat", "dog")),
    (" dog , big cat ", (), ("dog", "big cat")),
    ("", FILES, ("Dog", "cat", "other")),
    (" ", ("b/1.png", "a/2/3.png", "4.png"), ("a", "b")),
  ],
)
def test_classes_are_named_or_are_sub_folders(text, files, classes):
  assert name_classes(text, files) == classes


@pytest.mark.parametrize(
  ("text", "files", "message"),
  [
    ("cat", FILES, "found 'cat'; needed are at least two names, as in --config.data.class_names=cat,dog"),
    (
      "",
      ("a.png",),
      "found ''; sub-folders that hold images could name them, there are 0; needed are at least two",
    ),
    ("", ("a/b.png", "a/c/d.png"), "there are 1; needed are at least two"),
    ("cat,", FILES, r"found \('cat', ''\); needed are distinct names, not empty and none of 'n.a.', '\?'"),
    ("cat,cat", FILES, "needed are distinct names"),
    ("cat,?", FILES, "none of 'n.a.'"),
    ("", ("n.a./1.png", "cat/2.png"), "none of 'n.a.'"),
  ],
)
def test_classes_that_can_not_be_told_apart(text, files, message):
  with pytest.raises(InputError, match=rf"^data.class_names: .*{message}"):
    name_classes(text, files)


def test_sub_folders_name_classes():
  found = known_labels(FILES, NAMES, None)
  assert found.labels.dtype == np.int32
  assert found.labels.tolist() == BY_FOLDER
  assert found.tested == frozenset()
  # Names that differ by case alone are meant as they are.
  assert known_labels(("Cat/1", "CAT/2", "cat/3"), ("Cat", "CAT"), None).labels.tolist() == [0, 1, -1]


@pytest.mark.parametrize(
  "text",
  [
    "file,label\na.png,bird\nother/4.png,cat\n",
    "\ufeffLabel;Note;File\r\nbird;nice;a.png\r\nCAT;;other/4.png\r\n\r\n",
    "file\tlabel\n./a.png\t bird\nother\\4.png\tcat\n",
    'file,label\n"a.png","bird"\nother/4.png,cat,,,\nb c.png,n.a.\ncat/1.png,?\nDog/3.png,\nDog/3.png\n',
    "file,label\na.png,bird\na.png,Bird\nother/4.png,cat\ncat/1.png,cat",
  ],
  ids=["plain", "spreadsheet", "other systems", "skipped answers", "said twice"],
)
def test_a_csv_adds_to_sub_folders(tmp_path, text):
  assert labels(tmp_path, text).labels.tolist() == [2, -1, 0, 0, 1, 0]


def test_names_composed_otherwise_are_the_same(tmp_path):
  assert labels(tmp_path, "file,label\ncafe\u0301.png,cat\n", ("caf\u00e9.png",)).labels.tolist() == [0]
  assert labels(tmp_path, "file,label\ncaf\u00e9.png,cat\n", ("cafe\u0301.png",)).labels.tolist() == [0]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("file,label\na.png,cat\nb_c.png,dog\n", "line 3 has the unknown file 'b_c.png', did you mean 'b c.png'?"),
    ("file,label\nzzzzz,dog\n", "line 2 has the unknown file 'zzzzz'; files are paths below the folder, classes"),
    ("file,label\na.png,brid\n", "line 2 has the unknown class 'brid', did you mean 'bird'?"),
    ("file,label\na.png,cat\na.png,dog\n", "line 2 says 'cat' of a.png, line 3 says 'dog'"),
    ("file,label\na.png,cat\na.png,n.a.\n", "line 2 says 'cat' of a.png, line 3 says 'n.a.'"),
    ("file,label\n" + "x,y\n" * 7, "line 6 has the unknown file 'x'; and 2 more; files"),
    ("image,label\na.png,cat\n", "line 1 has the columns image, label; needed are file and label"),
    ("", "line 1 has the columns (none); needed are file and label"),
    ("file,label\ncat/1.png,dog\n", "says 'dog' of cat/1.png, which lies in the folder of class 'cat'; move it, or"),
    ("file,label\nDog/3.png,cat\n", "says 'cat' of Dog/3.png, which lies in the folder of class 'dog'"),
    (b"file,label\n\xff\xfe\n", "no text in UTF-8"),
    ("file,label\n" + "x" * 200_000 + ",cat\n", "line 2 is no CSV"),
  ],
)  # fmt: skip
def test_wrong_lines_are_named(tmp_path, text, message):
  with pytest.raises(InputError) as error:
    labels(tmp_path, text)
  assert message in str(error.value)
  assert str(error.value).startswith("data.labels: ")
  assert str(tmp_path / "labels.csv") in str(error.value)
  assert "\n" not in str(error.value)


def test_a_sheet_that_is_not_there_is_told(tmp_path):
  with pytest.raises(InputError, match=r"^data.labels: can not read .*none.csv \(No such file"):
    known_labels(FILES, NAMES, tmp_path / "none.csv")


def test_files_that_were_skipped_may_be_named(tmp_path):
  assert labels(tmp_path, "file,label\ngone.png,cat\n", gone=["gone.png"]).labels.tolist() == BY_FOLDER


def test_a_runs_own_labels_are_read_back(tmp_path):
  """Written by `Answers.write_csv`: several people, a test set, files that are gone since."""
  said = [
    ("a.png", "bird", "ann", "balanced_walk50"),
    ("a.png", "bird", "bob", "balanced_walk50"),
    ("b c.png", "cat", "ann", "start"),
    ("b c.png", "dog", "bob", "start"),
    ("other/4.png", "dog", "ann", questions.TEST),
    ("removed.png", "dog", "ann", "start"),
    ("cat/1.png", "cat", "known", answers.KNOWN),
    ("Dog/3.png", "?", "ann", questions.TEST),
  ]
  written = Answers(tmp_path, NAMES)
  written.add(
    *(Answer(i, file, label, who, f"2026-01-01T00:00:{i:02}", strategy, 0)
      for i, (file, label, who, strategy) in enumerate(said))
  )  # fmt: skip
  written.write_csv(tmp_path / "ours.csv")
  found = known_labels(FILES, NAMES, tmp_path / "ours.csv")
  assert found.labels.tolist() == [2, -1, 0, 0, 1, 1]
  assert found.tested == {"other/4.png", "Dog/3.png"}


def test_people_who_disagree_leave_it_open(tmp_path):
  head = "file,label,who,when,cycle,strategy\n"
  for other, expected in (("cat", 0), ("dog", -1), ("?", -1)):
    text = f"{head}a.png,cat,ann,t,0,start\na.png,{other},bob,t,0,start\n"
    assert labels(tmp_path, text).labels[0] == expected
