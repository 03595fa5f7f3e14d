"""Names of files, classes and people that come from elsewhere: shown and written as they are, never obeyed."""

import html.parser
import json
import pathlib
import re

import numpy as np
import pytest
from asked import TOKEN, Browser, images, make_workdir, question
from hypothesis import given, settings
from hypothesis import strategies as st
from studio import EXPORT, open_channel
from studio import make_workdir as studio_workdir

from asal_jax.errors import InputError
from asal_jax.labelling.answers import Answer, Answers, now
from asal_jax.labelling.page import pictures
from asal_jax.pools.known import known_labels, name_classes
from asal_jax.reporting import handover_page, plots
from asal_jax.reporting.facts import Cycle, Labelling
from asal_jax.reporting.handover_page import Page
from asal_jax.reporting.markup import Shown

NASTY = (
  "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='alert(1)", "</pre></style><base href=//x>",
  "<!--", "]]>", "&lt;b&gt;", "${title}", "$title", "javascript:alert(1)", "{{7*7}}", "\u202egnp.exe", "%s%n", "\\",
)  # fmt: skip
FORMULAS = (
  "=1+1",
  "+1",
  "-1",
  "@SUM(A1)",
  "=HYPERLINK(\"x\",'y')",
  "=cmd|' /C calc'!A0",
  '"=1"',
  "a,b;c\td",
  " =1",
)
TEXT = st.sampled_from(NASTY + FORMULAS) | st.text(
  st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9
)
OURS = {
  "html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "h3", "p", "ul", "li", "b",
  "i", "div", "table", "thead", "tbody", "tr", "th", "td", "img", "span", "details", "summary", "pre", "dl", "dt", "dd",
}  # fmt: skip


class Parsed(html.parser.HTMLParser):
  def __init__(self, text):
    super().__init__()
    self.tags, self.said = [], []
    self.feed(text)
    self.close()

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_data(self, data):
    self.said.append(data)

  def handle_comment(self, data):
    raise AssertionError(f"a comment: {data}")


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(TEXT, min_size=8, max_size=8, unique=True))
def test_the_report_shows_every_name_and_has_no_tag_but_its_own(names):
  title, a, b, who, strategy, file, what, command = names
  shown = [Shown(np.zeros((8, 8, 1), np.uint8), file, (what,))]
  cycles = [Cycle(one, 1, 10, None, None, None) for one in (strategy, "random")]
  labelling, steps = Labelling((3, 4), 0, 0, 0, {who: 7}, 0, 0, 0), [(what, command)]
  page = Page(
    title, (a, b), 10, None, labelling, cycles, (5, 5), shown, what, shown, steps, {command: title}
  )  # fmt: skip
  parsed = Parsed(handover_page.write(page))
  assert {tag for tag, _ in parsed.tags} <= OURS
  assert not any(
    key.startswith("on") or key in ("href", "srcset", "action") for _, of in parsed.tags for key in of
  )
  assert all(of["src"].startswith("data:image/") for _, of in parsed.tags if "src" in of)
  assert {*names} <= {*parsed.said}
  assert file in [of.get("alt") for _, of in parsed.tags]


def test_the_page_s_script_writes_text_and_no_markup():
  script = (pathlib.Path(pictures.__file__).parent / "page.js").read_text(encoding="utf-8")
  assert "textContent" in script
  markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
  assert not re.search(markup, script)


@pytest.mark.parametrize("name", NASTY + FORMULAS)
def test_the_page_is_told_names_as_they_are(tmp_path, name):
  asked = question()._replace(files=(name, "b", "c", "d"))
  browser = Browser(make_workdir(tmp_path / "run", asked, names=(name, "other")))
  seen = browser.state()
  assert seen["classes"][0]["name"] == name
  assert seen["task"]["file"] in asked.files
  assert browser.answer(name)["last"]["label"] == name
  status, headers, _ = browser.get("state?who=ann")
  assert (status, headers["content-type"]) == (200, "application/json")


def test_a_request_that_is_nested_deeply_is_refused(tmp_path):
  browser = Browser(make_workdir(tmp_path / "run", question()))
  assert browser.ask("POST", f"/{TOKEN}/answer", b"[" * 9_999)[0] == 400


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(TEXT.map(str.strip).filter(bool), min_size=6, max_size=6, unique_by=str.casefold))
def test_labels_csv_is_read_as_it_was_written(tmp_path_factory, names):
  """Formulas too: the file is for programs, which must find the names in it."""
  folder = tmp_path_factory.mktemp("run")
  classes, files, who = tuple(names[:3]), [f"{name}.png" for name in names[3:]], names[0]
  try:
    name_classes(",".join(classes), ())
  except InputError:
    return  # A comma, or a word that stands for no class.
  answers = Answers(folder, classes)
  answers.add(*(Answer(i, file, classes[i], who, now(), "random", 1) for i, file in enumerate(files)))
  answers.write_csv(folder / "labels.csv")
  assert known_labels(files, classes, folder / "labels.csv").labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["\x1b[2J", "a\rb", "a\u2028b", "a\nb", "a\0b", "\x07"])
def test_class_names_that_order_a_terminal_about_are_refused(name):
  with pytest.raises(InputError, match=r"^data.class_names: .*each on one line") as error:
    name_classes("", (f"{name}/1.png", "cat/2.png"))
  assert str(error.value).isprintable()


PATHS = (
  "../../etc/passwd", "/etc/passwd", "..\\..\\a.png", "a/../../b.png", "file:///etc/passwd", "~/a.png", "./../a.png",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_out_of_the_folder_is_no_file_of_a_sheet(tmp_path, path):
  (tmp_path / "labels.csv").write_text(f"file,label\n{path},cat\n")
  with pytest.raises(InputError, match="line 2 has the unknown file"):
    known_labels(["a.png", "b.png"], ("cat", "dog"), tmp_path / "labels.csv")


@pytest.mark.parametrize("path", PATHS)
def test_files_that_a_question_names_outside_are_not_shown(tmp_path, path):
  """Whoever wrote the question: what the classifier saw is shown instead."""
  photos = tmp_path / "photos"
  photos.mkdir()
  asked = question()._replace(files=(path,) * 4)
  browser = Browser(make_workdir(tmp_path / "run", asked, originals=photos))
  kind, pixels = browser.picture("image/start/cycle_0/1")
  assert kind == "image/png"
  assert pixels[0, 0].tolist() == images([1])[0, 0, 0].tolist()


def test_an_export_can_not_say_which_file_it_is_about(tmp_path):
  studio_workdir(tmp_path)
  folder = tmp_path / "labels" / "label_studio"
  folder.mkdir()
  tasks = json.loads(json.dumps(EXPORT))
  for task in tasks:
    task["data"] |= {"file": "../../etc/passwd", "image": "/data/local-files/?d=etc/passwd"}
  (folder / "export.json").write_text(json.dumps(tasks))
  channel, answers = open_channel(tmp_path)
  channel.gather()
  assert {answer.file for answer in answers.lines} <= {f"{i}.jpg" for i in range(20)}
  assert answers.lines


@pytest.mark.parametrize("name", ["$\\frac{$", "_hidden", *NASTY])
def test_figures_show_class_names_as_they_are(tmp_path, figures, name):
  line = {"strategy": "random", "seed": 0, "test_accuracy": 0.5}
  lines = [{**line, "cycle": c, "labels": 10 * c, "label_counts": [5 * c, 5 * c]} for c in (1, 2)]
  plots.labels(lines, None, (name, "other"), tmp_path / "labels.png", name)
  [legend] = figures[0].legends
  assert [text.get_text() for text in legend.get_texts()] == [name, "other"]
