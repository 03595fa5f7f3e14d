"""The channel `file`: what a person finds in the folder, and what comes of what this person writes there."""

import csv

import numpy as np
import pytest
from PIL import Image

from asal_jax.errors import InputError
from asal_jax.labelling import sheet as sheets
from asal_jax.labelling.people import People
from asal_jax.labelling.questions import START, About, Question

NAMES = ("cat", "Dog", "bird")
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), np.uint8)
FILES = [f"{row}.png" for row in range(6)]
LABELS = ["cat", "Dog", "bird", "n.a.", "cat", "cat"]
TRUTH = [0, 1, 2, -1, 0, 0]


def people(workdir, names=NAMES, folder=""):
  about = About("pets", names, folder)
  return People(workdir, about, lambda answers: sheets.make_channel(workdir, about, answers))


def ask(workdir, images=IMAGES, cycle=3, names=NAMES):
  """Asks for labels of a cycle's images and takes them, as a job does each time it is started."""
  ids = tuple(range(10 * cycle, 10 * cycle + len(images)))
  asking = people(workdir, names)
  asking.ask(Question("gaal", cycle, ids, tuple(f"{i}.jpg" for i in ids), len(ids)), images)
  found, labels = asking.labels("gaal", cycle)
  assert found == list(ids)
  return labels


@pytest.fixture
def sheet(tmp_path):
  """The CSV of a cycle that was asked for once."""
  with pytest.raises(InputError):
    ask(tmp_path)
  return tmp_path / "labels" / "gaal" / "cycle_3" / "labels.csv"


def text(labels=LABELS, delimiter=",", end="\n"):
  table = [["image", "label"], *zip(FILES, labels, strict=True)]
  return "".join(delimiter.join(row) + end for row in table)


def rows(path):
  return list(csv.reader(path.read_text().splitlines()))


@pytest.mark.parametrize(("h", "w", "c", "scale"), [(8, 8, 1, 32), (28, 28, 1, 10), (40, 64, 3, 7)])
def test_every_image_is_written_enlarged(tmp_path, h, w, c, scale):
  images = np.random.default_rng(1).integers(0, 256, (6, h, w, c), np.uint8)
  with pytest.raises(InputError):
    ask(tmp_path, images)
  where = tmp_path / "labels" / "gaal" / "cycle_3"
  assert sorted(p.name for p in where.glob("*.png")) == FILES
  for name, image in zip(FILES, images, strict=True):
    picture = Image.open(where / name)
    assert picture.mode == ("L" if c == 1 else "RGB")
    large = np.kron(image, np.ones((scale, scale, 1), np.uint8))
    np.testing.assert_array_equal(np.asarray(picture).reshape(large.shape), large)
  np.testing.assert_array_equal(np.load(where / "images.npy"), images)


def test_rows_sort_as_they_stand(tmp_path):
  with pytest.raises(InputError, match="24 of 24"):
    ask(tmp_path, np.zeros((24, 8, 8, 1), np.uint8))
  names = [row[0] for row in rows(tmp_path / "labels/gaal/cycle_3/labels.csv")][1:]
  assert names == sorted(names)
  assert len(set(names)) == 24


def test_images_of_two_channels_are_told(tmp_path):
  with pytest.raises(InputError, match="2 channels; 'file' can show 1 or 3"):
    ask(tmp_path, np.zeros((6, 8, 8, 2), np.uint8))


def test_first_request_tells_what_to_do(tmp_path):
  with pytest.raises(InputError) as error:
    ask(tmp_path)
  message = str(error.value)
  assert "\n" not in message
  for part in (
    "6 of 6 rows",
    str(tmp_path / "labels/gaal/cycle_3/labels.csv"),
    "cat, Dog, bird, ? where you can not tell, or n.a.",
    "same command",
  ):
    assert part in message
  blank = [["image", "label"], *([name, ""] for name in FILES)]
  assert rows(tmp_path / "labels/gaal/cycle_3/labels.csv") == blank


