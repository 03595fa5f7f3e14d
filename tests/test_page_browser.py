"""The page in a real Chromium, driven by keys as a person would."""

import signal
from collections import Counter

import chromium
import pytest
from asked import NAMES, images, make_workdir, question

from asal_jax.labelling.answers import Answers
from asal_jax.labelling.page import child
from asal_jax.labelling.questions import post

TEST, START = question("test", ids=range(20)), question(ids=range(30))
KEYS = "123"
LEFT, RIGHT, DELETE, ENTER = "\ue012", "\ue014", "\ue017", "\ue007"


def truth(shown):
  """The class of an image, by what is asked and its number."""
  strategy, image = shown[0].split("/")[0], shown[1]
  return (image // 2 + len(strategy)) % len(NAMES)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
  driver = chromium.start(tmp_path_factory.mktemp("profile"))
  yield driver
  driver.quit()


@pytest.fixture
def page(driver):
  page = chromium.Page(driver)
  page.size(1280, 800)
  page.scheme("light")
  yield page
  # What the policy of the page stops, or a script that fails, would stand here.
  said = [entry for entry in driver.get_log("browser") if "ERR_CONNECTION" not in entry["message"]]
  driver.get("about:blank")
  assert said == []


@pytest.fixture
def serve():
  """Serves a workdir: (process, address)."""
  started = []

  def start(workdir):
    started.append(child.start(workdir))
    return started[-1]

  yield start
  for process, _ in started:
    child.stop(process)


def lines(workdir, people=1):
  return Answers(workdir, NAMES, people).lines


def label(page, count):
  """Labels so many images by what they show."""
  shown = page.shown()
  for _ in range(count):
    before = shown
    page.type(KEYS[truth(before)])
    shown = page.shown()
    assert shown != before


def test_a_hundred_answers_with_the_server_killed_in_the_middle(page, serve, tmp_path):
  asal = question("asal", 1, ids=range(100, 150))
  workdir = make_workdir(tmp_path / "run", TEST, START, asal)
  process, address = serve(workdir)
  page.open(address, "")
  page.until(lambda: page.find("name").is_displayed(), "the question for a name")
  page.find("name").send_keys("ann", ENTER)
  page.ready()
  label(page, 47)
  process.send_signal(signal.SIGKILL)
  process.wait()
  page.type(KEYS[truth(page.shown())])
  page.until(lambda: "answers that you gave are safe" in page.text("gone"), "a word about the server")
  assert len(lines(workdir)) == 47
  _, address = serve(workdir)
  page.open(address)
  assert not page.find("gone").is_displayed()
  label(page, 53)
  page.until(lambda: "All is answered" in page.text("waiting"), "the end")
  found = lines(workdir)
  assert len(found) == 100
  assert {line.who for line in found} == {"ann"}
  expected = {(q.strategy, i): NAMES[truth((q.name, i))] for q in (TEST, START, asal) for i in q.ids}
  assert {(line.strategy, line.id): line.label for line in found} == expected


def test_the_next_cycle_shows_itself_when_it_is_posted(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", question(ids=(0,)))
  page.open(serve(workdir)[1])
  label(page, 1)
  page.until(lambda: "waiting for the next images" in page.text("waiting"), "the end of the question")
  post(workdir, question("asal", 1, ids=(5, 6)), images([5, 6]))
  page.until(lambda: page.shown() == ("asal/cycle_1", 5), "the next image")
  page.ready()
  label(page, 2)
  assert len(lines(workdir)) == 3


def test_keys_for_back_forward_undo_not_sure_and_reject(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START)
  page.open(serve(workdir)[1])
  page.press("1", "?", DELETE, " ", "x", "2")
  said = ["cat", "?", "n.a.", "?", "n.a.", "dog"]
  assert [line.label for line in lines(workdir)] == said
  page.press(LEFT, LEFT)
  assert page.shown() == ("start/cycle_0", 4)
  assert page.text("notice") == "Looking back: another answer replaces yours."
  assert page.find("reject").get_attribute("aria-pressed") == "true"
  page.press(RIGHT)
  assert page.shown() == ("start/cycle_0", 5)
  page.press("3")
  assert page.shown() == ("start/cycle_0", 6)
  assert [(line.id, line.label) for line in lines(workdir)[6:]] == [(5, None), (5, "bird")]
  page.press("u")
  assert page.shown() == ("start/cycle_0", 5)
  page.press("u", "u")
  assert page.shown() == ("start/cycle_0", 3)
  assert page.text("count") == "3 of 30"
  page.press(LEFT, "u")
  assert page.shown() == ("start/cycle_0", 2)
  assert [line.label for line in lines(workdir)[8:]] == [None] * 4


def test_reload_and_the_browsers_own_back_lose_nothing(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START)
  page.open(serve(workdir)[1])
  label(page, 3)
  page.driver.refresh()
  page.ready()
  assert page.shown() == ("start/cycle_0", 3)
  page.driver.back()
  page.driver.forward()
  page.ready()
  assert page.shown() == ("start/cycle_0", 3)
  assert page.text("who") == "ann"
  label(page, 1)
  assert [line.id for line in lines(workdir)] == [0, 1, 2, 3]


def test_a_key_that_is_held_down_labels_one_image(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START)
  page.open(serve(workdir)[1])
  key = {"key": "1", "code": "Digit1", "text": "1", "windowsVirtualKeyCode": 49}
  for repeat in [False] + [True] * 20:
    page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", "autoRepeat": repeat, **key})
  page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **key})
  page.ready()
  assert [line.id for line in lines(workdir)] == [0]
  # Faster than the answers come.
  page.run(
    "for (let k = 0; k < 9; k++) document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '2', bubbles: true}))"
  )
  page.ready()
  assert [line.id for line in lines(workdir)] == [0, 1]


