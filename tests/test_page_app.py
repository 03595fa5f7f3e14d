"""The page's server as a browser, and as an attacker, would call it."""

import io
import json
import os
import resource

import numpy as np
import pytest
from asked import TOKEN, Browser, images, make_workdir, question
from PIL import Image

from asal_jax.errors import InputError
from asal_jax.labelling.answers import Answers
from asal_jax.labelling.page.app import BODY, make_app
from asal_jax.labelling.questions import post
from asal_jax.pools import photos as photos_of


@pytest.fixture
def workdir(tmp_path):
  thought = ((0.7, 0.2, 0.1), (0.1, 0.1, 0.8))
  asal = question("asal", 1, ids=(4, 5), probabilities=thought)
  return make_workdir(tmp_path / "run", question(), asal, originals=tmp_path / "photos")


@pytest.fixture
def photos(tmp_path):
  folder = tmp_path / "photos"
  folder.mkdir()
  return folder


@pytest.fixture
def browser(workdir):
  return Browser(workdir)


def lines(workdir):
  return Answers(workdir, ("cat", "dog", "bird")).lines


def test_page_and_its_files_are_served_with_headers_that_keep_it_to_itself(browser):
  for path, kind in {"": "text/html", "page.js": "text/javascript", "page.css": "text/css"}.items():
    status, headers, body = browser.get(path)
    assert status == 200
    assert headers["content-type"].startswith(kind)
    assert body
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert not any(name.startswith("access-control") for name in headers)


def test_the_page_holds_no_inline_script_or_style_which_its_policy_would_stop(browser):
  html = browser.get("")[2].decode()
  assert html.count("<script") == html.count("<script src=") == 1
  assert "<style" not in html
  assert not [word for word in (" style=", " onclick=", "javascript:", "http://", "https://") if word in html]


@pytest.mark.parametrize("path", ["", "state?who=ann", "image/start/cycle_0/0", "page.js"])
@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "ä", TOKEN.upper()])
def test_without_the_token_nothing_is_there(browser, token, path):
  status, headers, body = browser.ask("GET", f"/{token}/{path}")
  assert (status, body) == (404, b"Not found")
  assert headers["referrer-policy"] == "no-referrer"
  assert browser.ask("GET", f"/{path}")[0] == 404


def test_without_the_token_nothing_is_written(browser, workdir):
  said = json.dumps({"who": "ann", "question": "start/cycle_0", "id": 0, "times": 0, "label": "cat"}).encode()
  assert browser.ask("POST", "/wrong/answer", said)[0] == 404
  assert lines(workdir) == []
  assert browser.ask("POST", f"/{TOKEN}/answer", said)[0] == 200
  assert len(lines(workdir)) == 1


@pytest.mark.parametrize(
  "host", ["evil.example", "127.0.0.1.evil.example:8000", "evil.example:127", "", "192.168.0.7:8000"]
)
def test_other_host_names_are_refused(browser, host):
  assert browser.get("", host=host)[0] == 400
  assert browser.get("state?who=ann", host=host)[0] == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9000", "LOCALHOST:9000"])
def test_this_machine_is_let_in_by_any_port_as_through_a_tunnel(browser, host):
  assert browser.get("", host=host)[0] == 200


@pytest.mark.parametrize(
  "origin", ["", "null", "http://evil.example", "https://127.0.0.1:8000", "http://127.0.0.1:8001"]
)
@pytest.mark.parametrize("path", ["answer", "undo", "enough"])
def test_another_origin_writes_nothing(browser, workdir, origin, path):
  browser.answer("dog")
  before = lines(workdir)
  said = {"who": "ann", "question": "start/cycle_0", "id": 0, "times": 1, "label": "cat"}
  address = f"/{TOKEN}/{path}"
  assert browser.ask("POST", address, json.dumps(said).encode(), origin=origin)[0] == 403
  assert lines(workdir) == before
  assert browser.ask("POST", address, json.dumps(said).encode())[0] == 200
  assert len(lines(workdir)) > len(before)


