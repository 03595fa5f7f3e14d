"""experiments/speed/precision.py with its lines in a file of our own; `--tiny` is a rehearsal in less than a minute.

python -m experiments.accelerator.precision WORKDIR FILE [--tiny]
"""

import pathlib
import sys

from experiments.speed import precision


def rehearse() -> None:
  """Two GANs of four iterations and two seeds: the numbers say nothing."""
  precision.GAN_SEEDS, precision.SEEDS = range(2), (0, 1)
  precision.BATCHES, precision.SAMPLES = 2, 200
  settings = precision.settings

  def small(of: str, gan_seed: int):
    config = settings(of, gan_seed)
    config.gan.iterations, config.gan.width, config.gan.critic_width, config.loop.budget = 4, 4, 4, 60
    config.data.pool_class_fractions, config.classifier.epochs, config.synthesis.ascent_steps = (
      (0.02,) * 2,
      1,
      2,
    )
    return config

  precision.settings = small


if __name__ == "__main__":
  workdir, file = map(pathlib.Path, sys.argv[1:3])
  file.parent.mkdir(parents=True, exist_ok=True)
  if sys.argv[3:] == ["--tiny"]:
    rehearse()
  precision.main(str(workdir), file)
