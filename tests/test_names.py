"""The grammar of strategy names, and what strategies need."""

import pytest

from asal_jax import InputError
from asal_jax.acquisition.names import feature_sets, parse_strategy


@pytest.mark.parametrize(
  ("name", "expected"),
  [
    ("random", ("random", None, 1, False)),
    ("entropy", ("entropy", None, 1, False)),
    ("asal_pixels", ("asal", "pixels", 1, False)),
    ("asal_critic_rescore20", ("asal", "critic", 20, False)),
    ("asal_autoencoder_random_latents", ("asal", "autoencoder", 1, True)),
    ("asal_critic_rescore7_random_latents", ("asal", "critic", 7, True)),
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
  ],
)
def test_misspelt_strategies_get_a_suggestion(name, meant):
  with pytest.raises(InputError, match=f"^strategies: found '{name}', did you mean '{meant}'"):
    parse_strategy(name)


@pytest.mark.parametrize(
  "name",
  ["", "asal", "asal_pixels_rescore", "asal_pixels_rescore0", "asal_pixels_rescore-1", "random_random_latents",
   "asal_pixels_random_latents_rescore20", "asal_pixels ", "supervised_rescore20"],
)  # fmt: skip
def test_names_outside_the_grammar(name):
  with pytest.raises(InputError, match=r"^strategies: found"):
    parse_strategy(name)


def test_feature_sets():
  assert feature_sets(("random", "supervised")) == ()
  assert feature_sets(("asal_critic", "asal_pixels_rescore3", "asal_critic_rescore3")) == ("pixels", "critic")
