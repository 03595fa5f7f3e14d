"""The command: asal-jax --config=configs/digits.py --workdir=runs/digits, or python -m asal_jax.main with the same."""

import contextlib
import gc
import logging
import os
import pathlib
import sys
from typing import NoReturn

import absl.logging
from absl import app, flags
from ml_collections import config_flags

from asal_jax import interrupts
from asal_jax.errors import InputError, told_of_disk

CONFIG = config_flags.DEFINE_config_file("config", None, "The benchmark, for instance configs/digits.py.")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder for metrics, summary and figures.")
CACHE = flags.DEFINE_string("cache", None, "Folder for GAN, features and index; default <workdir>/cache.")
DISTRIBUTED = flags.DEFINE_bool(
  "distributed",
  None,
  "One of several processes (jax.distributed); default: what SLURM, GKE or JAX_* variables say.",
)
DEBUG_NANS = flags.DEFINE_bool(
  "debug_nans", False, "Stop at the operation whose result is the first NaN, with a traceback; slow."
)
STAGE = flags.DEFINE_string("stage", "all", "gan | features | cycles | all: gan, features only make these.")


def fail(message: str) -> NoReturn:
  """Ends the program with one line about the user's mistake."""
  print(f"asal_jax: {message}", file=sys.stderr)
  sys.exit(2)


def parse(argv: list[str]) -> list[str]:
  """Parses the flags; what ml_collections says of a wrong config in a page becomes one line."""
  try:
    rest = flags.FLAGS(argv)
    if CONFIG.value is not None:
      CONFIG.value.to_dict()  # A file that could not be read is told only when it is used.
  except SystemExit:
    sys.exit(0)  # After --help, which absl counts as a failure.
  except (flags.Error, AttributeError, TypeError, ValueError, KeyError, OSError, SyntaxError) as error:
    lines = [line.strip() for line in str(error).replace("\\n", "\n").splitlines() if line.strip(" '\"")]
    causes = [line for line in lines if "Error: " in line or "Errno" in line or "Did you mean" in line]
    unknown = "no such config field. " if isinstance(error, AttributeError) else ""
    fail(unknown + (causes or lines)[-1].removesuffix("'" if unknown else ""))
  for flag, example in ((CONFIG, "configs/digits.py"), (WORKDIR, "runs/digits")):
    if not flag.value:
      fail(f"--{flag.name}: missing; for instance --{flag.name}={example}")
  if rest[1:]:
    fail(f"found {' '.join(rest[1:])!r} on the command line; every argument is a --flag=value")
  return rest


def main(_: list[str]) -> None:
  """Runs the job of --config; a user's mistake ends in one line and exit code 2."""
  # What imports make stays: looked through for garbage again and again, they take a quarter longer.
  gc.disable()
  from asal_jax import processes

  # A logger of our own: absl's is flooded by orbax, which logs a page of what it raises, too.
  absl.logging.set_verbosity(absl.logging.FATAL)
  try:
    if processes.wanted() if DISTRIBUTED.value is None else DISTRIBUTED.value:
      processes.start()
    with processes.together():
      work()
  except InputError as error:
    fail(str(error))


def work() -> None:
  """Runs or resumes the job; the first of several processes tells of it."""
  import jax

  from asal_jax.job import run
  from asal_jax.processes import is_writer
  from asal_jax.reporting.summary import table

  gc.freeze()
  gc.enable()
  log, handler = logging.getLogger("asal_jax"), logging.StreamHandler()
  handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
  log.addHandler(handler)
  log.setLevel(logging.INFO if is_writer() else logging.CRITICAL)
  log.propagate = False
  # Executables are kept beside what else is made once, where nobody says otherwise: the next start compiles nothing.
  if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
    compiled = pathlib.Path(CACHE.value or pathlib.Path(WORKDIR.value or "") / "cache") / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(compiled.absolute()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  try:
    # By its context: the flag alone is lost in jax 0.10 where an operation turns it off for itself.
    with jax.debug_nans(True) if DEBUG_NANS.value else contextlib.nullcontext():
      result = run(CONFIG.value, workdir=WORKDIR.value or "", cache=CACHE.value, stage=STAGE.value)
  except Exception as error:
    if told := told_of_disk(error, WORKDIR.value, CACHE.value):
      raise InputError(told) from error
    raise
  if result is not None and is_writer():
    print(table(result.summary))
    for path in sorted((result.workdir / "figures").glob("*.png")):
      print(path)


def cli() -> None:
  """The command line: `asal-jax` becomes `python -m asal_jax.main`, in its help, its imports and its workers."""
  interrupts.watch()
  command = sys.modules["__main__"]
  command.__doc__, command.__spec__ = __doc__, __spec__
  if os.getcwd() not in sys.path:
    sys.path.insert(0, os.getcwd())
  for holder in (CONFIG, WORKDIR, CACHE, DISTRIBUTED, DEBUG_NANS, STAGE):
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[holder.name])
  app.run(main, flags_parser=parse)


if __name__ == "__main__":
  cli()
