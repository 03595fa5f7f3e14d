import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def command(*arguments, folder=ROOT):
  return subprocess.run(
    [sys.executable, "-m", "asal_jax.main", *arguments],
    cwd=folder,
    capture_output=True,
    text=True,
    check=False,
  )


TINY = (
  "--config=configs/digits.py", "--config.strategies=('random','entropy')", "--config.seeds=(0,1)",
  "--config.loop.budget=70", "--config.classifier.epochs=2",
)  # fmt: skip


def test_command_runs_and_prints_table_and_figures(tmp_path):
  done = command(*TINY, f"--workdir={tmp_path}/run")
  assert done.returncode == 0, done.stderr
  assert "vs random" in done.stdout
  assert f"{tmp_path}/run/figures/accuracy.png" in done.stdout
  # Standard error is no terminal here: log lines, no bar.
  assert "\r" not in done.stderr
  assert "entropy 3/3" in done.stderr


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (
      ("--config=configs/digits.py", "--config.loop.budget=9990"),
      "loop.budget: found 9990; the pool has 1437",
    ),
    (("--config=configs/digits.py", "--config.loop.per_cycle=0"), "loop.per_cycle: found 0"),
    (("--config=configs/digits.py", "--config.strategies=('asal_pixel',)"), "did you mean 'asal_pixels'"),
    (("--config=configs/mnist_two.py", "--config.data.classes=(5,12)"), "data.classes: found (5, 12)"),
    (("--config=configs/digits.py", "--stage=gna"), "--stage: found 'gna'; allowed are gan"),
    (("--config=configs/digits.py", "--config.gan.iteratoins=5"), "iteratoins"),
    (("--config=configs/digit.py",), "configs/digit.py"),
    (
      ("--config=configs/mnist_two.py:smal",),
      "found 'smal'; allowed are small, gan=wgan_gp|dcgan, score=entropy|min_distance",
    ),
  ],
)
def test_mistakes_get_one_clear_line(tmp_path, arguments, message):
  done = command(*arguments, f"--workdir={tmp_path}/run")
  assert done.returncode != 0
  assert message in done.stderr
  assert "Traceback" not in done.stderr
  assert len(done.stderr.strip().splitlines()) <= 2
  assert not (tmp_path / "run").exists()


def test_help_and_config_errors_load_nothing_heavy():
  code = (
    "import sys; import asal_jax.main; "
    "heavy = {'jax', 'tensorflow_datasets', 'pynndescent', 'matplotlib', 'sklearn', 'orbax'} & set(sys.modules); "
    "assert not heavy, heavy; import asal_jax.job; "
    "heavy = {'tensorflow_datasets', 'pynndescent', 'matplotlib', 'sklearn', 'scipy', 'orbax', 'grain', 'tqdm'} "
    "& set(sys.modules); "
    "assert not heavy, heavy"
  )
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
