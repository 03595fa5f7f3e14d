"""A workdir in which people were asked, for the tests of the page, and requests to its server."""

import asyncio
import io
import json

import numpy as np
from PIL import Image

from asal_jax.labelling.page.app import make_app
from asal_jax.labelling.questions import About, Question, announce, post

NAMES = ("cat", "dog", "bird")


def question(strategy="start", cycle=0, ids=(0, 1, 2, 3), first=None, **options):
  """A question of files named by their ids."""
  files = tuple(f"{i}.jpg" for i in ids)
  return Question(strategy, cycle, tuple(ids), files, len(ids) if first is None else first, **options)


def images(ids, shape=(8, 6, 3)):
  """Images that are told apart by their brightness, as the ids are."""
  return np.stack([np.full(shape, (37 * abs(i)) % 251, np.uint8) for i in ids])


def make_workdir(folder, *questions, people=1, originals="", names=NAMES):
  """A workdir with these questions posted."""
  folder.mkdir(exist_ok=True)
  announce(folder, About("pets", names, str(originals), people))
  for one in questions:
    post(folder, one, images(one.ids))
  return folder


TOKEN = "a-token-of-a-test"
ORIGIN = "http://127.0.0.1:8000"


class Browser:
  """Requests to an ASGI application without a network: (status, headers, body)."""

  def __init__(self, workdir, token=TOKEN):
    self.app, self.token = make_app(workdir, token), token

  def ask(self, method, path, body=b"", **headers):
    path, _, query = path.partition("?")
    headers = {"host": "127.0.0.1:8000", "origin": ORIGIN if method == "POST" else ""} | headers
    scope = {
      "type": "http",
      "asgi": {"version": "3.0"},
      "http_version": "1.1",
      "method": method,
      "scheme": "http",
      "path": path,
      "raw_path": path.encode(),
      "root_path": "",
      "query_string": query.encode(),
      "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
      "client": ("127.0.0.1", 50000),
      "server": ("127.0.0.1", 8000),
    }
    sent = []

    async def receive():
      return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
      sent.append(message)

    asyncio.run(self.app(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])

  def get(self, path, **headers):
    return self.ask("GET", f"/{self.token}/{path}", **headers)

  def state(self, who="ann", **query):
    status, _, body = self.get("state?" + "&".join(f"{k}={v}" for k, v in {"who": who, **query}.items()))
    assert status == 200
    return json.loads(body)

  def post(self, path, **said):
    return self.ask("POST", f"/{self.token}/{path}", json.dumps(said).encode())

  def answer(self, label, view=None, who="ann"):
    task = (view or self.state(who))["task"]
    said = {key: task[key] for key in ("question", "id", "times")}
    status, _, body = self.post("answer", who=who, label=label, **said)
    assert status == 200
    return json.loads(body)

  def picture(self, path):
    status, headers, body = self.get(path)
    assert status == 200
    return headers["content-type"], np.asarray(Image.open(io.BytesIO(body)))
