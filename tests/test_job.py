import collections
import json

import jax
import numpy as np
import pytest
import tiny
from PIL import Image

import asal_jax
from asal_jax import job
from asal_jax.errors import InputError
from asal_jax.pools import data
from asal_jax.pools.kinds import MappedPool
from asal_jax.store.journal import read_lines


@pytest.fixture(scope="module")
def result(tmp_path_factory):
  return asal_jax.run(tiny.config(), workdir=tmp_path_factory.mktemp("job") / "run")


def test_every_strategy_seed_and_cycle_has_its_line_with_all_fields(result):
  lines = read_lines(result.workdir / "metrics.jsonl")
  assert lines == result.records
  fields = "strategy seed cycle labels test_accuracy balanced_accuracy new_entropy calls label_counts"
  assert all(list(line) == [*fields.split(), "train_seconds", "select_seconds"] for line in lines)
  found = [(line["strategy"], line["cycle"], line["seed"]) for line in lines]
  curves = [s for s in tiny.STRATEGIES if s != "supervised"]
  wanted = [("supervised", 0, seed) for seed in (0, 1)]
  wanted += [(s, cycle, seed) for s in curves for cycle in range(4) for seed in (0, 1)]
  assert sorted(found) == sorted(wanted)
  for line in lines:
    assert sum(line["label_counts"]) == line["labels"]
    assert (line["new_entropy"] is None) == (line["cycle"] == 0)
    if line["strategy"] != "supervised":
      assert line["labels"] == 10 + 5 * line["cycle"]
    # Of two classes the test set has about as many: the two accuracies differ by little.
    assert abs(line["balanced_accuracy"] - line["test_accuracy"]) < 0.05
    asked = {"entropy": 276, "subpool": 20, "asal_autoencoder_rescore5": 25}.get(line["strategy"], 0)
    assert line["calls"] == (asked if line["cycle"] else None)


def test_selected_samples_are_distinct_and_the_label_counts_are_theirs(result):
  labels = data.load("digits", (3, 8)).pool.labels
  by_strategy = collections.defaultdict(list)
  for line in read_lines(result.workdir / "selections.jsonl"):
    by_strategy[line["strategy"]].append(np.array(line["ids"]))
  metrics = {(r["strategy"], r["seed"], r["cycle"]): r for r in result.records}
  for strategy, selections in by_strategy.items():
    ids = np.concatenate(selections, axis=1)
    for seed in (0, 1):
      assert len(set(ids[seed])) == 25
      counts = np.bincount(labels[ids[seed]], minlength=2)
      assert metrics[strategy, seed, 3]["label_counts"] == counts.tolist()


def test_strategies_of_a_seed_share_start_set_initial_weights_and_data_order(result):
  starts = [r for r in result.records if r["cycle"] == 0 and r["strategy"] != "supervised"]
  for seed in (0, 1):
    assert len({(r["test_accuracy"], *r["label_counts"]) for r in starts if r["seed"] == seed}) == 1
  first = [x["ids"] for x in read_lines(result.workdir / "selections.jsonl") if x["cycle"] == 0]
  assert all(ids == first[0] for ids in first)
  assert first[0][0] != first[0][1]


def test_summary_figures_and_config_are_written(result):
  assert json.loads((result.workdir / "summary.json").read_text()) == result.summary
  assert set(result.summary) == set(tiny.STRATEGIES)
  for name in ("accuracy", "entropy", "labels", "matches", "samples"):
    with Image.open(result.workdir / "figures" / f"{name}.png") as image:
      assert image.size[0] > 300
  written = json.loads((result.workdir / "config.json").read_text())
  assert written["config"]["gan"]["width"] == 4
  assert written["versions"]["jax"] == jax.__version__
  assert written["device"]["platform"] == jax.default_backend()


def test_every_stage_has_a_line_of_what_it_cost(result):
  lines = read_lines(result.workdir / "stages.jsonl")
  made = [f"{what} {name}" for name in ("pixels", "autoencoder", "critic") for what in ("features", "index")]
  made.insert(made.index("features autoencoder"), "autoencoder")
  # The judge and the looks that the GAN is given while it trains have lines of their own.
  looks = ["judge", *["look"] * 2]
  assert [line["stage"] for line in lines] == ["data", *looks, "gan", *made, *tiny.STRATEGIES, "report"]
  assert all(line["seconds"] > 0 for line in lines)
  cycles = [r for r in result.records if r["strategy"] == "asal_critic"]
  # Seconds in the journal are a seed's.
  spent = sum(r["train_seconds"] + (r["select_seconds"] or 0) for r in cycles)
  assert next(line["seconds"] for line in lines if line["stage"] == "asal_critic") >= spent


