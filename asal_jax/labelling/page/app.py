"""The page's server: a Starlette application that lets in who knows its token, from this machine and page alone."""

import json
import pathlib
import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asal_jax.errors import InputError
from asal_jax.labelling import questions
from asal_jax.labelling.page import pictures
from asal_jax.labelling.page.session import Turn
from asal_jax.labelling.page.view import View

HOSTS = ["127.0.0.1", "localhost"]
"""Names by which a browser may call the page; any other is a foreign name that was bent to this machine."""

HEADERS = {
  "Content-Security-Policy": (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  ),
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cache-Control": "no-store",
}

FILES = {
  "": ("index.html", "text/html"),
  "page.js": ("page.js", "text/javascript"),
  "page.css": ("page.css", "text/css"),
  "icon.svg": ("icon.svg", "image/svg+xml"),
}
"""What is served of this folder: address, file, type."""

VANISHED = "This image is not asked about any more."

LONGEST = 40
"""Characters of a person's name."""

BODY = 10_000
"""Bytes that a request may have."""


class Guard:
  """Everything inside is for who knows the token; what comes from another page may write nothing."""

  def __init__(self, app: ASGIApp, token: str):
    self.app, self.token = app, token.encode()

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application."""

    async def guarded(message: Message) -> None:
      if message["type"] == "http.response.start":
        MutableHeaders(scope=message).update(HEADERS)
      await send(message)

    app = self.app
    if scope["type"] == "http":
      headers = Headers(scope=scope)
      known = scope["path"].split("/")[1:2]
      if not known or not secrets.compare_digest(known[0].encode(), self.token):
        app = PlainTextResponse("Not found", 404)
      elif scope["method"] == "POST" and headers.get("origin") != f"http://{headers.get('host')}":
        app = PlainTextResponse("Another page may not answer", 403)
    await app(scope, receive, guarded)


def make_app(workdir: pathlib.Path, token: str) -> ASGIApp:
  """The application that serves the questions of a workdir below `/<token>/`.

  Raises InputError where nobody was asked anything yet.
  """
  handlers = _Handlers(View(pathlib.Path(workdir)))
  routes = [
    *(Route(f"/{address}", _serve(*file)) for address, file in FILES.items()),
    Route("/state", handlers.state),
    Route("/image/{strategy}/cycle_{cycle:int}/{id}", handlers.image),
    Route("/answer", handlers.answer, methods=["POST"]),
    Route("/undo", handlers.undo, methods=["POST"]),
    Route("/enough", handlers.enough, methods=["POST"]),
  ]
  inner = Starlette(
    routes=[Mount("/{token}", routes=routes)],
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
    exception_handlers={InputError: _wrong, OSError: _broken},
    max_body_size=BODY,
  )
  return Guard(inner, token)


def _serve(name: str, kind: str):
  content = (pathlib.Path(__file__).parent / name).read_bytes()

  async def serve(_: Request) -> Response:
    return Response(content, media_type=kind)

  return serve


async def _wrong(_: Request, error: Exception) -> Response:
  return JSONResponse({"error": str(error)}, 400)


async def _broken(_: Request, error: Exception) -> Response:
  return JSONResponse({"error": f"The answer could not be kept ({error}). It is tried again."}, 503)


class _Handlers:
  """What each address does; those that know of answers run on one thread."""

  def __init__(self, view: View):
    self.view = view

  async def state(self, request: Request) -> Response:
    query = request.query_params
    back = query.get("back", "0")
    if not (back.isascii() and back.isdecimal() and len(back) < 9):
      raise InputError(f"back: found {back!r}; needed is a number")
    return JSONResponse(self.view.show(_name(query.get("who")), int(back), query.get("thinks") == "true"))

  async def answer(self, request: Request) -> Response:
    said = await _said(request)
    turn, who = self._turn(said), _name(said.get("who"))
    label, times = _field(said, "label", str), _field(said, "times", int)
    return self._next(said, self.view.session.answer(turn, who, label, times) if turn else VANISHED)

  async def undo(self, request: Request) -> Response:
    said = await _said(request)
    turn, who = self._turn(said), _name(said.get("who"))
    if turn is None:
      return self._next(said, VANISHED)
    self.view.session.undo(turn, who)
    return self._next(said, "Your answer was taken back.")

  async def enough(self, request: Request) -> Response:
    said = await _said(request)
    name, who = _field(said, "question", str), _name(said.get("who"))
    self.view.refresh()
    question = next((q for q in self.view.asked if q.name == name), None)
    return self._next(said, self.view.session.enough(question, who) if question else VANISHED)

  async def image(self, request: Request) -> Response:
    """An image that was asked for: its original as JPEG, or as the classifier sees it (`?stored`, or no original)."""
    path = request.path_params
    number = path["id"]
    if not number.removeprefix("-").isdecimal() or len(number) > 18:
      raise HTTPException(404)
    self.view.refresh()
    turn = self.view.turn(f"{path['strategy']}/cycle_{path['cycle']}", int(number))
    if turn is None:
      raise HTTPException(404)
    return await run_in_threadpool(self._picture, turn, "stored" in request.query_params)

  def _picture(self, turn: Turn, stored: bool) -> Response:
    question, row = turn.question, turn.question.ids.index(turn.id)
    data = None if stored else pictures.original(self.view.about.folder, question.files[row])
    if data is not None:
      return Response(data, media_type="image/jpeg")
    image = questions.images_of(self.view.workdir, question)[row]
    return Response(pictures.stored(image), media_type="image/png")

  def _next(self, said: dict[str, Any], note: str) -> Response:
    return JSONResponse(self.view.show(_name(said.get("who")), 0, said.get("thinks") is True, note))

  def _turn(self, said: dict[str, Any]) -> Turn | None:
    self.view.refresh()
    return self.view.turn(_field(said, "question", str), _field(said, "id", int))


async def _said(request: Request) -> dict[str, Any]:
  """The JSON object of a request; InputError where it is none."""
  try:
    said = json.loads(await request.body())
  except (ValueError, RecursionError) as error:
    raise InputError(f"request: no JSON ({error})") from error
  if not isinstance(said, dict):
    raise InputError("request: no JSON object")
  return said


def _field(said: dict[str, Any], name: str, kind: type) -> Any:
  value = said.get(name)
  if type(value) is not kind:
    raise InputError(f"{name}: found {value!r:.60}; needed is {kind.__name__}")
  return value


def _name(who: Any) -> str:
  """Whoever answers; InputError for what is no name."""
  name = who.strip() if isinstance(who, str) else ""
  if not 0 < len(name) <= LONGEST or not name.isprintable():
    raise InputError(f"who: found {who!r:.60}; needed is a name of at most {LONGEST} characters")
  return name
