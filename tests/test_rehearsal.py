"""What does not fit the images is told from shapes alone."""

import pytest
import tiny

from asal_jax import InputError
from asal_jax.running.rehearsal import rehearse


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 20, 3), (33, 64, 1)])
def test_plain_nets_fit_any_image(shape):
  rehearse(tiny.config(), shape, 2)


@pytest.mark.parametrize(
  ("overrides", "shape", "section"),
  [
    ({"classifier.network": "lenet5"}, (4, 4, 1), "classifier"),
    ({"judge.network": "lenet5"}, (4, 4, 1), "judge"),
    ({"gan.network": "residual"}, (28, 28, 1), "gan"),
    ({"autoencoder.network": "cifar"}, (30, 30, 3), "autoencoder"),
  ],
)
def test_the_section_that_does_not_fit_is_named(overrides, shape, section):
  config = tiny.config(**overrides)
  with pytest.raises(InputError, match=rf"^{section}: its networks do not fit images of \({shape[0]}, "):
    rehearse(config, shape, 2)


def test_only_what_is_used_is_tried():
  config = tiny.config(
    **{"gan.network": "residual", "judge.network": "lenet5"}, strategies=("random", "entropy")
  )
  rehearse(config, (4, 4, 1), 2)


@pytest.mark.parametrize(
  ("field", "section"),
  [(f"gan.{name}", "gan") for name in ("width", "critic_width", "latent_dim")]
  + [("autoencoder.code_channels", "autoencoder")],
)  # fmt: skip
def test_networks_that_no_machine_holds_are_told(field, section):
  config = tiny.config(**{field: 2**31 - 1})
  with pytest.raises(InputError, match=rf"^{section}: .* GiB, the machine has [\d,]+ GiB of memory"):
    rehearse(config, (28, 28, 1), 2)