def test_another_workdir_with_the_same_cache_repeats_every_number(result, tmp_path):
  again = asal_jax.run(tiny.config(), workdir=tmp_path, cache=result.workdir / "cache", stage="cycles")
  assert tiny.without_seconds(again.records) == tiny.without_seconds(result.records)


def test_another_precision_trains_a_gan_of_its_own(result, tmp_path):
  config = tiny.config(precision="bfloat16")
  with pytest.raises(InputError, match="no finished gan"):
    asal_jax.run(config, workdir=tmp_path, cache=result.workdir / "cache", stage="cycles")
  other = asal_jax.run(config, workdir=tmp_path / "whole")
  assert len(other.records) == len(result.records)
  assert np.isfinite([record["test_accuracy"] for record in other.records]).all()


@pytest.mark.parametrize(("flags", "told"), [(["avx2"], True), (["avx2", "avx512_bf16"], False)])
def test_bfloat16_on_a_cpu_without_it_is_told(monkeypatch, flags, told):
  lines = []
  monkeypatch.setattr(job.machine, "describe", lambda: {"processor": "Old", "flags": flags})
  monkeypatch.setattr(job.log, "warning", lambda line, *values: lines.append(line % values))
  job.tell_precision("bfloat16")
  assert bool(lines) == told
  assert all("Old has neither AVX512-BF16 nor AMX" in line for line in lines)
  job.tell_precision("float32")
  assert len(lines) == told


def test_a_strategy_can_be_added_to_a_workdir_and_the_rest_is_kept(tmp_path):
  first = asal_jax.run(tiny.config(strategies=("random",)), workdir=tmp_path)
  both = asal_jax.run(tiny.config(strategies=("random", "entropy")), workdir=tmp_path)
  assert both.records[: len(first.records)] == first.records
  assert {r["strategy"] for r in both.records} == {"random", "entropy"}


def test_without_asal_no_gan_is_trained(tmp_path):
  asal_jax.run(tiny.config(strategies=("random",)), workdir=tmp_path)
  assert not (tmp_path / "cache").exists()
  assert not (tmp_path / "figures" / "matches.png").exists()


def test_the_supervised_reference_runs_alone(tmp_path):
  result = asal_jax.run(tiny.config(strategies=("supervised",)), workdir=tmp_path)
  assert list(result.summary) == ["supervised"]
  assert [path.name for path in (tmp_path / "figures").iterdir()] == ["accuracy.png"]


def test_stages_say_which_one_is_missing(tmp_path):
  config = tiny.config(**tiny.QUICK_GAN, **{"gan.looks": 0})
  with pytest.raises(InputError, match=r"run --stage=gan first"):
    asal_jax.run(config, workdir=tmp_path, stage="features")
  assert asal_jax.run(config, workdir=tmp_path, stage="gan") is None
  with pytest.raises(InputError, match=r"run --stage=features first"):
    asal_jax.run(config, workdir=tmp_path, stage="cycles")
  assert asal_jax.run(config, workdir=tmp_path, stage="features") is None
  assert not (tmp_path / "metrics.jsonl").exists()


def test_workdir_of_another_config_is_refused_before_any_work(tmp_path):
  asal_jax.run(tiny.config(strategies=("random",)), workdir=tmp_path)
  with pytest.raises(InputError, match=r"belongs to another config \(it differs in loop.budget, subpool\)"):
    asal_jax.run(tiny.config(**{"loop.budget": 30, "subpool": 9}), workdir=tmp_path)


