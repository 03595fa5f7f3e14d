"""Labellers: what a person finds in the folder, and what comes of what this person writes there."""

import csv

import numpy as np
import pytest
from PIL import Image

from asal_jax.errors import InputError
from asal_jax.labelling.labellers import make_classifier_labeller, make_file_labeller

NAMES, SEEDS = ("cat", "Dog", "bird"), (4, 7)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8, 1), np.uint8)
FILES = ["seed4_0.png", "seed4_1.png", "seed4_2.png", "seed7_0.png", "seed7_1.png", "seed7_2.png"]
LABELS = ["cat", "Dog", "bird", "n.a.", "cat", "cat"]
TRUTH = [[0, 1, 2], [-1, 0, 0]]


def ask(folder, images=IMAGES, cycle=3, names=NAMES):
  return make_file_labeller(folder, names, SEEDS)("gaal", cycle, images)


@pytest.fixture
def sheet(tmp_path):
  """The CSV of a cycle that was asked for once."""
  with pytest.raises(InputError):
    ask(tmp_path)
  return tmp_path / "gaal" / "cycle_3" / "labels.csv"


def text(labels=LABELS, delimiter=",", end="\n"):
  table = [["image", "label"], *zip(FILES, labels, strict=True)]
  return "".join(delimiter.join(row) + end for row in table)


def rows(path):
  return list(csv.reader(path.read_text().splitlines()))


def test_classifier_labels_every_image_in_its_place():
  found = make_classifier_labeller(lambda x: x[:, 0, 0, 0].astype(np.int32))("gaal", 1, IMAGES)
  assert found.dtype == np.int32
  np.testing.assert_array_equal(found, IMAGES[:, :, 0, 0, 0])


@pytest.mark.parametrize(("h", "w", "c", "scale"), [(8, 8, 1, 14), (28, 28, 1, 4), (40, 64, 3, 3)])
def test_every_image_is_written_enlarged(tmp_path, h, w, c, scale):
  images = np.random.default_rng(1).integers(0, 256, (2, 3, h, w, c), np.uint8)
  with pytest.raises(InputError):
    ask(tmp_path, images)
  where = tmp_path / "gaal" / "cycle_3"
  assert sorted(p.name for p in where.glob("*.png")) == FILES
  for name, image in zip(FILES, images.reshape(6, h, w, c), strict=True):
    picture = Image.open(where / name)
    assert picture.mode == ("L" if c == 1 else "RGB")
    large = np.kron(image, np.ones((scale, scale, 1), np.uint8))
    np.testing.assert_array_equal(np.asarray(picture).reshape(large.shape), large)
  np.testing.assert_array_equal(np.load(where / "images.npy"), images)


def test_rows_sort_as_they_stand(tmp_path):
  with pytest.raises(InputError, match="24 of 24"):
    ask(tmp_path, np.zeros((2, 12, 8, 8, 1), np.uint8))
  names = [row[0] for row in rows(tmp_path / "gaal/cycle_3/labels.csv")][1:]
  assert names == sorted(names)
  assert len(set(names)) == 24


def test_images_of_two_channels_are_told(tmp_path):
  with pytest.raises(InputError, match="2 channels; 'file' can show 1 or 3"):
    ask(tmp_path, np.zeros((2, 3, 8, 8, 2), np.uint8))


def test_first_request_tells_what_to_do(tmp_path):
  with pytest.raises(InputError) as error:
    ask(tmp_path)
  message = str(error.value)
  assert "\n" not in message
  for part in (
    "6 of 6 rows",
    str(tmp_path / "gaal/cycle_3/labels.csv"),
    "cat, Dog, bird, or n.a.",
    "same command",
  ):
    assert part in message
  blank = [["image", "label"], *([name, ""] for name in FILES)]
  assert rows(tmp_path / "gaal/cycle_3/labels.csv") == blank


def test_a_half_filled_sheet_is_kept_and_a_full_one_read(tmp_path, sheet):
  half = text(["cat", "", "bird", "", "cat", ""])
  sheet.write_text(half)
  with pytest.raises(InputError, match="3 of 6 rows"):
    ask(tmp_path)
  assert sheet.read_text() == half
  sheet.write_text(text())
  for _ in range(2):
    found = ask(tmp_path)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, TRUTH)
  assert sheet.read_text() == text()


@pytest.mark.parametrize(
  "content",
  [
    text(delimiter=";", end="\r\n").encode("utf-8-sig"),
    text(delimiter="\t", end="\r").encode(),
    text([" CAT ", "dog", "BIRD", "N.A.", "Cat", "cat"]).encode(),
    text(end=",,\n").encode() + b",,\n\n,\n",
    b"\n" + text().encode().replace(b"cat", b'"cat"'),
    b"\n".join([b"Image, Label", *reversed(text().encode().split(b"\n")[1:])]),
  ],
  ids=["semicolon and mark", "tab", "case and blanks", "empty cells", "quoted", "other order"],
)
def test_what_spreadsheets_make_of_it_is_read(tmp_path, sheet, content):
  sheet.write_bytes(content)
  np.testing.assert_array_equal(ask(tmp_path), TRUTH)


