"""The command that serves the page of a workdir: python -m asal_jax.label runs/pets."""

import argparse
import contextlib
import json
import pathlib
import secrets
import socket
import sys
import threading
import urllib.parse
from collections.abc import Sequence
from typing import NoReturn

from asal_jax.errors import InputError


class Parser(argparse.ArgumentParser):
  """A parser that tells a mistake in one line."""

  def error(self, message: str) -> NoReturn:
    """Ends the program with one line about the user's mistake."""
    self.exit(2, f"asal_jax: {message}\n")


def make_parser() -> Parser:
  """The command line."""
  parser = Parser(
    prog="python -m asal_jax.label",
    description="Serves the page on which people label the images of a workdir.",
  )
  parser.add_argument("workdir", type=pathlib.Path, help="folder of the run")
  parser.add_argument("--port", type=int, default=0, help="of the page on 127.0.0.1; default: any free one")
  parser.add_argument(
    "--name", default="", help="of the person who opens the printed address; else the page asks"
  )
  # For the job, whose child this is then: an address as JSON, the end when the job's end of stdin closes.
  parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
  return parser


def listen(port: int) -> socket.socket:
  """A socket of this machine alone; InputError where the port is taken."""
  found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
  found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  try:
    found.bind(("127.0.0.1", port))
    found.listen()  # Before the address is told: who calls at once waits.
  except (OSError, OverflowError) as error:
    found.close()
    raise InputError(f"--port: can not serve on {port} ({error}); leave it out for any free one") from error
  return found


def main(argv: Sequence[str] | None = None) -> None:
  """Serves until it is stopped; a user's mistake ends in one line and exit code 2."""
  parser = make_parser()
  args = parser.parse_args(argv)
  # Imported here: a mistyped flag is told before anything loads.
  import uvicorn

  from asal_jax.labelling.page.app import make_app

  token = secrets.token_urlsafe(32)
  try:
    app = make_app(args.workdir, token)
    door = listen(args.port)
  except InputError as error:
    parser.error(str(error))
  settings = uvicorn.Config(
    app, log_level="warning", server_header=False, ws="none", lifespan="off", timeout_graceful_shutdown=1
  )
  server = uvicorn.Server(settings)
  name = f"#name={urllib.parse.quote(args.name)}" if args.name else ""
  address = f"http://127.0.0.1:{door.getsockname()[1]}/{token}/{name}"
  if args.child:
    print(json.dumps({"address": address}), flush=True)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
  else:
    answers = args.workdir / "answers.jsonl"
    print(f"label at {address}\nanswers go to {answers}; Ctrl-C ends the page, nothing is lost", flush=True)
  with contextlib.suppress(KeyboardInterrupt):
    server.run(sockets=[door])


def _end_with_parent(server) -> None:
  """Ends the server when the process that started it closes its end of stdin, or dies."""
  sys.stdin.buffer.read()
  server.should_exit = True


if __name__ == "__main__":
  main()
