"""The command: python -m asal_jax.main --config=configs/digits.py --workdir=runs/digits."""

import logging
import sys

from absl import app, flags
from ml_collections import config_flags

CONFIG = config_flags.DEFINE_config_file("config", None, "The benchmark, for instance configs/digits.py.")
WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder for metrics, summary and figures; default runs/<config>."
)
CACHE = flags.DEFINE_string("cache", None, "Folder for GAN, features and index; default <workdir>/cache.")
STAGE = flags.DEFINE_string("stage", "all", "gan | features | cycles | all: gan, features only make these.")


def main(argv: list[str]) -> None:
  """Runs the job of --config; a user's mistake ends in one line and exit code 2."""
  from asal_jax.job import run
  from asal_jax.summary import table
  from asal_jax.types import InputError

  # A logger of our own: absl's is flooded by orbax.
  handler = logging.StreamHandler()
  handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
  logging.getLogger("asal_jax").addHandler(handler)
  logging.getLogger("asal_jax").setLevel(logging.INFO)
  logging.getLogger("asal_jax").propagate = False
  try:
    result = run(CONFIG.value, workdir=WORKDIR.value, cache=CACHE.value, stage=STAGE.value)
  except InputError as error:
    print(f"asal_jax: {error}", file=sys.stderr)
    sys.exit(2)
  if result is not None:
    print(table(result.summary))
    for path in sorted((result.workdir / "figures").glob("*.png")):
      print(path)


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main)
