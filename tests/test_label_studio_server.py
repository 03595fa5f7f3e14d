"""The channel against a real Label Studio, installed and started here: python -m pytest -m slow.

LABEL_STUDIO_VENV names a folder where the server stays installed; without it, it is installed anew (minutes).
"""

import http.cookiejar
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import asked
import numpy as np
import pytest
import tiny
from studio import CLASSES, make_workdir, open_channel, result

import asal_jax
from asal_jax import job
from asal_jax.errors import InputError
from asal_jax.labelling import label_studio, label_studio_server
from asal_jax.labelling.answers import NA, UNSURE
from asal_jax.labelling.questions import TEST
from asal_jax.running import asking
from asal_jax.store.journal import read_lines
from asal_jax.types import Data

pytestmark = pytest.mark.slow

VERSION = "1.23.2"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
ANN, BEA = "ann@example.org", "bea@example.org"


def install(folder):
  program = folder / "bin" / "label-studio"
  if not program.exists():
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"label-studio=={VERSION}"]
    subprocess.run(pip, check=True)
  return program


@pytest.fixture(scope="module")
def url(tmp_path_factory):
  """The address of a server with Ann as its user, who has a legacy token."""
  own = tmp_path_factory.mktemp("studio")
  program = install(pathlib.Path(os.environ.get("LABEL_STUDIO_VENV") or own / "venv"))
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  settings = {
    "LABEL_STUDIO_BASE_DATA_DIR": str(own), "LABEL_STUDIO_USERNAME": ANN, "LABEL_STUDIO_PASSWORD": "secret-of-ann",
    "LABEL_STUDIO_USER_TOKEN": TOKEN, "LATEST_VERSION_CHECK": "false", "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "",
  }  # fmt: skip
  command = [program, "start", "--no-browser", "--internal-host=127.0.0.1", f"--port={port}"]
  with (own / "log").open("wb") as log:
    server = subprocess.Popen(
      [*command, "--enable-legacy-api-token"], env=os.environ | settings, stdout=log, stderr=log,
      start_new_session=True,
    )  # fmt: skip
  try:
    wait_for(f"http://127.0.0.1:{port}/health", server, own / "log")
    yield f"http://127.0.0.1:{port}"
    # It takes in predictions that its labelling configuration does not allow, and only notes it.
    assert "Prediction validation failed" not in (own / "log").read_text()
  finally:
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_for(address, server, log, seconds=600):
  until = time.monotonic() + seconds
  while time.monotonic() < until and server.poll() is None:
    try:
      with urllib.request.urlopen(address, timeout=5):
        return
    except OSError:
      time.sleep(1)
  pytest.fail(f"Label Studio does not answer: {log.read_text()[-2000:]}")


class Person:
  """Somebody who labels, over the same interface as the page in the browser."""

  def __init__(self, url, authorization):
    self.url, self.authorization = url, authorization

  def call(self, method, path, body=None, kind="application/json"):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(self.url + path, data, method=method)
    request.add_header("Content-Type", kind)
    request.add_header("Authorization", self.authorization)
    with urllib.request.urlopen(request, timeout=120) as answer:
      return json.loads(answer.read())

  def says(self, task, choice):
    """Chooses, or skips the task where `choice` is None; the number of the annotation."""
    body = {"result": result(choice), "was_cancelled": choice is None}
    return self.call("POST", f"/api/tasks/{task['id']}/annotations/", body)["id"]

  def changes(self, annotation, choice):
    self.call("PATCH", f"/api/annotations/{annotation}/", {"result": result(choice)})

  def project(self, title):
    found = self.call("GET", f"/api/projects/?{urllib.parse.urlencode({'title': title})}")["results"]
    assert len(found) == 1
    return found[0]

  def tasks(self, title):
    """{(question, id): task} of a project; each image is there once."""
    listed = self.call("GET", f"/api/tasks/?project={self.project(title)['id']}&page_size=100&fields=all")[
      "tasks"
    ]
    found = {(task["meta"]["question"], task["meta"]["image_id"]): task for task in listed}
    assert len(found) == len(listed)
    return found


@pytest.fixture(scope="module")
def ann(url):
  return Person(url, f"Token {TOKEN}")


@pytest.fixture(scope="module")
def bea_key(url, ann):
  """The personal access token of a second person, who signs up by an invitation."""
  page = url + ann.call("GET", "/api/invite")["invite_url"]
  jar = http.cookiejar.CookieJar()
  browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
  with browser.open(page) as answer:
    hidden = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', answer.read().decode()).group(1)
  form = {"email": BEA, "password": "secret-of-bea", "csrfmiddlewaretoken": hidden}
  browser.open(urllib.request.Request(page, urllib.parse.urlencode(form).encode(), {"Referer": page})).close()
  csrf = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
  headers = {"Content-Type": "application/json", "X-CSRFToken": csrf, "Referer": url}
  with browser.open(urllib.request.Request(f"{url}/api/token/", b"{}", headers)) as answer:
    return json.loads(answer.read())["token"]


