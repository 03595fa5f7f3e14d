"""The page of a running job: served by a process of its own, which ends with the job."""

import json
import os
import pathlib
import subprocess
import sys

from asal_jax.errors import InputError

ENDING = 5.0
"""Seconds that the page has to end by itself."""


def start(workdir: pathlib.Path, port: int = 0) -> tuple[subprocess.Popen, str]:
  """Serves a workdir's page: (process, address). It ends when its stdin is closed, so when this process dies too.

  Raises InputError where it did not start; why stands on its stderr.
  """
  root = str(pathlib.Path(__file__).parents[3])
  paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
  process = subprocess.Popen(
    [sys.executable, "-m", "asal_jax.label", str(workdir), f"--port={port}", "--child"],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    env={**os.environ, "PYTHONPATH": paths},
    start_new_session=True,  # Ctrl-C is for the job.
  )
  assert process.stdout is not None
  with process.stdout as said:
    line = said.readline()
  if not line:
    stop(process)
    raise InputError(f"labeller: the page of {workdir} did not start; the line above says why")
  return process, json.loads(line)["address"]


def stop(process: subprocess.Popen) -> None:
  """Ends the page's process; an answer that it has taken is on disk."""
  if process.stdin is not None:
    process.stdin.close()
  try:
    process.wait(ENDING)
  except subprocess.TimeoutExpired:
    process.kill()
    process.wait()
