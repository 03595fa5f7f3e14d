"""A Label Studio server, by its documented HTTP interface: the few calls that a run needs."""

import http.client
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from asal_jax.errors import InputError

KEY = "LABEL_STUDIO_API_KEY"
"""The environment variable with the API key, which is in no config and on no disk."""

SECONDS = 60.0
"""That one call may take."""

PAGE = 200
"""Tasks in one answer of the server."""

BATCH = 50
"""Tasks in one import."""

FIELDS = "id,meta,overlap,annotations,result,completed_by,was_cancelled,created_at,updated_at"
"""What is asked of a task and its annotations: all but the image."""


NO_STUDIO = "does not answer as Label Studio does; is it the address of another page?"


class Unreachable(InputError):
  """The server does not answer, or not now."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
  """The key goes to the address that the user named, and to no other."""

  def redirect_request(self, req, fp, code, msg, headers, newurl):
    return None


def api_key() -> str:
  """The API key of the environment; InputError where there is none."""
  key = os.environ.get(KEY, "").strip()
  if not re.fullmatch(r"[!-~]+", key):
    raise InputError(
      f"{KEY}: this environment variable is {'not an API key' if key else 'not set'}; needed is a key of Label Studio, "
      "from its Account & Settings"
    )
  return key


class Server:
  """Calls to the server at `url` by someone's API key: a personal access token, or a legacy token.

  All raise InputError: `Unreachable` where the server does not answer; else what it refuses.
  """

  def __init__(self, url: str, key: str):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
      raise InputError(
        f"label_studio.url: found {url!r}; needed is an address such as http://localhost:8080, without a user or a key"
      )
    self.url, self._key, self._opener = url.rstrip("/"), key, urllib.request.build_opener(_NoRedirect)
    # Personal access tokens are JWTs, which are exchanged for a short-lived one.
    self._personal = key.count(".") == 2
    self._access = ""

  def project(self, title: str, fields: Sequence[str]) -> dict[str, Any] | None:
    """The oldest project of exactly this title: its id and `fields`."""
    query = {"title": title, "page_size": PAGE, "include": ",".join(("id", "title", *fields))}
    found, page = [], 1
    while True:
      answer = self._call("GET", "projects/", {**query, "page": page})
      if not isinstance(answer, dict) or "results" not in answer:
        raise InputError(f"label_studio.url: {self.url} {NO_STUDIO}")
      found += [project for project in answer["results"] if project["title"] == title]
      if not answer.get("next"):
        return sorted(found, key=lambda project: project["id"])[0] if found else None
      page += 1

  def make_project(self, settings: dict[str, Any]) -> dict[str, Any]:
    """A new project."""
    return self._call("POST", "projects/", body=settings)

  def change_project(self, project: int, settings: dict[str, Any]) -> None:
    """Other settings of a project."""
    self._call("PATCH", f"projects/{project}/", body=settings)

  def send(self, project: int, tasks: Sequence[dict[str, Any]]) -> None:
    """Imports tasks."""
    for start in range(0, len(tasks), BATCH):
      self._call("POST", f"projects/{project}/import", body=tasks[start : start + BATCH])

  def tasks(self, project: int) -> list[dict[str, Any]]:
    """All tasks of a project with their annotations, without images."""
    return list(self._pages(project))

  def _pages(self, project: int) -> Iterator[dict[str, Any]]:
    seen, page = 0, 1
    while True:
      query = {"project": project, "page": page, "page_size": PAGE, "fields": "all", "include": FIELDS}
      answer = self._call("GET", "tasks/", query)
      yield from answer["tasks"]
      seen, page = seen + len(answer["tasks"]), page + 1
      if not answer["tasks"] or seen >= answer["total"]:
        return

  def ask_one_more(self, task: int, people: int) -> None:
    """Has so many people in all asked about a task."""
    self._call("PATCH", f"tasks/{task}/", body={"overlap": people, "is_labeled": False})

  def people(self) -> dict[int, str]:
    """The e-mail addresses of all who are known there, by id."""
    return {person["id"]: person["email"] for person in self._call("GET", "users/")}

  def _call(self, method: str, path: str, query: dict[str, Any] | None = None, body: Any = None) -> Any:
    if not self._personal:
      return self._send(method, path, query, body, f"Token {self._key}")
    if self._access:
      try:
        return self._send(method, path, query, body, f"Bearer {self._access}")
      except _Refused:  # It lives for minutes.
        pass
    self._access = self._send("POST", "token/refresh/", None, {"refresh": self._key}, "")["access"]
    return self._send(method, path, query, body, f"Bearer {self._access}")

  def _send(self, method: str, path: str, query: dict[str, Any] | None, body: Any, authorization: str) -> Any:
    address = f"{self.url}/api/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    request = urllib.request.Request(
      address, None if body is None else json.dumps(body).encode(), headers, method=method
    )
    if authorization:
      request.add_header("Authorization", authorization)
    try:
      with self._opener.open(request, timeout=SECONDS) as answer:
        text = answer.read()
    except urllib.error.HTTPError as error:
      with error:
        raise self._refusal(error, f"{method} /api/{path}") from error
    except (OSError, http.client.HTTPException) as error:
      reason = getattr(error, "reason", error)
      raise Unreachable(
        f"label_studio.url: can not reach {self.url} ({reason}); start Label Studio there, then the same command again"
      ) from error
    try:
      return json.loads(text)
    except (ValueError, RecursionError) as error:
      raise InputError(f"label_studio.url: {self.url} {NO_STUDIO}") from error

  def _refusal(self, error: urllib.error.HTTPError, call: str) -> InputError:
    if error.code in (401, 403):
      return _Refused(
        f"{KEY}: {self.url} refuses the key ({_detail(error)}); needed is a key of its Account & Settings, of a kind "
        "that its organization allows"
      )
    if 300 <= error.code < 400:
      return InputError(
        f"label_studio.url: {self.url} sends us on to {error.headers.get('Location')}; give that address"
      )
    kind = Unreachable if error.code >= 500 or error.code == 429 else InputError
    return kind(f"label_studio.url: {self.url} answers {call} with {error.code} ({_detail(error)})")


class _Refused(InputError):
  """The key is not, or no longer, accepted."""


def _detail(error: urllib.error.HTTPError) -> str:
  """What the server says of it, in short."""
  try:
    said = json.loads(error.read())
  except (OSError, ValueError, RecursionError, http.client.HTTPException):
    return error.reason
  if isinstance(said, dict):
    said = said.get("validation_errors") or said.get("detail") or said
  return f"{said}"[:200]
