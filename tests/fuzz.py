"""Fuzzing: a property of many made-up files, in a quick size and in a slow one, and how many were read or refused."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asal_jax.errors import InputError

QUIET = (
  HealthCheck.too_slow,
  HealthCheck.filter_too_much,
  HealthCheck.data_too_large,
  HealthCheck.large_base_example,
)
SLOW = (pytest.mark.slow, pytest.mark.timeout(3600))


def fuzzed(quick, slow, made, fewest=0.05):
  """A test of `check(folder, value) -> bool`, whether the value was read: of `quick` values of `made`, or `slow`.

  At least a share of `fewest` must be read, and as many refused: else the values are not telling.
  """

  def decorate(check):
    @pytest.mark.parametrize("inputs", [quick, pytest.param(slow, marks=SLOW)])
    def test(inputs, tmp_path):
      counts = {True: 0, False: 0}

      # Derandomized: the same inputs each time.
      @settings(
        max_examples=inputs, derandomize=True, database=None, deadline=None, suppress_health_check=QUIET
      )
      @given(made)
      def run(value):
        counts[check(tmp_path, value)] += 1

      run()
      print(f"{check.__name__}: {sum(counts.values())} inputs, {counts[True]} read, {counts[False]} refused")
      assert min(counts.values()) >= fewest * inputs

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    return test

  return decorate


def read(call, told):
  """What `call` returns; None where it raises InputError, of one line that has the pattern `told`."""
  try:
    return call()
  except InputError as error:
    message = str(error)
    assert message.isprintable()
    assert re.search(told, message), message
    return None


@st.composite
def damaged(draw, whole):
  """Bytes with one spoilt place: cut off, a bit or byte changed, some inserted, dropped, doubled; or nothing is."""
  data = draw(whole)
  at = draw(st.integers(0, max(0, len(data) - 1)))
  kind = draw(st.sampled_from(["whole", "cut", "bit", "byte", "insert", "drop", "double", "head"]))
  if kind == "cut":
    return data[:at]
  if kind in ("bit", "byte") and data:
    value = data[at] ^ (1 << draw(st.integers(0, 7))) if kind == "bit" else draw(st.integers(0, 255))
    return data[:at] + bytes([value]) + data[at + 1 :]
  if kind == "insert":
    return data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at:]
  if kind == "drop":
    return data[:at] + data[at + draw(st.integers(1, 40)) :]
  if kind == "double":
    return data[:at] + data[max(0, at - draw(st.integers(1, 40))) :]
  if kind == "head":  # Where most formats say what they are.
    at = draw(st.integers(0, min(64, max(0, len(data) - 1))))
    return data[:at] + draw(st.binary(min_size=1, max_size=4)) + data[at + 1 :]
  return data
