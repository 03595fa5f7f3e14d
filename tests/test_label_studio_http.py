"""Label Studio as a channel by a server that refuses, is away, or is another page; no server of its own is needed."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from studio import CLASSES, EXPORT, make_workdir, open_channel

from asal_jax.errors import InputError
from asal_jax.labelling import label_studio, label_studio_server

KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def serve(monkeypatch):
  """Starts a server that answers (method, path) by what a function says: (status, text, headers)."""
  monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
  monkeypatch.setattr(label_studio, "PAUSE", 0.0)
  servers = []

  def start(answer):
    class Handler(BaseHTTPRequestHandler):
      def respond(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text, headers = answer(self.command, self.path)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(text.encode())}.items():
          self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

      do_GET = do_POST = do_PATCH = respond

      def log_message(self, *_):
        pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    servers.append(server)
    return f"http://127.0.0.1:{server.server_port}"

  yield start
  for server in servers:
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
  ("answer", "message"),
  [
    (
      (401, '{"detail": "Invalid token."}', {}),
      r"LABEL_STUDIO_API_KEY: http\S+ refuses the key \(Invalid token.\)",
    ),
    ((403, "", {}), "refuses the key"),
    (
      (302, "", {"Location": "https://other.example/"}),
      "sends us on to https://other.example/; give that address",
    ),
    ((200, "<html></html>", {}), "does not answer as Label Studio does"),
    ((200, "[]", {}), "does not answer as Label Studio does"),
    ((404, "", {}), r"answers GET /api/projects/ with 404 \(Not Found\)"),
    ((500, '{"detail": "out of disk"}', {}), r"with 500 \(out of disk\)"),
  ],
)
def test_what_other_servers_answer_is_told_without_the_key(tmp_path, serve, answer, message):
  test, _ = make_workdir(tmp_path)
  channel, _ = open_channel(tmp_path, serve(lambda method, path: answer))
  for call in (channel.gather, lambda: channel.deliver(test)):
    with pytest.raises(InputError, match=message) as told:
      call()
    assert KEY not in str(told.value)
    assert "label_studio.url" in str(told.value) or "LABEL_STUDIO_API_KEY" in str(told.value)


def test_a_server_that_is_not_there_is_told(tmp_path, monkeypatch):
  monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
  make_workdir(tmp_path)
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
      InputError, match=rf"label_studio.url: can not reach {url} \(.*refused.*\); start Label Studio"
    ):
      open_channel(tmp_path, url)[0].gather()


def test_a_server_may_be_away_while_people_label(tmp_path, serve, monkeypatch):
  test, _ = make_workdir(tmp_path)
  labels = {"label": {"labels": [*CLASSES, "not sure"]}}
  project = {"id": 5, "title": "pets", "parsed_label_config": labels, "maximum_annotations": 1}
  calls, away, tasks = [], [], []

  def answer(method, path):
    calls.append(f"{method} {path.partition('?')[0]}")
    if away:
      return 503, "", {}
    if path.startswith("/api/users"):
      return 200, '[{"id": 1, "email": "ann@example.org"}]', {}
    if path.startswith("/api/tasks"):
      return 200, json.dumps({"tasks": tasks, "total": len(tasks)}), {}
    return 200, json.dumps({"results": [project], "next": None} if method == "GET" else {}), {}

  channel, answers = open_channel(tmp_path, serve(answer))
  channel.deliver(test)
  assert calls.count("POST /api/projects/5/import") == 1
  assert (
    "8 of 8 images of test/cycle_0 are still to be labelled in Label Studio, project 'pets'"
    in channel.hint(test)
  )
  tasks += [{**task, "overlap": 1} for task in EXPORT[:3]]
  away.append(True)
  channel.gather()
  assert not answers.lines
  away.clear()
  channel.gather()
  channel.gather()
  assert [one.who for one in answers.lines] == ["2", "2", "2", "ann@example.org"]
  away.append(True)
  monkeypatch.setattr(label_studio, "PATIENCE", -1.0)
  with pytest.raises(label_studio_server.Unreachable, match="with 503"):
    channel.gather()


@pytest.mark.parametrize(
  "url", ["localhost:8080", "file:///etc/passwd", "http://", "http://me:secret@host", "h://x"]
)
def test_addresses_that_can_not_be_are_refused(tmp_path, monkeypatch, url):
  monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
  make_workdir(tmp_path)
  with pytest.raises(
    InputError, match=r"label_studio.url: found .*; needed is an address such as http://localhost"
  ):
    open_channel(tmp_path, url)


@pytest.mark.parametrize(
  ("key", "found"), [(None, "not set"), ("", "not set"), ("a b", "not an API key"), ("ü", "not an")]
)
def test_a_key_is_needed_where_there_is_a_server(tmp_path, monkeypatch, key, found):
  monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
  if key is not None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
  make_workdir(tmp_path)
  open_channel(tmp_path)
  with pytest.raises(InputError, match=f"LABEL_STUDIO_API_KEY: this environment variable is {found}"):
    open_channel(tmp_path, "http://localhost:8080")