def test_answers_do_not_come_by_get(browser, workdir):
  for path in ("answer", "undo", "enough"):
    assert browser.get(path)[0] == 405
  assert lines(workdir) == []


@pytest.mark.parametrize(
  "body",
  [
    b"",
    b"[]",
    b"\xff",
    b'{"who": "ann"}',
    b'{"who": "", "question": "start/cycle_0", "id": 0, "times": 0, "label": "cat"}',
    b'{"who": "a\\nb", "question": "start/cycle_0", "id": 0, "times": 0, "label": "cat"}',
    b'{"who": "ann", "question": "start/cycle_0", "id": true, "times": 0, "label": "cat"}',
    b'{"who": "ann", "question": "start/cycle_0", "id": 0, "times": 0, "label": "cow"}',
    b'{"who": "ann", "question": ["start"], "id": 0, "times": 0, "label": "cat"}',
  ],
)
def test_what_is_no_answer_is_told_in_a_line(browser, workdir, body):
  status, _, told = browser.ask("POST", f"/{TOKEN}/answer", body)
  assert status == 400
  assert json.loads(told)["error"]
  assert lines(workdir) == []


def test_long_requests_are_refused(browser):
  assert browser.ask("POST", f"/{TOKEN}/answer", b" " * (BODY + 1))[0] == 413


@pytest.mark.parametrize("back", ["-1", "x", "9" * 30, "²"])
def test_a_place_in_the_history_is_a_number(browser, back):
  assert browser.ask("GET", f"/{TOKEN}/state?who=ann&back={back}")[0] == 400


@pytest.mark.parametrize(
  "path",
  [
    "image/start/cycle_0/7",
    "image/start/cycle_0/-1",
    "image/start/cycle_1/0",
    "image/none/cycle_0/0",
    "image/start/cycle_0/x",
    "image/start/cycle_0/" + "9" * 50,
    "image/../start/cycle_0/0",
    "image/start/cycle_0/../../../answers.jsonl",
    "image/start/cycle_0/0.jpg",
    "../about.json",
    "..%2fabout.json",
    "app.py",
    "__init__.py",
    "image/start/cycle_0/images.npy",
  ],
)
def test_nothing_but_the_asked_images_can_be_read(browser, path):
  assert browser.get(path)[0] == 404


def test_images_that_are_not_asked_yet_can_not_be_read(tmp_path):
  browser = Browser(make_workdir(tmp_path / "run", question(ids=range(6), first=2, more=1)))
  assert browser.get("image/start/cycle_0/1")[0] == 200
  assert browser.get("image/start/cycle_0/2")[0] == 404
  for _ in range(2):
    browser.answer("cat")
  assert browser.get("image/start/cycle_0/2")[0] == 200


def test_without_an_original_the_stored_image_is_shown_enlarged(browser):
  kind, shown = browser.picture("image/start/cycle_0/2")
  assert kind == "image/png"
  expected = images([2])[0].repeat(43, 0).repeat(43, 1)
  assert min(shown.shape[:2]) >= 256
  np.testing.assert_array_equal(shown, expected)


def test_synthetic_and_grey_images_are_shown(tmp_path):
  workdir = make_workdir(tmp_path / "run")
  post(workdir, question("gaal", 1, ids=(-1, -2)), images([-1, -2], (8, 8, 1)))
  kind, shown = Browser(workdir).picture("image/gaal/cycle_1/-2")
  assert kind == "image/png"
  assert shown.shape == (256, 256)
  assert (shown == 74).all()


def test_the_original_is_shown_upright_and_not_too_large(browser, photos):
  # What the camera holds on its side, orientation 6: to be turned by a quarter clockwise.
  camera = np.zeros((1000, 2000, 3), np.uint8)
  camera[:, :1000] = 200
  exif = Image.Exif()
  exif[0x0112] = 6
  Image.fromarray(camera).save(photos / "0.jpg", exif=exif)
  kind, shown = browser.picture("image/start/cycle_0/0")
  assert kind == "image/jpeg"
  assert shown.shape == (1200, 600, 3)
  assert shown[:500].min() > 150
  assert shown[700:].max() < 50
  # What the camera wrote beside it, a place for instance, is not passed on.
  assert not Image.open(io.BytesIO(browser.get("image/start/cycle_0/0")[2])).getexif()
  assert browser.picture("image/start/cycle_0/0?stored")[0] == "image/png"