@pytest.fixture(scope="module")
def bea(url, bea_key):
  access = Person(url, "").call("POST", "/api/token/refresh/", {"refresh": bea_key})["access"]
  return Person(url, f"Bearer {access}")


@pytest.fixture(autouse=True)
def key(monkeypatch):
  monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
  monkeypatch.setattr(label_studio, "PAUSE", 0.0)


KILLED = """
import os, pathlib, sys
from ml_collections import ConfigDict
from asal_jax.labelling import label_studio, label_studio_server, questions
from asal_jax.labelling.answers import Answers
workdir, url, title = pathlib.Path(sys.argv[1]), *sys.argv[2:]
label_studio_server.BATCH = 3
call, sent = label_studio_server.Server._call, []
def dies(self, method, path, *args, **options):
  answer = call(self, method, path, *args, **options)
  if path.endswith("import"):
    sent.append(path)
    if len(sent) == 2:
      os._exit(9)
  return answer
label_studio_server.Server._call = dies
about = questions.read_about(workdir)
answers = Answers(workdir, about.class_names, about.people)
channel = label_studio.make_channel(workdir, ConfigDict({"url": url, "project": title}), about, answers)
for question in questions.posted(workdir):
  channel.deliver(question)
"""


def test_two_people_label_two_questions_and_a_kill_doubles_nothing(tmp_path, url, ann, bea):
  test, cycle = make_workdir(tmp_path, people=2)
  killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path, url, "two people"], check=False)
  assert killed.returncode == 9
  assert [key for key in ann.tasks("two people")] == [("test/cycle_0", i) for i in range(6)]

  channel, answers = open_channel(tmp_path, url, "two people")
  for question in (test, cycle, test, cycle):
    channel.deliver(question)
  tasks = ann.tasks("two people")
  assert [*tasks] == [("test/cycle_0", i) for i in range(8)] + [("random/cycle_1", i) for i in (3, 1, 4, 15)]
  assert ann.project("two people")["maximum_annotations"] == 2
  prediction = tasks["random/cycle_1", 15]["predictions"][0]
  assert prediction["score"] == 0.625
  assert prediction["result"][0]["value"] == {"choices": [CLASSES[1]]}
  assert tasks["random/cycle_1", 15]["data"]["file"] == "15.jpg"

  for i in range(8):
    for person in (ann, bea):
      person.says(tasks["test/cycle_0", i], CLASSES[i % 4])
  first = ann.says(tasks["random/cycle_1", 3], CLASSES[0])
  bea.says(tasks["random/cycle_1", 3], CLASSES[1])
  for person in (ann, bea):
    person.says(tasks["random/cycle_1", 1], None)
    person.says(tasks["random/cycle_1", 4], "not sure")
    person.says(tasks["random/cycle_1", 15], CLASSES[2])
  channel.gather()
  assert answers.done(test)
  assert answers.outcome(test) == ([*range(8)], [0, 1, 2, 3] * 2)
  given = {i: {who: one.label for who, one in answers.given(cycle, i).items()} for i in (3, 1, 4, 15)}
  agreed = {1: NA, 4: UNSURE, 15: CLASSES[2]}
  assert given == {3: {ANN: CLASSES[0], BEA: CLASSES[1]}} | {i: {ANN: x, BEA: x} for i, x in agreed.items()}
  assert answers.labels(cycle) == {3: None, 1: -1, 4: -1, 15: 2}
  assert ann.tasks("two people")["random/cycle_1", 3]["overlap"] == 3

  ann.changes(first, CLASSES[1])
  lines = len(answers.lines)
  channel.gather()
  assert len(answers.lines) == lines + 1
  assert answers.labels(cycle)[3] == 1
  # Not every class was seen: the question has grown by two.
  assert [*answers.labels(cycle)] == [3, 1, 4, 15, 9, 2]
  channel.deliver(cycle)
  tasks = ann.tasks("two people")
  assert [*tasks][-2:] == [("random/cycle_1", 9), ("random/cycle_1", 2)]
  for person in (ann, bea):
    person.says(tasks["random/cycle_1", 9], CLASSES[0])
    person.says(tasks["random/cycle_1", 2], CLASSES[3])
  channel, answers = open_channel(tmp_path, url, "two people")
  channel.deliver(cycle)
  channel.gather()
  assert answers.done(cycle)
  assert answers.outcome(cycle) == ([3, 1, 4, 15, 9, 2], [1, -1, -1, 2, 0, 3])
  text = (tmp_path / "answers.jsonl").read_text()
  channel.gather()
  open_channel(tmp_path, url, "two people")[0].gather()
  assert (tmp_path / "answers.jsonl").read_text() == text
  assert len(ann.tasks("two people")) == 14


def test_a_personal_access_token_outlives_its_access(tmp_path, url, ann, bea_key, monkeypatch):
  monkeypatch.setenv("LABEL_STUDIO_API_KEY", bea_key)
  test, _ = make_workdir(tmp_path)
  server = label_studio_server.Server(url, bea_key)
  assert server.people()[1] == ANN
  server._access = "expired"
  assert server.people()[1] == ANN
  channel, answers = open_channel(tmp_path, url)
  channel.deliver(test)
  ann.says(ann.tasks("pets")["test/cycle_0", 5], CLASSES[3])
  channel.gather()
  assert [(a.id, a.file, a.label, a.who, a.strategy) for a in answers.lines] == [
    (5, "5.jpg", CLASSES[3], ANN, TEST)
  ]
  assert "7 of 8 images of test/cycle_0" in channel.hint(test)
  assert f"{url}/projects/{ann.project('pets')['id']}" in channel.hint(test)


