"""Each impossible value of a config is told with its field; `test_configs` checks the configs that ship."""

import pytest

from asal_jax import InputError
from asal_jax.config import (
  validate,
  validate_classes,
  validate_for_data,
  validate_sources,
)
from configs import base


def changed(field, value):
  """The base config with one field set."""
  config = base.get_config()
  with config.unlocked(), config.ignore_type():
    section = config
    for part in field.split(".")[:-1]:
      section = section[part]
    section[field.split(".")[-1]] = value
  return config


@pytest.mark.parametrize(
  ("field", "value"),
  [
    ("subpool", 0),
    ("seeds", ()),
    ("seeds", (1, 2, 1)),
    ("seeds", (2**31,)),
    ("seeds", (-1, 0)),
    ("seeds", (0.5,)),
    ("seeds", (True,)),
    ("gan.seed", -1),
    ("gan.seed", 2**31),
    ("autoencoder.seed", 2**64),
    ("index.seed", -1),
    ("index.seed", 2**32),
    ("walk.asal", 1.1),
    ("strategies", ()),
    ("strategies", ("random", "random")),
    ("strategies", ("rondom",)),
    ("score", "entrop"),
    ("precision", "float16"),
    ("labeller", "files"),
    ("data.store", "record"),
    ("data.pixel_range", (1.0, 0.0)),
    ("data.pixel_range", (0.0, 0.0)),
    ("data.pixel_range", (0.0,)),
    ("classifier.pixel_range", (1.0, -1.0)),
    ("classifier.pixel_range", (0.5,)),
    ("classifier.network", "lenet"),
    ("classifier.loss", "mse"),
    ("classifier.epochs", 0),
    ("classifier.batch_size", -1),
    ("classifier.learning_rate", 0.0),
    ("classifier.learning_rate", float("nan")),
    ("classifier.optimizer", "sdg"),
    ("classifier.weight_decay", -1e-3),
    ("judge.network", "lenet"),
    ("judge.optimizer", "sdg"),
    ("judge.epochs", 0),
    ("judge.weight_decay", -1e-3),
    ("judge.decay_epochs", (0,)),
    ("judge.confidence", -0.1),
    ("judge.confidence", 1.1),
    ("loop.start", 0),
    ("loop.per_cycle", 0),
    ("loop.budget", 40),
    ("loop.budget", 505),
    ("gan.network", "resnet"),
    ("gan.loss", "wgan"),
    ("gan.loss", "wgan_ct"),
    ("gan.batch_norm", "critic"),
    ("gan.width", 0),
    ("gan.critic_width", 0),
    ("gan.latent_dim", 0),
    ("gan.iterations", 0),
    ("gan.batch_size", 0),
    ("gan.generator_batch_size", 0),
    ("gan.critic_steps", 0),
    ("gan.learning_rate", -1e-4),
    ("gan.penalty", -1.0),
    ("gan.consistency", -1.0),
    ("classifier.decay_epochs", (0,)),
    ("classifier.decay_epochs", (1.5,)),
    ("gan.margin", -0.1),
    ("gan.beta1", -0.1),
    ("gan.beta2", 1.0),
    ("gan.looks", -1),
    ("gan.checkpoint_every", 0),
    ("autoencoder.network", "mnist"),
    ("autoencoder.code_channels", 0),
    ("autoencoder.epochs", 0),
    ("autoencoder.iterations", -1),
    ("autoencoder.batch_size", 0),
    ("autoencoder.learning_rate", 0.0),
    ("autoencoder.checkpoint_every", 0),
    ("features.dimensions", 0),
    ("index.name", "faiss"),
    ("index.n_neighbors", 0),
    ("index.epsilon", -0.1),
    ("synthesis.ascent_steps", -1),
    ("synthesis.learning_rate", 0.0),
    ("synthesis.batch_norm", "batch"),
    ("synthesis.batch", -1),
    ("synthesis.batch", 4),
  ],
)
def test_impossible_values_are_named(field, value):
  with pytest.raises(InputError) as error:
    validate(changed(field, value))
  message = str(error.value)
  assert message.startswith(f"{field}: found ")
  assert repr(value) in message or field == "strategies"
  assert "\n" not in message


def test_unreachable_budget_gets_its_neighbours():
  with pytest.raises(InputError, match="not reached from 50 in steps of 10: use 500 or 510"):
    validate(changed("loop.budget", 505))


