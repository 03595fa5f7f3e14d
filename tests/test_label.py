"""The command of the page: what it prints, how it ends, what it never loads."""

import http.client
import signal
import socket
import subprocess
import sys
import urllib.parse

import pytest
from asked import make_workdir, question

from asal_jax.errors import InputError
from asal_jax.label import main
from asal_jax.labelling.page import child

SOON = 30
"""Seconds that a process may take to end on a busy machine."""


@pytest.fixture
def workdir(tmp_path):
  return make_workdir(tmp_path / "run", question())


def status(address):
  """Of the page at an address."""
  where = urllib.parse.urlsplit(address)
  connection = http.client.HTTPConnection(where.hostname, where.port, timeout=SOON)
  try:
    connection.request("GET", where.path)
    return connection.getresponse().status
  finally:
    connection.close()


@pytest.fixture
def taken():
  """A port on which somebody listens."""
  with socket.create_server(("127.0.0.1", 0)) as door:
    yield door.getsockname()[1]


def test_the_page_does_not_load_jax_or_flax():
  code = "import sys, uvicorn, asal_jax.label, asal_jax.labelling.page.app; print({'jax', 'flax'} & set(sys.modules))"
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert done.stdout == "set()\n"


@pytest.mark.parametrize(
  ("flags", "told"),
  [([], "workdir"), (["none"], "none"), (["none", "--port=x"], "port"), (["a", "--b"], "--b")],
)
def test_a_mistake_is_one_line_and_code_2(capsys, flags, told):
  with pytest.raises(SystemExit) as stopped:
    main(flags)
  error = capsys.readouterr().err
  assert stopped.value.code == 2
  assert error.startswith("asal_jax: ")
  assert error.count("\n") == 1
  assert told in error


@pytest.mark.parametrize("port", [None, 70_000])
def test_a_port_that_can_not_be_had_is_told(capsys, workdir, taken, port):
  with pytest.raises(SystemExit) as stopped:
    main([str(workdir), f"--port={port or taken}"])
  assert stopped.value.code == 2
  assert capsys.readouterr().err.startswith(f"asal_jax: --port: can not serve on {port or taken}")


def test_the_command_prints_an_address_that_works_and_ends_by_ctrl_c(workdir):
  command = [sys.executable, "-m", "asal_jax.label", str(workdir), "--name=ann bell"]
  with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
    line = process.stdout.readline()
    assert line.startswith("label at http://127.0.0.1:")
    assert line.endswith("/#name=ann%20bell\n")
    assert "answers.jsonl" in process.stdout.readline()
    assert status(line.removeprefix("label at ").strip()) == 200
    process.send_signal(signal.SIGINT)
    process.wait(SOON)
    assert process.stderr.read() == ""


def test_a_job_starts_the_page_and_ends_it(workdir):
  process, address = child.start(workdir)
  assert status(address) == 200
  assert status(address.replace(urllib.parse.urlsplit(address).path, "/wrong/")) == 404
  child.stop(process)
  assert process.returncode == 0
  with pytest.raises(OSError, match="refused"):
    status(address)


def test_every_start_has_a_token_of_its_own(workdir):
  pages = [child.start(workdir) for _ in range(2)]
  tokens = {urllib.parse.urlsplit(address).path for _, address in pages}
  assert len(tokens) == 2
  assert min(map(len, tokens)) > 40
  for process, _ in pages:
    child.stop(process)


def test_the_page_ends_when_the_job_is_killed(workdir):
  code = (
    "import os, pathlib, signal; from asal_jax.labelling.page import child; "
    f"child.start(pathlib.Path({str(workdir)!r})); os.kill(os.getpid(), signal.SIGKILL)"
  )
  # Its output ends when the last process that may write there has ended: the page.
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=SOON)
  assert (done.returncode, done.stderr) == (-signal.SIGKILL, b"")


def test_a_page_that_can_not_start_is_told(tmp_path, capfd):
  with pytest.raises(InputError, match="did not start"):
    child.start(tmp_path)
  assert capfd.readouterr().err.startswith("asal_jax: labels: can not read")
