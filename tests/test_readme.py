"""README's Python examples run as they stand."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)


def test_there_are_examples_of_the_whole_job_and_of_its_parts():
  assert len(EXAMPLES) == 2


@pytest.mark.parametrize("example", EXAMPLES, ids=["job", "parts"])
def test_example_runs(tmp_path, example):
  done = subprocess.run(
    [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{example}"],
    cwd=tmp_path, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert "random" in done.stdout or "nearest" in done.stdout
