"""The command: python -m asal_jax.main --config=configs/digits.py --workdir=runs/digits."""

import gc
import logging
import pathlib
import sys
from typing import NoReturn

import absl.logging
from absl import app, flags
from ml_collections import config_flags

from asal_jax.errors import InputError

CONFIG = config_flags.DEFINE_config_file("config", None, "The benchmark, for instance configs/digits.py.")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder for metrics, summary and figures.")
CACHE = flags.DEFINE_string("cache", None, "Folder for GAN, features and index; default <workdir>/cache.")
DISTRIBUTED = flags.DEFINE_bool(
  "distributed",
  None,
  "One of several processes (jax.distributed); default: what SLURM, GKE or JAX_* variables say.",
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
  except (flags.Error, AttributeError, TypeError, ValueError, KeyError, OSError) as error:
    lines = [line.strip() for line in str(error).replace("\\n", "\n").splitlines() if line.strip(" '\"")]
    causes = [line for line in lines if "Error: " in line or "Errno" in line or "Did you mean" in line]
    unknown = "no such config field. " if isinstance(error, AttributeError) else ""
    fail(unknown + (causes or lines)[-1].removesuffix("'" if unknown else ""))
  if rest[1:]:
    fail(f"found {' '.join(rest[1:])!r} on the command line; every argument is a --flag=value")
  return rest


def main(_: list[str]) -> None:
  """Runs the job of --config; a user's mistake ends in one line and exit code 2."""
  # What imports make stays: looked through for garbage again and again, they take a quarter longer.
  gc.disable()
  from asal_jax import processes

  # A logger of our own: absl's is flooded by orbax.
  absl.logging.set_verbosity(absl.logging.ERROR)
  try:
    if processes.wanted() if DISTRIBUTED.value is None else DISTRIBUTED.value:
      processes.start()
      # Of a process that is lost orbax shows a page where `together` says a line.
      absl.logging.set_verbosity(absl.logging.FATAL)
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
  # Executables are kept beside what else is made once: the next start compiles nothing.
  compiled = pathlib.Path(CACHE.value or pathlib.Path(WORKDIR.value or "") / "cache") / "compiled"
  jax.config.update("jax_compilation_cache_dir", str(compiled.absolute()))
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  result = run(CONFIG.value, workdir=WORKDIR.value or "", cache=CACHE.value, stage=STAGE.value)
  if result is not None and is_writer():
    print(table(result.summary))
    for path in sorted((result.workdir / "figures").glob("*.png")):
      print(path)


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main, flags_parser=parse)