@pytest.mark.parametrize(
  ("overrides", "message"),
  [
    ({"loop.budget": 2_000}, "loop.budget: found 2000; the pool has"),
    ({"loop.per_cycle": 0}, "loop.per_cycle: found 0"),
    ({"strategies": ("entropie",)}, "did you mean 'entropy'"),
    ({"data.classes": (3, 10)}, r"data.classes: found \(3, 10\); needed are distinct labels of 0..9"),
    (
      {"data.name": "mnits"},
      "data.name: found 'mnits'; allowed are digits, mnist, cifar10, celeb_a, folder, did you mean 'mnist'",
    ),
    ({"loop.budget": 24}, "use 20 or 25"),
  ],
)
def test_impossible_values_are_told_before_any_work(tmp_path, overrides, message):
  with pytest.raises(InputError, match=message):
    asal_jax.run(tiny.config(**overrides), workdir=tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_pool_smaller_than_the_named_data_set_is_told_after_loading(tmp_path):
  with pytest.raises(InputError, match=r"loop.budget: found 410; the pool has 2\d\d samples"):
    asal_jax.run(tiny.config(**{"loop.budget": 410}), workdir=tmp_path)


def test_own_arrays_run_as_named_data_do(tmp_path):
  splits = data.load("digits", (3, 8))
  config = tiny.config(strategies=("random", "entropy"), **{"data.classes": ()})
  own = asal_jax.run(config, splits, workdir=tmp_path / "own")
  named = asal_jax.run(tiny.config(strategies=("random", "entropy")), workdir=tmp_path / "named")
  assert tiny.without_seconds(own.records) == tiny.without_seconds(named.records)
  other = asal_jax.Data(splits.test.images, splits.test.labels)
  with pytest.raises(InputError, match=r"differs in data\.name"):
    asal_jax.run(config, other, workdir=tmp_path / "own")


def test_own_arrays_of_the_wrong_type_are_refused(tmp_path):
  with pytest.raises(InputError, match=r"data.images: found float64 \[4, 8, 8\]; needed is uint8"):
    asal_jax.run(tiny.config(), asal_jax.Data(np.zeros((4, 8, 8)), np.zeros(4, int)), workdir=tmp_path)


def test_labels_without_a_class_name_are_refused(tmp_path):
  part = data.load("digits", (3, 8)).pool
  splits = asal_jax.Splits(part, asal_jax.Data(part.images, part.labels + 1), ("3", "8"))
  with pytest.raises(InputError, match=r"test\.labels: found label 2; there are names for 2 classes"):
    asal_jax.run(tiny.config(**{"data.classes": ()}), splits, workdir=tmp_path)


def test_a_pool_can_be_used_up_to_the_last_sample(tmp_path):
  pool = data.load("digits", (3, 8)).pool
  small = asal_jax.Splits(asal_jax.Data(pool.images[:37], pool.labels[:37]), pool, ("3", "8"))
  strategies = ("random", "entropy", "subpool", "asal_pixels_rescore20", "asal_critic")
  overrides = {"data.classes": (), "loop.start": 2, "loop.budget": 37, "gan.looks": 0, **tiny.QUICK_GAN}
  result = asal_jax.run(tiny.config(strategies=strategies, **overrides), small, workdir=tmp_path)
  final = [r for r in result.records if r["labels"] == 37]
  assert len(final) == len(strategies) * 2
  assert len({tuple(r["label_counts"]) for r in final}) == 1


def test_a_pool_that_stays_in_its_file_gives_every_number_of_one_in_memory(tmp_path):
  splits = data.load("digits", (3, 8))
  np.save(tmp_path / "pool.npy", splits.pool.images)
  on_disk = splits.pool._replace(images=np.load(tmp_path / "pool.npy", mmap_mode="r"))
  overrides = {"data.classes": (), "gan.looks": 0, **tiny.QUICK_GAN}
  settings = {"strategies": ("entropy", "subpool", "asal_autoencoder", "asal_critic_rescore5", "supervised")}

  def run(name, images, resident_gib):
    config = tiny.config(**settings, **overrides, **{"data.resident_gib": resident_gib})
    pool = job.load(config, splits._replace(pool=images), tmp_path).pool.images
    result = asal_jax.run(config, splits._replace(pool=images), workdir=tmp_path / name)
    return isinstance(pool, MappedPool), result

  (_, array), (mapped, read) = run("array", splits.pool, 4.0), run("mapped", on_disk, 0.0)
  assert mapped
  assert tiny.without_seconds(read.records) == tiny.without_seconds(array.records)
  asked = [read_lines(result.workdir / "selections.jsonl") for result in (array, read)]
  assert tiny.without_seconds(asked[0]) == tiny.without_seconds(asked[1])