def test_a_half_filled_sheet_is_kept_and_a_full_one_read(tmp_path, sheet):
  half = text(["cat", "", "bird", "", "cat", ""])
  sheet.write_text(half)
  with pytest.raises(InputError, match="3 of 6 rows"):
    ask(tmp_path)
  assert sheet.read_text() == half
  sheet.write_text(text())
  for _ in range(2):
    assert ask(tmp_path) == TRUTH
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
  assert ask(tmp_path) == TRUTH


def test_a_row_without_its_comma_is_unfilled(tmp_path, sheet):
  sheet.write_text(text().replace("4.png,cat", "4.png"))
  with pytest.raises(InputError, match="1 of 6 rows"):
    ask(tmp_path)


@pytest.mark.parametrize(
  ("old", "new", "message"),
  [
    ("bird", "brid", "line 4 has the unknown label 'brid', did you mean 'bird'?"),
    ("bird", "brid", "; allowed labels are cat, Dog, bird, ? where you can not tell, or n.a. to reject an image"),
    ("Dog", "DGO", "line 3 has the unknown label 'DGO', did you mean 'Dog'?"),
    ("Dog", "7", "line 3 has the unknown label '7'; allowed"),
    ("n.a.", "n.a", "line 5 has the unknown label 'n.a', did you mean 'n.a.'?"),
    ("1.png", "1.pgn", "line 3 has the unknown image '1.pgn', did you mean '1.png'?"),
    ("1.png", "1.pgn", "'?; no line has 1.png;"),
    ("2.png", "0.png", "line 4 has 0.png, which stands in line 2 already; no line has 2.png;"),
    ("2.png,bird\n", "", "no line has 2.png;"),
    ("Dog", "Dog,sure", "line 3 has 3 columns, needed are 2"),
    ("image,label", "label,image", "line 1 has the columns label, image; needed are image, label"),
    (text(), "", "has the columns (none); needed are image, label"),
    ("Dog", '"Dog', "line 3 is no CSV (unexpected end of data); is there a quote that is not closed?"),
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
  assert ask(tmp_path, rounded) == TRUTH
  for images in (255 - IMAGES, IMAGES[:2]):
    with pytest.raises(InputError, match="cycle_3 belongs to other images"):
      ask(tmp_path, images)
  (sheet.parent / "images.npy").unlink()
  with pytest.raises(InputError, match="belongs to other images"):
    ask(tmp_path, rounded)
  assert sheet.read_text() == text()
  # The very images that were asked for are put back.
  assert ask(tmp_path) == TRUTH


def test_every_cycle_has_a_folder_of_its_own(tmp_path, sheet):
  sheet.write_text(text())
  with pytest.raises(InputError, match="cycle_4"):
    ask(tmp_path, 255 - IMAGES, cycle=4)
  assert ask(tmp_path) == TRUTH


def test_an_interrupted_write_is_done_anew(tmp_path, sheet):
  sheet.rename(sheet.with_name("labels.csv.part"))
  (sheet.parent / FILES[5]).unlink()
  with pytest.raises(InputError, match="6 of 6 rows"):
    ask(tmp_path)
  assert (sheet.parent / FILES[5]).exists()
  sheet.write_text(text())
  assert ask(tmp_path) == TRUTH


def test_names_that_differ_by_case_alone(tmp_path):
  images, names = np.zeros((2, 8, 8, 1), np.uint8), ("Aa", "aA")
  with pytest.raises(InputError):
    ask(tmp_path, images, names=names)
  sheet = tmp_path / "labels/gaal/cycle_3/labels.csv"
  sheet.write_text("image,label\n0.png,aA\n1.png,Aa\n")
  assert ask(tmp_path, images, names=names) == [1, 0]
  with pytest.raises(InputError):
    ask(tmp_path, images, cycle=4, names=names)
  sheet = tmp_path / "labels/gaal/cycle_4/labels.csv"
  sheet.write_text("image,label\n0.png,aa\n1.png,Aa\n")
  with pytest.raises(InputError, match="line 2 has the unknown label 'aa'"):
    ask(tmp_path, images, cycle=4, names=names)


@pytest.mark.parametrize("names", [("a", "a "), ("a", " "), ("a", "n.a."), ("a", "?"), ("a", "enough")])
def test_class_names_that_can_not_be_told_apart(tmp_path, names):
  with pytest.raises(InputError, match="class_names: found"):
    people(tmp_path, names)


def test_what_was_said_once_is_not_asked_again(tmp_path, sheet):
  sheet.write_text(text())
  assert ask(tmp_path) == TRUTH
  asking = people(tmp_path)
  asking.ask(Question("random", 1, (99, 31, 30), ("a", "b", "c"), 3), IMAGES[:3])
  with pytest.raises(InputError, match="1 of 3 rows"):
    asking.labels("random", 1)
  second = tmp_path / "labels/random/cycle_1/labels.csv"
  assert rows(second) == [["image", "label"], ["0.png", ""]]
  second.write_text("image,label\n0.png,?\n")
  assert asking.labels("random", 1) == ([99, 31, 30], [-1, 1, 0])


def start_set(tmp_path, first=2, more=2):
  asking = people(tmp_path)
  asking.ask(Question(START, 0, (5, 6, 7, 8, 9, 4), tuple("abcdef"), first, more), IMAGES)
  return asking


def test_the_start_set_grows_until_every_class_was_seen(tmp_path):
  asking, where = start_set(tmp_path), tmp_path / "labels/start/cycle_0"
  for sheet, shown, labels in (
    ("labels.csv", ["0.png", "1.png"], ("cat", "n.a.")),
    ("labels_2.csv", ["2.png", "3.png"], ("cat", "bird")),
    ("labels_4.csv", ["4.png", "5.png"], ("dog", "cat")),
  ):
    with pytest.raises(InputError, match=r"2 of .* rows") as error:
      asking.labels(START, 0)
    assert str(where / sheet) in str(error.value)
    assert [row[0] for row in rows(where / sheet)[1:]] == shown
    lines = [f"{image},{label}" for image, label in zip(shown, labels, strict=True)]
    (where / sheet).write_text("\n".join(["image,label", *lines]))
  assert asking.labels(START, 0) == ([5, 6, 7, 8, 9, 4], [0, -1, 0, 2, 1, 0])


def test_a_person_may_say_that_the_start_set_is_enough(tmp_path):
  asking, where = start_set(tmp_path, first=4), tmp_path / "labels/start/cycle_0"
  with pytest.raises(InputError, match=r"4 of 4 rows.*or enough to begin"):
    asking.labels(START, 0)
  (where / "labels.csv").write_text("image,label\n0.png,cat\n1.png,bird\n2.png,enough\n3.png,\n")
  assert asking.labels(START, 0) == ([5, 6], [0, 2])


def test_only_of_the_start_set_enough_may_be_said(tmp_path, sheet):
  sheet.write_text(text(["enough"] * 6))
  with pytest.raises(InputError, match="line 2 has the unknown label 'enough'"):
    ask(tmp_path)


def test_originals_are_shown_where_there_are_any(tmp_path):
  photos = tmp_path / "photos"
  photos.mkdir()
  Image.new("RGB", (700, 350), (200, 10, 10)).save(photos / "a.png")
  asking = people(tmp_path / "run", folder=str(photos))
  asking.ask(Question("random", 1, (0, 1), ("a.png", "gone.png"), 2), IMAGES[:2])
  where = tmp_path / "run/labels/random/cycle_1"
  with Image.open(where / "0.png") as shown:
    assert shown.size == (512, 256)
    assert shown.getpixel((100, 100)) == (200, 10, 10)
  with Image.open(where / "1.png") as shown:
    assert shown.size == (256, 256)
