"""The page as the running job's way to people."""

import urllib.request

import pytest
from asked import make_workdir, question

from asal_jax.labelling.page import child
from asal_jax.labelling.page.channel import make_channel


@pytest.fixture
def channel(tmp_path):
  channel = make_channel(make_workdir(tmp_path / "run"))
  yield channel
  child.stop(channel.gather.__self__.process)


def address(channel):
  """Where the hint sends people to."""
  return channel.hint(question()).split()[-1]


def serves(channel):
  with urllib.request.urlopen(address(channel)) as reply:
    return reply.status == 200


def test_the_job_waits_and_says_where_to_label(channel):
  assert channel.waits
  assert "start, cycle 0" in channel.hint(question())
  channel.deliver(question())
  assert serves(channel)


def test_a_page_that_was_killed_is_served_again(channel):
  before, process = address(channel), channel.gather.__self__.process
  channel.gather()
  assert address(channel) == before
  process.kill()
  process.wait()
  channel.gather()
  assert address(channel) != before
  assert serves(channel)