def test_files_are_carried_to_it_and_back(tmp_path, url, ann, bea):
  test, cycle = make_workdir(tmp_path)
  channel, answers = open_channel(tmp_path, "")
  folder = tmp_path / "labels"
  for question in (test, cycle):
    channel.deliver(question)
  layout = (folder / "label_studio.xml").read_text(encoding="utf-8")
  number = ann.call("POST", "/api/projects/", {"title": "by hand", "label_config": layout})["id"]
  for question in (test, cycle):
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="label_studio.json"\r\n\r\n'
    body = (folder / question.name / "label_studio.json").read_bytes()
    body = head.encode() + body + f"\r\n--{boundary}--\r\n".encode()
    ann.call("POST", f"/api/projects/{number}/import", body, f"multipart/form-data; boundary={boundary}")
  tasks = ann.tasks("by hand")
  for i, choice in enumerate((*CLASSES, "not sure", None)):
    bea.says(tasks["test/cycle_0", i], choice)
  exports = folder / "label_studio"
  for kind in ("JSON_MIN", "JSON"):
    export = ann.call("GET", f"/api/projects/{number}/export?exportType={kind}")
    (exports / f"{kind}.json").write_text(json.dumps(export))
    channel.gather()
    found = [answers.given(test, i) for i in range(8)]
    labels = [[one.label for one in given.values()] for given in found]
    skipped = [[NA]] if kind == "JSON" else [[]]
    assert labels == [[name] for name in CLASSES] + [[UNSURE], *skipped, [], []]
  assert len(answers.lines) == 6


def test_what_a_server_refuses_is_told(tmp_path, url, ann, monkeypatch):
  test, cycle = make_workdir(tmp_path / "one")
  ann.call("POST", "/api/projects/", {"title": "empty"})
  with pytest.raises(InputError, match=r"label_studio.project: 'empty' at .* is for the choices \(none\)"):
    open_channel(tmp_path / "one", url, "empty")[0].deliver(test)
  open_channel(tmp_path / "one", url, "one")[0].deliver(test)
  asked.make_workdir(tmp_path / "two", cycle, names=CLASSES)
  with pytest.raises(InputError, match=r"task \d+: it is of another run: image 0 of question 'test/cycle_0'"):
    open_channel(tmp_path / "two", url, "one")[0].deliver(cycle)
  asked.make_workdir(tmp_path / "three", test, names=("cat", "dog"))
  with pytest.raises(InputError, match=r"is for the choices cat, .*, not sure, not for this run's"):
    open_channel(tmp_path / "three", url, "one")[0].deliver(test)
  for wrong in ("nonsense", "a.b.c"):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", wrong)
    with pytest.raises(InputError, match=r"LABEL_STUDIO_API_KEY: .* refuses the key") as refused:
      open_channel(tmp_path / "one", url, "one")[0].gather()
    assert wrong not in str(refused.value)


def test_a_job_has_the_numbers_of_the_oracle(tmp_path, url, ann, monkeypatch):
  settings = {"strategies": ("random",), "seeds": (0,), "loop.budget": 20, "loop.start_set": "random"}
  loaded = job.load(tiny.config(**settings), None, tmp_path / "data")
  truth, names = loaded.pool.labels, loaded.class_names
  known = loaded._replace(pool=Data(np.asarray(loaded.pool.images.images), truth))
  unknown = known._replace(pool=Data(known.pool.images, np.full_like(truth, -1)))
  settings |= {"data.classes": ()}
  oracle = asal_jax.run(tiny.config(**settings), known, workdir=tmp_path / "oracle")
  labelled = []

  def make(config, workdir, about, answers):
    channel = label_studio.make_channel(workdir, config.label_studio, about, answers)

    def gather():
      for (_, i), task in ann.tasks("tiny").items():
        if not task["annotations"]:
          ann.says(task, names[truth[i]])
          labelled.append(i)
      channel.gather()

    return channel._replace(gather=gather)

  monkeypatch.setitem(asking.CHANNELS, "label_studio", make)
  config = tiny.config(**settings, labeller="label_studio", **{"label_studio.url": url})
  result = asal_jax.run(config, unknown, workdir=tmp_path / "people")
  chosen, measured = (
    [read_lines(run.workdir / name) for run in (result, oracle)]
    for name in ("selections.jsonl", "metrics.jsonl")
  )
  assert [line["ids"] for line in chosen[0]] == [line["ids"] for line in chosen[1]]
  assert sorted(labelled) == sorted(i for line in chosen[0] for i in line["ids"][0])
  assert [line["test_accuracy"] for line in measured[0]] == [line["test_accuracy"] for line in measured[1]]