@pytest.mark.parametrize(
  ("field", "value", "classes", "pool", "shape"),
  [
    ("score", "min_distance", 10, 50_000, (28, 28, 1)),
    ("strategies", ("min_distance",), 3, 50_000, (28, 28, 1)),
    ("classifier.loss", "hinge", 10, 50_000, (28, 28, 1)),
    ("loop.budget", 500, 2, 499, (28, 28, 1)),
    ("loop.start", 50, 51, 50_000, (28, 28, 1)),
    ("classifier.network", "lenet5", 10, 50_000, (8, 8, 1)),
    ("classifier.network", "lenet_20_50_500", 10, 50_000, (28, 15, 1)),
    ("classifier.network", "all_cnn", 10, 50_000, (11, 32, 3)),
    ("classifier.network", "celeba", 10, 50_000, (7, 7, 3)),
    ("gan.network", "residual", 10, 50_000, (28, 28, 1)),
    ("autoencoder.network", "cifar", 10, 50_000, (28, 28, 1)),
    ("data.classes", (3,), 1, 50_000, (28, 28, 1)),
  ],
)
def test_what_does_not_fit_the_data_is_named(field, value, classes, pool, shape):
  config = changed("strategies", ("random",))
  with config.ignore_type():
    config.update_from_flattened_dict({field: value})
  validate(config)
  with pytest.raises(InputError, match=f"^{field}: found"):
    validate_for_data(config, classes, pool, shape)
  validate_for_data(changed("strategies", ("random",)), 2, 500, (28, 28, 1))


def test_the_judge_s_network_has_to_fit_where_a_gan_is_looked_at():
  config = changed("strategies", ("asal_pixels",))
  with pytest.raises(InputError, match=r"^judge.network: found 'lenet5'; images are \(8, 8\), needed 16x16"):
    validate_for_data(config, 2, 500, (8, 8, 1))
  validate_for_data(changed("strategies", ("random",)), 2, 500, (8, 8, 1))
  config.judge.network = "linear"
  validate_for_data(config, 2, 500, (8, 8, 1))


def test_start_set_needs_enough_of_each_class():
  config = changed("strategies", ("random",))
  validate_for_data(config, 2, 500, (28, 28, 1), [25, 475])
  with pytest.raises(
    InputError, match=r"^loop.start: found 50; it needs 25 of each class, the pool has .24, 476."
  ):
    validate_for_data(config, 2, 500, (28, 28, 1), [24, 476])


@pytest.mark.parametrize("classes", [(1, 1), (0, 10), (-1, 2)])
def test_impossible_classes(classes):
  with pytest.raises(InputError, match=r"^data.classes: found .*0\.\.9"):
    validate_classes(changed("data.classes", classes), 10)


@pytest.mark.parametrize(
  ("field", "value"),
  [
    ("data.test_set", "svhn"),
    ("data.pool_class_fractions", (0.5, 0.0)),
    ("data.pool_class_fractions", (1.1, 1.0)),
    ("data.pool_class_fractions", (0.5, float("nan"))),
  ],
)
def test_impossible_values_of_the_data_are_named(field, value):
  with pytest.raises(InputError, match=f"^{field}: found "):
    validate(changed(field, value))


def test_shares_are_one_for_each_kept_class():
  config = changed("data.pool_class_fractions", (0.1, 1))
  validate(config)
  validate_classes(config, 2)
  with pytest.raises(InputError, match=r"^data.pool_class_fractions: found .*one for each of 10 classes"):
    validate_classes(config, 10)
  config.data.classes = (5, 7)
  validate_classes(config, 10)


def test_usps_is_for_ten_digits_and_a_folder_for_celeb_a():
  usps, folder = changed("data.test_set", "usps"), changed("data.folder", "somewhere")
  validate_sources(usps, 10, (28, 28, 1), named=True)
  for classes, shape in ((2, (28, 28, 1)), (10, (32, 32, 3))):
    with pytest.raises(InputError, match=f"^data.test_set: .* {classes} classes of {shape[0]}x"):
      validate_sources(usps, classes, shape, named=False)
  with pytest.raises(InputError, match=r"^data.folder: found 'somewhere'; it stands in for celeb_a"):
    validate_sources(folder, 10, (28, 28, 1), named=True)
  validate_sources(folder, 10, (28, 28, 1), named=False)
