"""The channel `page`: the job serves the page by a process of its own while it runs."""

import atexit
import pathlib

from asal_jax.labelling.page import child
from asal_jax.labelling.people import Channel
from asal_jax.labelling.questions import Question
from asal_jax.store.progress import log


class Page:
  """The page's process, started again where it has ended."""

  def __init__(self, workdir: pathlib.Path):
    self.workdir = workdir
    self._start()
    atexit.register(lambda: child.stop(self.process))

  def _start(self) -> None:
    self.process, self.address = child.start(self.workdir)
    log.info("labelling: open %s", self.address)

  def watch(self) -> None:
    """Starts the page again where somebody has ended it."""
    if self.process.poll() is not None:
      child.stop(self.process)
      self._start()


def make_channel(workdir: pathlib.Path) -> Channel:
  """The page writes answers itself, so there is nothing to gather; the job waits for them."""
  page = Page(workdir)

  def hint(question: Question) -> str:
    return f"labels: waiting for those of {question.strategy}, cycle {question.cycle}, at {page.address}"

  return Channel(lambda question: None, page.watch, waits=True, hint=hint)
