"""Whatever a kill leaves, start again: the results equal an uninterrupted run's. test_kills has the kills."""

import pytest
import tiny

import asal_jax

OVERRIDES = {"gan.iterations": 200}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
  return asal_jax.run(tiny.config(**OVERRIDES), workdir=tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("cut", range(1, 90, 22))
def test_a_journal_cut_at_any_byte_is_continued_to_the_same_end(tmp_path, uninterrupted, cut):
  """What a kill can leave: both files cut anywhere, the last lines torn."""
  for name in ("metrics.jsonl", "selections.jsonl"):
    whole = (uninterrupted.workdir / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * cut // 90])
  config = tiny.config(**OVERRIDES)
  (tmp_path / "config.json").write_text((uninterrupted.workdir / "config.json").read_text())
  resumed = asal_jax.run(config, workdir=tmp_path, cache=uninterrupted.workdir / "cache")
  assert tiny.without_seconds(resumed.records) == tiny.without_seconds(uninterrupted.records)
