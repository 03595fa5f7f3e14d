"""Configs, fuzzed: what a command line says is what a run has, or one line names the field."""

import ast
import contextlib
import io
import math
import re
from unittest import mock

import pytest
from absl import flags
from fuzz import fuzzed, read
from hypothesis import strategies as st
from ml_collections import ConfigDict, config_flags

from asal_jax import config as checks
from asal_jax import job, main
from configs import digits

# ml_collections loads a config by what Python 3.12 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module")


def leaves(config, section=""):
  """(field, value) of every field that is no section."""
  for name, value in config.items():
    yield from (
      leaves(value, f"{section}{name}.") if isinstance(value, ConfigDict) else [(section + name, value)]
    )


BASE = dict(leaves(digits.get_config()))
RUN = "__import__('pathlib').Path('was_run').write_text('')"
NUMBERS = (
  "0", "1", "-1", "2", "7", "100", "2147483647", "2147483648", "-2147483649", "9" * 30, "1" * 5000, "1.5", "0.25",
  "1e3", "1e400", "-1e400", "nan", "-nan", "inf", "1e-320", "1e30", "True", "None", "", " ", "0x10", "1_0", "\u0661",
  "1,5", "--1", "1 2", "abc", "\0", "'1'", "(1)", "(1,)", RUN,
)  # fmt: skip
WORDS = (
  "", "random", "entropy", "adam", "linear", "lenet5", "hinge", "kdtree", "auto", "file", "folder", "celeb_a", "usps",
  "../../etc/passwd", "\0", "x" * 5000, "a\nb", "\ud800", "\u202e", "{}", "%s", "nan", "None", RUN,
)  # fmt: skip
TUPLES = (
  "()", "(0,)", "(0,1)", "(1,0)", "0,1", "(0,0)", "(True,)", "(0.5,)", "(nan,)", "(1e400,)", "('a',)", "('a','b')",
  "(None,)", "((0,),)", "[0,1]", "[[0]]", "({},)", "{0:1}", "{}", "(" * 200, "(0", "('random',)", "('random','random')",
  "('random','entropy')", "('asal',)", "('random:3',)", "('asal_pixels_rescore0',)", f"({9 * 10**40},)",
  "(2147483648,)", "('\\ud800',)", "x", "", RUN,
)  # fmt: skip


@st.composite
def override(draw):
  """(field, text), the text of the field's type mostly."""
  field = draw(st.sampled_from([*BASE]))
  kinds = {int: NUMBERS, float: NUMBERS, bool: ("true", "false", "1", "maybe", ""), str: WORDS, tuple: TUPLES}
  same, right = st.just(str(BASE[field])), st.sampled_from(kinds[type(BASE[field])])
  others = st.sampled_from(NUMBERS + WORDS + TUPLES) | st.text(max_size=6)
  wrong = [f"{field}x", f"{field}.x", "nope", field.split(".")[0] + ".nope", field.upper()]
  return draw(st.sampled_from([field] * 15 + wrong)), draw(same | right | right | others)


def parsed(arguments):
  """The config of a command line; None where it is refused, in one line."""
  line, errors = ["asal-jax", "--config=configs/digits.py", "--workdir=w", *arguments], io.StringIO()
  of_line = flags.FlagValues()  # Those of a process of its own.
  config = config_flags.DEFINE_config_file("config", None, "", of_line)
  workdir = flags.DEFINE_string("workdir", None, "", of_line)
  try:
    with (
      mock.patch("sys.argv", line), mock.patch.object(flags, "FLAGS", of_line),
      mock.patch.multiple(main, CONFIG=config, WORKDIR=workdir), contextlib.redirect_stderr(errors),
    ):  # fmt: skip
      main.parse(line)
    return config.value
  except SystemExit as error:
    code = error.code
  assert code == 2
  assert re.fullmatch("asal_jax: .+\n", errors.getvalue()), errors.getvalue()
  return None


def meant(value, text):
  """What the text of a field says, by Python."""
  if isinstance(value, str):
    return text
  if isinstance(value, bool):
    return text.lower() in ("true", "t", "1")
  if isinstance(value, float):
    return float(text)
  if isinstance(value, int):
    return int(text, 0) if text.strip().lower().startswith("0x") else int(text)
  try:
    found = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    found = text  # A word: --config.strategies=random.
  return tuple(found) if isinstance(found, tuple | list | dict) else (found,)


def check_sane(config):
  """What must hold for a config with which a run begins."""
  for field, value in leaves(config):
    assert type(value) is type(BASE[field]), field
    for number in value if isinstance(value, tuple) else (value,):
      assert not isinstance(number, float) or math.isfinite(number), field
      assert not isinstance(number, int) or -(2**31) <= number < 2**31, field
  assert all(type(seed) is int for seed in config.seeds)
  assert len({*config.seeds}) == len(config.seeds) > 0
  assert 0 < config.loop.start <= config.loop.budget
  assert (config.loop.budget - config.loop.start) % config.loop.per_cycle == 0
  assert config.classifier.learning_rate > 0
  assert set(config.data.classes) <= {*range(10)}


def fits(overrides):
  """Whether a run would begin with these overrides, which say what they say."""
  # Few and small, so that only a classifier is traced.
  always = [] if any(field == "strategies" for field, _ in overrides) else ["--config.strategies=('random',)"]
  config = parsed([*always, *(f"--config.{field}={text}" for field, text in overrides)])
  if config is None:
    return False
  assert all(field in BASE for field, _ in overrides)
  for field, text in dict(overrides).items():
    value, wanted = checks._value(config, field), meant(BASE[field], text)
    assert value == wanted or value != value
  sections = {field.split(".")[0] for field in BASE}
  told = rf"^({'|'.join(sections)})(\.\w+)*: "
  if read(lambda: job.check(checks.settled(config), "all", known=True) or True, told) is None:
    return False
  check_sane(config)
  return True


@fuzzed(40, 1500, st.lists(override(), min_size=1, max_size=2, unique_by=lambda one: one[0]))
def test_a_config_is_what_the_command_line_says_or_the_field_is_named(folder, overrides):
  return fits(overrides)