@pytest.mark.parametrize("content", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_a_file_that_can_not_be_read_is_shown_as_stored(browser, photos, content):
  (photos / "0.jpg").write_bytes(content)
  assert browser.picture("image/start/cycle_0/0")[0] == "image/png"


def test_a_file_of_too_many_pixels_is_not_decoded(browser, photos, monkeypatch):
  Image.new("L", (64, 64)).save(photos / "0.jpg")
  monkeypatch.setattr(photos_of, "MOST_PIXELS", 64 * 64)
  assert browser.picture("image/start/cycle_0/0")[0] == "image/jpeg"
  monkeypatch.setattr(photos_of, "MOST_PIXELS", 64 * 64 - 1)
  assert browser.picture("image/start/cycle_0/0")[0] == "image/png"


def test_files_outside_the_folder_are_not_shown(tmp_path, photos):
  secret = tmp_path / "secret.png"
  Image.new("RGB", (32, 32), "red").save(secret)
  os.symlink(secret, photos / "link.jpg")
  os.symlink(tmp_path, photos / "up")
  os.symlink("loop.jpg", photos / "loop.jpg")
  os.mkfifo(photos / "pipe.jpg")
  Image.new("RGB", (32, 32), "blue").save(photos / "inside.png")
  os.symlink("inside.png", photos / "inside_link.png")
  outside = ("../secret.png", str(secret), "link.jpg", "up/secret.png", "loop.jpg", "pipe.jpg", ".", "a\0b")
  files = (*outside, "inside.png", "inside_link.png")
  one = question(ids=range(len(files)))._replace(files=files)
  browser = Browser(make_workdir(tmp_path / "run", one, originals=photos))
  kinds = [browser.picture(f"image/start/cycle_0/{i}")[0] for i in one.ids]
  assert kinds == ["image/png"] * len(outside) + ["image/jpeg"] * 2


def test_an_answer_is_on_disk_before_the_next_image_is_named(browser, workdir):
  view = browser.state()
  assert (view["task"]["id"], view["progress"]["done"], view["progress"]["of"]) == (0, 0, 4)
  view = browser.answer("dog", view)
  line = json.loads((workdir / "answers.jsonl").read_text())
  assert [line[key] for key in ("id", "file", "label", "who", "strategy")] == [
    0,
    "0.jpg",
    "dog",
    "ann",
    "start",
  ]
  assert (view["task"]["id"], view["progress"]["done"]) == (1, 1)
  assert view["last"]["label"] == "dog"
  assert view["progress"]["unseen"] == "No image yet of: cat, bird."


def test_an_answer_that_is_sent_twice_or_late_is_kept_once(browser, workdir):
  view = browser.state()
  assert browser.answer("dog", view)["task"]["id"] == 1
  again = browser.answer("dog", view)
  assert again["task"]["id"] == 1
  assert len(lines(workdir)) == 1


def test_looking_back_shows_the_answer_and_takes_another(browser, workdir):
  for label in ("cat", "dog"):
    browser.answer(label)
  view = browser.state(back=2)
  assert (view["task"]["id"], view["task"]["given"], view["back"]) == (0, "cat", 2)
  assert browser.state(back=99)["back"] == 2
  view = browser.answer("bird", view)
  assert (view["back"], view["task"]["id"]) == (0, 2)
  assert browser.state(back=1)["task"]["given"] == "bird"
  assert [line.label for line in lines(workdir)] == ["cat", "dog", None, "bird"]


def test_undo_brings_the_image_back(browser):
  browser.answer("cat")
  last = browser.state()["last"]
  status, _, body = browser.post("undo", who="ann", question=last["question"], id=last["id"])
  view = json.loads(body)
  assert status == 200
  assert (view["task"]["id"], view["task"]["given"], view["history"]) == (0, "", 0)


def test_what_the_classifier_thinks_is_told_after_the_answer_or_when_asked_for(browser):
  for _ in range(4):
    view = browser.answer("cat")
  assert view["task"]["question"] == "asal/cycle_1"
  assert "70%" not in json.dumps(view)
  assert browser.state(thinks="true")["task"]["thought"] == "cat (70%)"
  view = browser.answer("dog")
  assert view["last"]["thought"] == "cat (70%)"
  assert view["task"]["thought"] == ""
  assert "80%" not in json.dumps(view)


def test_nearest_images_are_those_with_a_class_that_look_most_alike(tmp_path):
  # Brightness grows with the id: 37 a step.
  browser = Browser(make_workdir(tmp_path / "run", question(ids=(0, 6, 2, 5, 1, 3))))
  assert browser.state()["task"]["near"] == []
  for label in ("cat", "dog", "n.a.", "bird", "cat"):
    view = browser.answer(label)
  assert view["task"]["id"] == 3
  # 2 was rejected; 1 and 5 are two steps away, 0 and 6 three.
  assert [(near["image"], near["label"]) for near in view["task"]["near"]] == [
    ("image/start/cycle_0/5?stored", "bird"),
    ("image/start/cycle_0/1?stored", "cat"),
    ("image/start/cycle_0/0?stored", "cat"),
  ]


def test_people_who_disagree_are_told_who_said_what(tmp_path):
  browser = Browser(make_workdir(tmp_path / "run", question(ids=(0,)), people=2))
  assert "wait" in browser.answer("cat", who="ann")["waiting"]
  assert browser.state("bob")["task"]["given"] == ""
  view = browser.answer("dog", who="bob")
  assert view["task"]["disputed"] == "People disagree: ann said cat, you said dog. Please look again."
  assert view["agreement"].startswith("People agree on 0 of 1")
  assert "you said cat, bob said dog" in browser.state("ann")["task"]["disputed"]


def test_the_next_question_is_shown_as_soon_as_it_is_posted(browser, workdir):
  for _ in range(6):
    view = browser.answer("cat")
  assert view["task"] is None
  assert "waiting for the next images" in view["waiting"]
  post(workdir, question("asal", 2, ids=(9,)), images([9]))
  assert browser.state()["task"]["id"] == 9


def test_enough_goes_on_to_the_next_question(browser):
  assert browser.state()["progress"]["enough"] is False
  assert browser.answer("cat")["progress"]["enough"] is True
  _, _, body = browser.post("enough", who="ann", question="start/cycle_0")
  assert json.loads(body)["task"]["question"] == "asal/cycle_1"


def test_a_question_that_vanished_is_told_and_the_page_goes_on(browser, workdir):
  view = browser.state()
  (workdir / "labels" / "start" / "cycle_0").rename(workdir / "away")
  after = browser.answer("cat", view)
  assert after["note"] == "This image is not asked about any more."
  assert after["task"]["question"] == "asal/cycle_1"
  for path in ("undo", "enough"):
    status, _, body = browser.post(path, who="ann", question="start/cycle_0", id=0)
    assert (status, json.loads(body)["note"]) == (200, after["note"])
  assert lines(workdir) == []


def test_an_answer_that_can_not_be_written_is_told_and_not_counted(browser, workdir):
  browser.answer("cat")
  view, size = browser.state(), (workdir / "answers.jsonl").stat().st_size
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  said = {"who": "ann", "label": "dog", **{key: view["task"][key] for key in ("question", "id", "times")}}
  resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
  try:
    status, _, body = browser.post("answer", **said)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert status == 503
  assert "could not be kept" in json.loads(body)["error"]
  assert len(lines(workdir)) == 1
  assert browser.post("answer", **said)[0] == 200
  assert [line.label for line in lines(workdir)] == ["cat", "dog"]


def test_a_workdir_without_questions_is_told(tmp_path):
  with pytest.raises(InputError, match="no question was asked"):
    make_app(tmp_path, TOKEN)