def test_digits_are_keys_where_they_are_typed_with_shift(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START)
  page.open(serve(workdir)[1])
  french = {"key": "é", "code": "Digit2", "text": "é", "windowsVirtualKeyCode": 50}
  page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **french})
  page.until(lambda: page.shown() == ("start/cycle_0", 1), "the next image")
  assert [line.label for line in lines(workdir)] == ["dog"]


def test_a_changed_name_stays_after_a_reload(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START)
  page.open(serve(workdir)[1])
  assert "ann" not in page.driver.current_url
  page.find("rename").click()
  page.find("name").clear()
  page.find("name").send_keys("carol", ENTER)
  page.ready()
  page.driver.refresh()
  page.ready()
  page.press("1")
  assert [line.who for line in lines(workdir)] == ["carol"]


def test_a_space_after_a_click_is_not_the_same_answer_again(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START)
  page.open(serve(workdir)[1])
  page.run("return document.querySelector('#classes button')").click()
  page.ready()
  page.press(" ")
  assert [line.label for line in lines(workdir)] == ["cat", "?"]


def test_buttons_work_by_tab_and_enter_too(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START)
  page.open(serve(workdir)[1])
  page.type("\ue004")
  focused = page.driver.switch_to.active_element
  assert focused.text.split() == ["1", "cat"]
  assert float(focused.value_of_css_property("outline-width").removesuffix("px")) >= 2
  page.press(ENTER)
  assert [line.label for line in lines(workdir)] == ["cat"]


