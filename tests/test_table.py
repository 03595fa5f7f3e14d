"""The grammar of strategy names, and what strategies need."""

import pathlib

import pytest

from asal_jax import InputError
from asal_jax.acquisition.table import TABLE, Entry, needs, parse_strategy
from configs.base import get_config


@pytest.mark.parametrize(
  ("name", "expected"),
  [
    ("random", ("random", None, None, None, False)),
    ("entropy", ("entropy", None, None, None, False)),
    ("subpool", ("subpool", None, None, None, False)),
    ("subpool1000", ("subpool", 1000, None, None, False)),
    ("margin", ("margin", None, None, None, False)),
    ("badge", ("badge", None, None, None, False)),
    ("cluster_margin500", ("cluster_margin", 500, None, None, False)),
    ("coreset_pool", ("coreset_pool", None, None, None, False)),
    ("coreset500", ("coreset", 500, None, None, False)),
    ("asal_pixels", ("asal_pixels", None, None, None, False)),
    ("asal_critic_rescore20", ("asal_critic", None, 20, None, False)),
    ("asal_autoencoder_random_latents", ("asal_autoencoder", None, None, None, True)),
    ("asal_critic_rescore7_random_latents", ("asal_critic", None, 7, None, True)),
    ("asal_critic_walk200", ("asal_critic", None, None, 200, False)),
    ("asal_critic_walk200_random_latents", ("asal_critic", None, None, 200, True)),
    ("random_walk50", ("random", None, None, 50, False)),
    ("labelled_walk50", ("labelled", None, None, 50, False)),
    ("balanced_walk50", ("balanced", None, None, 50, False)),
    ("balanced_asal_walk50", ("balanced_asal", None, None, 50, False)),
  ],
)
def test_strategy_names(name, expected):
  assert parse_strategy(name) == expected


@pytest.mark.parametrize(
  ("name", "meant"),
  [
    ("entrpy", "entropy"),
    ("asal_pixel", "asal_pixels"),
    ("Random", "random"),
    ("asal-critic", "asal_critic"),
    ("seal", "seals"),
    ("bagde200", "badge"),
    ("core_set", "coreset"),
  ],
)
def test_misspelt_strategies_get_a_suggestion(name, meant):
  with pytest.raises(InputError, match=f"^strategies: found '{name}', did you mean '{meant}'"):
    parse_strategy(name)


@pytest.mark.parametrize(
  "name",
  ["", "asal", "asal_pixels_rescore", "asal_pixels_rescore0", "asal_pixels_rescore-1", "random_random_latents",
   "asal_pixels_random_latents_rescore20", "asal_pixels ", "supervised_rescore20", "labelled", "mixed", "balanced",
   "random_walk", "random_walk0", "entropy_walk50", "seals_walk50", "entropy200", "subpool0", "subpool_200",
   "asal_critic_rescore20_walk50", "random_rescore20", "subpool200_walk50", "margin200", "badge200_walk50",
   "coreset_200"],
)  # fmt: skip
def test_names_outside_the_grammar(name):
  with pytest.raises(InputError, match=r"^strategies: found"):
    parse_strategy(name)


@pytest.mark.parametrize(
  ("strategies", "graphs_of", "needed"),
  [
    (("random", "supervised", "subpool", "entropy"), "pixels", (False, (), ())),
    (("badge", "cluster_margin20", "density20", "margin", "coreset20"), "autoencoder", (False, (), ())),
    (("coreset20", "coreset_pool"), "autoencoder", (False, ("autoencoder",), ())),
    (("anchoral20",), "pixels", (False, ("pixels",), ())),
    (("coreset_pool",), "critic", (True, ("critic",), ())),
    (
      ("asal_critic", "asal_pixels_rescore3", "asal_critic_rescore3"),
      "pixels",
      (True, ("pixels", "critic"), ()),
    ),
    (("gaal_people",), "pixels", (True, (), ())),
    (("random", "random_walk20", "seals"), "pixels", (False, (), ("pixels",))),
    (("labelled_walk20",), "critic", (True, (), ("critic",))),
    (("asal_autoencoder_walk20",), "pixels", (True, ("autoencoder",), ("autoencoder",))),
    (("mixed_walk20",), "pixels", (True, ("pixels",), ("pixels",))),
    (("balanced_asal_walk20",), "pixels", (True, ("pixels",), ("pixels",))),
    (("balanced_walk20",), "autoencoder", (False, ("autoencoder",), ("autoencoder",))),
  ],
)
def test_needs(strategies, graphs_of, needed):
  config = get_config()
  config.strategies, config.walk.features = strategies, graphs_of
  found = needs(config)
  assert found == needed
  assert found.autoencoder == ("autoencoder" in (*needed[1], *needed[2]))


def test_every_strategy_is_in_the_readme():
  text = (pathlib.Path(__file__).parent.parent / "README.md").read_text()
  table = text[text.index("| name | asks for |") :].split("\n\n")[0]
  missing = [name for name in TABLE if f"`{name}" not in table]
  assert not missing


def test_a_strategy_of_one_s_own_is_an_entry_more(monkeypatch):
  with pytest.raises(InputError, match="found 'own2_strategy'"):
    parse_strategy("own2_strategy")
  monkeypatch.setitem(TABLE, "own2_strategy", Entry("one's own", lambda *_: None, modifiers=("size",)))
  assert parse_strategy("own2_strategy") == ("own2_strategy", None, None, None, False)
  assert parse_strategy("own2_strategy50") == ("own2_strategy", 50, None, None, False)
  config = get_config()
  config.strategies = ("own2_strategy",)
  assert needs(config) == (False, (), ())
