"""Files of arrays for fuzzing: whole ones, and what a header can say; and what must never be run."""

import io
import struct
import warnings

import numpy as np
from hypothesis import strategies as st

RUN = "__import__('pathlib').Path('was_run').write_text('')"
"""What must never happen, as Python."""


class Runs:
  """Unpickled, it leaves a file."""

  def __reduce__(self):
    return (exec, (RUN,))


def numpy_reads(data):
  """What numpy makes of bytes as an .npy; None where it refuses them."""
  if data[:6] != b"\x93NUMPY":
    return None
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      return np.load(io.BytesIO(data), allow_pickle=False)
  except Exception:
    return None


def npy(header, body, version=1):
  """An .npy of any header."""
  text = header.encode("latin-1", "replace") + b"\n"
  return (
    b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + body
  )


def saved(array, fortran=False):
  buffer = io.BytesIO()
  np.lib.format.write_array(buffer, np.asfortranarray(array) if fortran else array, allow_pickle=True)
  return buffer.getvalue()


VALUES = st.sampled_from([0.0, 1.0, -3.5, 1e-30, 1e30, 2.0**-20, 7.25])
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 1e308, 5e-324])
DTYPES = st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<f2"])
SHAPES = st.sampled_from(
  ["(6, 3)", "(6,)", "(6, 3, 1)", "()", "(0, 3)", "(6, 0)", "(-6, -3)", "(-1, 3)", f"({10**30}, 3)", f"({2**62}, 4)",
   f"({2**40}, {2**40})", "(6, '3')", "(6.0, 3)", "(True, 18)", "[6, 3]", "(5, 3)", "6"]
)  # fmt: skip
DESCRS = st.sampled_from(
  ["'<f4'", "'>f8'", "'|O'", "'<U4'", "'|b1'", "'<c8'", "'<i8'", "'|V4'", "'bogus'", "''", "None", "3", "'<f4,<f4'",
   "[('a', '<f4')]", "[('a', '<f4', (10**9,))]", "[[]]", "'<m8[s]'", "{}", "'<f16'", "'<f9'"]
)  # fmt: skip
HEADERS = st.sampled_from(
  [RUN, f"{{'descr': {RUN}, 'fortran_order': False, 'shape': (6, 3)}}", "{[]: 1}", "{{}}", "((((((", "(" * 5000,
   "-" * 9000 + "1", "[]", "{}", "'", "\0", "{'descr': '<f4'}",
   "{'descr': '<f4', 'shape': (6L, 3L), 'fortran_order': 0}",
   "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 3)}" + " " * 20_000, "9" * 6000, "é", '"""', "#", "\\"]
)  # fmt: skip


@st.composite
def embeddings(draw):
  """An array [6, 3], mostly; else one of another shape or type, or a header that says anything."""
  kind = draw(
    st.sampled_from(["whole", "whole", "extreme", "odd", "header", "descr", "pickle", "text", "other"])
  )
  values = [[draw(VALUES) for _ in range(3)] for _ in range(6)]
  if kind == "odd":
    values[draw(st.integers(0, 5))][draw(st.integers(0, 2))] = draw(ODD)
  with np.errstate(over="ignore"):
    array = np.array(values).astype(draw(DTYPES))
  if kind == "extreme":  # Whose squares are infinite, or 0.
    array = np.array(values) % 100 * draw(st.sampled_from([1e-200, 1e-300, 1e200, 1e300]))
  if kind in ("whole", "odd", "extreme"):
    return saved(array, fortran=draw(st.booleans()))
  if kind == "header":
    return npy(draw(HEADERS), array.tobytes(), draw(st.integers(0, 4)))
  if kind == "descr":
    header = f"{{'descr': {draw(DESCRS)}, 'fortran_order': {draw(st.booleans())}, 'shape': {draw(SHAPES)}}}"
    return npy(header, array.tobytes() * 3, draw(st.integers(1, 3)))
  if kind == "pickle":
    return saved(np.array([[Runs()] * 3] * 6, object))
  if kind == "text":
    return draw(st.binary(max_size=40))
  return saved(draw(st.sampled_from([array[:5], array[0], array[..., None], array.view("u1"), array[:, :0]])))
