"""What a piece of code writes, and what it unpickles, by what Python tells of it."""

import contextlib
import os
import sys

_writing = None


def _listen(event, args):
  """An audit hook, which can not be taken away again: notes what would write while `_writing` is a list."""
  if _writing is None:
    return
  writes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.utime")
  if event == "open":
    path, _, flags = args
    writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and path != "/dev/null"
  if writes or event == "pickle.find_class":
    _writing.append((event, *args))


sys.addaudithook(_listen)


@contextlib.contextmanager
def watched():
  """The list of what is written, and of what is looked up for a pickle, inside."""
  global _writing
  _writing = found = []
  try:
    yield found
  finally:
    _writing = None
