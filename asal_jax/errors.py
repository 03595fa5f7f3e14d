"""The one error for a user's mistake, and what is told of a disk that fails; light: a misspelt field is told first."""

import os
import re

DISK = re.compile(
  "No space left|Disk quota exceeded|File too large|Read-only file system|Permission denied|Operation not permitted|"
  "Input/output error|Stale file handle|Transport endpoint is not connected|Host is down|Cannot send after transport"
)
"""What the system says where a file can not be written or read through no fault of the program."""


class InputError(ValueError):
  """A user's mistake, told in one line: which field or file, what was found, what is allowed, what to do."""

  def __str__(self) -> str:
    """What does not print, as in a file's name, is escaped: it would break the line, or order a terminal about."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())


class NotFinite(ArithmeticError):
  """Numbers that are not finite; `finite` bool[s] says of which seeds all are."""

  def __init__(self, finite):
    super().__init__("not finite")
    self.finite = finite


AGAIN = "mend that, and the same command goes on: what was on disk is whole"


def told_of_disk(error: BaseException, *folders: str | os.PathLike[str] | None) -> str | None:
  """One line about a disk that failed, by whichever library met it; None where the error is of another kind.

  A folder of the run that is gone (an unmounted file system) is told too.
  """
  gone = [folder for folder in folders if folder and not os.path.isdir(folder)]
  if gone and isinstance(error, FileNotFoundError):
    return f"{gone[0]}: is no longer there (was it unmounted?); {AGAIN}"
  found = DISK.search(str(error))
  if found is None or isinstance(error, InputError):
    return None
  where = getattr(error, "filename", None) or next(filter(None, folders), "a file")
  return f"{where}: {found[0]}; {AGAIN}"