def test_a_row_without_its_comma_is_unfilled(tmp_path, sheet):
  sheet.write_text(text().replace("seed7_1.png,cat", "seed7_1.png"))
  with pytest.raises(InputError, match="1 of 6 rows"):
    ask(tmp_path)


@pytest.mark.parametrize(
  ("old", "new", "message"),
  [
    ("bird", "brid", "line 4 has the unknown label 'brid', did you mean 'bird'?"),
    ("bird", "brid", "; allowed labels are cat, Dog, bird, or n.a. to reject an image"),
    ("Dog", "DGO", "line 3 has the unknown label 'DGO', did you mean 'Dog'?"),
    ("Dog", "7", "line 3 has the unknown label '7'; allowed"),
    ("n.a.", "n.a", "line 5 has the unknown label 'n.a', did you mean 'n.a.'?"),
    ("seed4_1.png", "seed4_1.pgn", "line 3 has the unknown image 'seed4_1.pgn', did you mean 'seed4_1.png'?"),
    ("seed4_1.png", "seed4_1.pgn", "'?; no line has seed4_1.png;"),
    ("seed4_2.png", "seed4_0.png", "line 4 has seed4_0.png, which stands in line 2 already; no line has seed4_2.png;"),
    ("seed4_2.png,bird\n", "", "no line has seed4_2.png;"),
    ("Dog", "Dog,sure", "line 3 has 3 columns, needed are 2"),
    ("image,label", "label,image", "line 1 has the columns label, image; needed are image, label"),
    (text(), "", "has the columns (none); needed are image, label"),
    ("Dog", '"Dog', "no line has seed4_2.png"),
  ],
)  # fmt: skip
def test_bad_rows_are_named_by_line(tmp_path, sheet, old, new, message):
  assert old in text()
  sheet.write_text(text().replace(old, new))
  with pytest.raises(InputError) as error:
    ask(tmp_path)
  assert message in str(error.value)
  assert str(sheet) in str(error.value)
  assert "\n" not in str(error.value)


def test_the_first_five_of_many_bad_rows_are_named(tmp_path, sheet):
  sheet.write_text(text(["x"] * 6))
  with pytest.raises(InputError, match=r"line 2 .*line 3 .*line 6 .*'x'; and 1 more; allowed") as error:
    ask(tmp_path)
  assert "line 7" not in str(error.value)


def test_a_file_that_is_no_text_is_told(tmp_path, sheet):
  sheet.write_bytes(text().encode("utf-16"))
  with pytest.raises(InputError, match="no text in UTF-8; save it as CSV in UTF-8"):
    ask(tmp_path)


def test_a_cell_too_long_for_csv_is_told(tmp_path, sheet):
  sheet.write_text(text().replace("Dog", "x" * 200_000))
  with pytest.raises(InputError, match="line 3 is no CSV"):
    ask(tmp_path)


def test_labels_of_other_images_are_refused(tmp_path, sheet):
  sheet.write_text(text())
  rounded = np.clip(IMAGES.astype(int) + 1, 0, 255).astype(np.uint8)
  np.testing.assert_array_equal(ask(tmp_path, rounded), TRUTH)
  for images in (255 - IMAGES, IMAGES[:, :2]):
    with pytest.raises(InputError, match="cycle_3 belongs to other images"):
      ask(tmp_path, images)
  (sheet.parent / "images.npy").unlink()
  with pytest.raises(InputError, match="belongs to other images"):
    ask(tmp_path)
  assert sheet.read_text() == text()


def test_every_cycle_has_a_folder_of_its_own(tmp_path, sheet):
  sheet.write_text(text())
  with pytest.raises(InputError, match="cycle_4"):
    ask(tmp_path, 255 - IMAGES, cycle=4)
  np.testing.assert_array_equal(ask(tmp_path), TRUTH)


def test_an_interrupted_write_is_done_anew(tmp_path, sheet):
  sheet.rename(sheet.with_name("labels.csv.part"))
  (sheet.parent / FILES[5]).unlink()
  np.save(sheet.parent / "images.npy", np.zeros(3))
  with pytest.raises(InputError, match="6 of 6 rows"):
    ask(tmp_path)
  assert (sheet.parent / FILES[5]).exists()
  sheet.write_text(text())
  np.testing.assert_array_equal(ask(tmp_path), TRUTH)


def test_names_that_differ_by_case_alone(tmp_path):
  images, names = np.zeros((2, 1, 8, 8, 1), np.uint8), ("Aa", "aA")
  with pytest.raises(InputError):
    ask(tmp_path, images, names=names)
  sheet = tmp_path / "gaal/cycle_3/labels.csv"
  sheet.write_text("image,label\nseed4_0.png,aA\nseed7_0.png,Aa\n")
  np.testing.assert_array_equal(ask(tmp_path, images, names=names), [[1], [0]])
  sheet.write_text("image,label\nseed4_0.png,aa\nseed7_0.png,Aa\n")
  with pytest.raises(InputError, match="line 2 has the unknown label 'aa'"):
    ask(tmp_path, images, names=names)


@pytest.mark.parametrize("names", [("a", "a "), ("a", " "), ("a", "n.a.")])
def test_class_names_that_can_not_be_told_apart(tmp_path, names):
  with pytest.raises(InputError, match="class_names: found"):
    make_file_labeller(tmp_path, names, SEEDS)