def test_enough_asks_once_more_and_begins(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", START, question("asal", 1, ids=(50,)))
  page.open(serve(workdir)[1])
  assert not page.find("enough").is_enabled()
  label(page, 2)
  for answer in ("dismiss", "accept"):
    page.find("enough").click()
    getattr(page.driver.switch_to.alert, answer)()
    page.ready()
    assert page.shown()[0] == {"dismiss": "start/cycle_0", "accept": "asal/cycle_1"}[answer]
  assert not page.find("enough").is_displayed()
  assert Counter(line.id is None for line in lines(workdir)) == {False: 2, True: 1}


def test_what_the_classifier_thinks_is_hidden_until_it_is_asked_for(page, serve, tmp_path):
  thought = ((0.6, 0.3, 0.1), (0.1, 0.1, 0.8))
  workdir = make_workdir(tmp_path / "run", question("asal", 1, ids=(0, 1), probabilities=thought))
  page.open(serve(workdir)[1])
  assert "60%" not in page.find("work").text
  page.find("thinks").click()
  page.ready()
  assert "The classifier thinks: cat (60%)." in page.text("notice")
  page.find("thinks").click()
  page.ready()
  assert "60%" not in page.find("work").text
  page.press("2")
  assert "The classifier thought: cat (60%)." in page.text("last")


def test_two_people_label_at_once(page, serve, tmp_path):
  workdir = make_workdir(tmp_path / "run", question(ids=range(6)), people=2)
  address = serve(workdir)[1]
  windows = {}
  for name in ("ann", "bob"):
    page.driver.switch_to.new_window("tab")
    windows[name] = page.driver.current_window_handle
    page.open(address, name)
  # All say the same but for bob's first image.
  for name in ("ann", "bob"):
    page.driver.switch_to.window(windows[name])
    page.driver.refresh()
    page.ready()
    page.press("1" if name == "ann" else "2")
    label(page, 5)
  assert page.shown() == ("start/cycle_0", 0)
  assert page.text("notice").startswith("People disagree: ann said cat, you said dog.")
  assert page.text("agreement") == "People agree on 5 of 6 images that several answered."
  page.press("1")
  page.until(lambda: "All is answered" in page.text("waiting"), "the end")
  page.driver.close()
  page.driver.switch_to.window(windows["ann"])
  page.driver.close()
  page.driver.switch_to.window(page.driver.window_handles[0])
  assert Answers(workdir, NAMES, 2).agreement() == (6, 6)


@pytest.mark.parametrize(("width", "height"), [(320, 640), (1280, 800)])
def test_nothing_overflows_or_moves(page, serve, tmp_path, width, height):
  names = (
    "cat",
    "a class of a long name",
    "Rindfleischetikettierungsüberwachungsaufgabe",
    "<img src=x onerror=x>",
  )
  long = "a/very/long/path/" * 8 + "of_a_photograph_without_any_place_to_break.jpg"
  one = question(ids=range(8))._replace(files=(*(f"{i}.jpg" for i in range(4)), *([long] * 4)))
  workdir = make_workdir(tmp_path / "run", one, names=names)
  page.size(width, height)
  address = serve(workdir)[1]
  page.open(address, "")
  assert page.overflow() == 0
  page.open(address, "N" * 40)
  places = page.places()
  for key in "1234" + LEFT + "?" + RIGHT + "12":
    page.press(key)
    assert page.overflow() == 0
    assert page.places() == places
  page.press("1", "1")
  page.until(lambda: page.text("waiting"), "the end")
  assert [
    one.text.split("\n")[-1] for one in page.run("return [...document.querySelectorAll('#classes button')]")
  ] == [*names]
  assert page.overflow() == 0
  # Without the last button, which is for a start set that is open.
  assert page.places() == places[:-1]


def test_an_image_fills_its_frame_and_the_neighbours_stand_beside_it(page, serve, tmp_path):
  page.open(serve(make_workdir(tmp_path / "run", START))[1])
  label(page, 6)
  image = page.find("image")
  assert min(image.size.values()) >= 256
  near = page.run("return [...document.querySelectorAll('#near li')]")
  page.until(
    lambda: page.run("return [...document.querySelectorAll('#near img')].every((i) => i.naturalWidth > 0)"),
    "images",
  )
  assert all(one.text in NAMES for one in near)
  assert all(one.location["x"] >= image.location["x"] + image.size["width"] for one in near)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_contrast(page, serve, tmp_path, scheme):
  thought = ((0.6, 0.3, 0.1),) * 9
  workdir = make_workdir(tmp_path / "run", question("asal", 1, ids=range(9), probabilities=thought), people=2)
  page.scheme(scheme)
  address = serve(workdir)[1]
  page.open(address, "")
  controls = page.run(chromium.CONTROLS)
  assert {one.accessible_name for one in controls} == {"Your name", "Begin"}
  page.open(address, "bob")
  page.press("1")
  page.open(address)
  page.press("2", LEFT)
  page.find("thinks").click()
  page.ready()
  assert page.text("notice").startswith("People disagree")
  controls = page.run(chromium.CONTROLS)
  assert len(controls) > 12
  assert [one.get_attribute("id") for one in controls if not one.accessible_name] == []
  assert page.find("image").accessible_name == "Image to label: 0.jpg"
  assert page.find("bar").accessible_name == "asal, cycle 1 0 of 9"
  ratios = dict(page.run(chromium.CONTRAST))
  assert len(ratios) > 12
  assert {text: ratio for text, ratio in ratios.items() if ratio < 4.5} == {}
  page.find("thinks").click()
  page.ready()
