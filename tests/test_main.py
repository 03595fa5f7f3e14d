import os
import pathlib
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
MODULE = ("-m", "asal_jax.main")


def command(*arguments, folder=ROOT, by=MODULE):
  return subprocess.run(
    [sys.executable, *by, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
    capture_output=True, text=True, check=False,
  )  # fmt: skip


@pytest.fixture
def script(tmp_path):
  """The console command, as pip writes it."""
  scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
  module, _, function = scripts["asal-jax"].partition(":")
  path = tmp_path / "bin" / "asal-jax"
  path.parent.mkdir()
  path.write_text(
    f"import sys\nfrom {module} import {function}\nif __name__ == '__main__':\n  sys.exit({function}())\n"
  )
  return (str(path),)


TINY = (
  "--config=configs/digits.py", "--config.strategies=('random','entropy')", "--config.seeds=(0,1)",
  "--config.loop.budget=70", "--config.classifier.epochs=2",
)  # fmt: skip


def test_command_runs_and_prints_table_and_figures(tmp_path, script):
  """The console command, in a folder of one's own, where all paths begin."""
  (tmp_path / "configs").symlink_to(ROOT / "configs")
  done = command(*TINY, "--workdir=run", folder=tmp_path, by=script)
  assert done.returncode == 0, done.stderr
  assert "vs random" in done.stdout
  assert "run/figures/accuracy.png" in done.stdout.splitlines()
  assert (tmp_path / "run" / "figures" / "accuracy.png").exists()
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


def test_both_commands_show_the_same_help(script):
  shown = [command("--help", by=by) for by in (MODULE, script)]
  assert [done.returncode for done in shown] == [0, 0]
  module, console = (done.stdout.splitlines() for done in shown)
  [header] = [line for line in console if line not in module]
  assert header == f"{script[0]}:"
  for flag in ("--config:", "--workdir:", "--cache:", "--[no]distributed:", "--stage:"):
    assert any(line.strip().startswith(flag) for line in console)


def test_both_commands_import_a_config_s_modules_from_the_current_folder(tmp_path, script):
  (tmp_path / "mine.py").write_text("BUDGET = 9991\n")
  (tmp_path / "settings").mkdir()
  (tmp_path / "settings" / "own.py").write_text(
    "from configs import digits\nimport mine\n"
    "def get_config():\n  config = digits.get_config()\n  config.loop.budget = mine.BUDGET\n  return config\n"
  )
  for by in (MODULE, script):
    done = command("--config=settings/own.py", "--workdir=run", folder=tmp_path, by=by)
    assert "loop.budget: found 9991" in done.stderr
    assert done.returncode == 2


def test_the_console_command_may_start_worker_processes(script):
  code = f"import runpy; runpy.run_path({script[0]!r}, run_name='__main__')"
  told = (
    "from asal_jax import main; main.app.run = lambda *_, **__: print(__import__('__main__').__spec__.name)"
  )
  done = command("--help", by=("-c", f"{told}; {code}"))
  assert done.stdout == "asal_jax.main\n", done.stderr


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
