"""Every config with every argument: what the paper sets, and a trace of its first training steps."""

import functools
import importlib
import itertools
import json
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

import configs
from asal_jax import config as checks
from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.synthesis import make_synthesis
from asal_jax.models.autoencoder import make_autoencoder
from asal_jax.models.classifier import make_classifier, make_fit
from asal_jax.models.gan import make_gan
from asal_jax.models.judge import classifier_section
from asal_jax.networks import layers
from asal_jax.pools.data import DATA_SETS, known_of
from asal_jax.rng import seed_keys

# Table 3: the GANs of a benchmark, the default first, and their iterations.
GANS = {
  "mnist_two": {"wgan_gp": 40_000, "dcgan": 40_000},
  "mnist_ten": {"wgan_gp": 100_000, "dcgan": 100_000},
  "cifar_two": {"wgan_gp": 200_000, "dcgan": 100_000, "residual_gp": 100_000, "residual_ct": 100_000},
  "cifar_ten": {"wgan_gp": 200_000, "dcgan": 200_000, "residual_gp": 100_000, "residual_ct": 100_000},
  "celeba": {"wgan_gp": 100_000},
  # Not the paper's.
  "digits": {"wgan_gp": 3_000, "dcgan": 3_000},
  "folder": {"wgan_gp": 4_000, "dcgan": 4_000},
}
SAME = {
  "usps_two": "mnist_two", "usps_ten": "mnist_ten", "celeba_hat": "celeba", "celeba_blond": "celeba",
  "celeba_bangs": "celeba",
}  # fmt: skip
GANS |= {name: GANS[other] for name, other in SAME.items()}
BOTH_SCORES = ("mnist_two", "usps_two", "cifar_two")

# Section 3: network, start and its kind, per cycle, budget, epochs, batch, optimiser, rate, decay, weight decay, seeds.
LINEAR = ("linear", 50, "balanced", 10)
CELEBA = ("celeba", 100, "stratified", 10, 2_000, 30, 50, "adam", 1e-3, (), 0.0, 3)
LOOPS = {
  "mnist_two": (*LINEAR, 500, 10, 10, "adam", 1e-3, (), 0.0, 5),
  "mnist_ten": ("lenet5", 100, "balanced", 50, 10_000, 10, 50, "adam", 1e-3, (), 0.0, 5),
  "cifar_two": (*LINEAR, 1_000, 10, 50, "adam", 1e-3, (), 0.0, 5),
  "cifar_ten": ("all_cnn", 1_000, "balanced", 1_000, 30_000, 150, 128, "sgd", 0.01, (130, 140), 1e-3, 3),
  "celeba": CELEBA,
}
LOOPS |= {name: LOOPS[other] for name, other in SAME.items()}

# Section 2: data set, original classes, images of the pool.
DATA = {
  "mnist_two": ("mnist", (5, 7)),
  "mnist_ten": ("mnist", ()),
  "cifar_two": ("cifar10", (1, 7)),
  "cifar_ten": ("cifar10", ()),
  "celeba": ("celeb_a", ()),
}
DATA |= {name: DATA[other] for name, other in SAME.items()}

# Section 4: width, critic width, batch norm, batch, generator batch, critic steps, rate, betas, decay, dequantised.
WGAN_GP = (5, 1e-4, 0.5, 0.9, False, False)
DCGAN = (1, 2e-4, 0.5, 0.999, False, False)
RESIDUAL = (128, 128, None, 64, 128, 5, 2e-4, 0.0, 0.9, True, True)
GAN_SETTINGS = {
  ("mnist", "wgan_gp"): (64, 64, "none", 50, 50, *WGAN_GP),
  ("mnist", "dcgan"): (64, 64, "both", 50, 50, *DCGAN),
  ("cifar10", "wgan_gp"): (128, 128, "generator", 64, 64, *WGAN_GP),
  ("cifar10", "dcgan"): (128, 128, "both", 64, 64, *DCGAN),
  ("cifar10", "residual_gp"): RESIDUAL,
  ("cifar10", "residual_ct"): RESIDUAL,
  ("celeb_a", "wgan_gp"): (64, 128, "generator", 64, 64, *WGAN_GP),
}

# Network, values of the code, epochs (CelebA: iterations), batch, rate.
AUTOENCODERS = {
  "mnist_two": ("plain", 64, 40, 100, 1e-3),
  "mnist_ten": ("plain", 192, 40, 100, 1e-3),
  "cifar_two": ("cifar", 256, 100, 128, 1e-3),
  "cifar_ten": ("cifar", 256, 100, 128, 1e-3),
  "celeba": ("celeba", 256, 50_000, 64, 1e-4),
}


def get(name, argument=""):
  return importlib.import_module(f"configs.{name}").get_config(argument)


def make_cases():
  for name, gans in GANS.items():
    scores = ("entropy", "min_distance") if name in BOTH_SCORES else ("entropy",)
    for gan, score, small in itertools.product(gans, scores, ("", ",small")):
      yield name, f"gan={gan},score={score}{small}"


CASES = list(make_cases())


def values(section, fields):
  return tuple(section[field] for field in fields.split())


def classes_of(config):
  return len(config.data.classes) or known_of(config).classes


def test_every_config_is_here():
  found = {module.name for module in pkgutil.iter_modules(configs.__path__)}
  assert found == {*GANS, "base", "variants"}


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_configs_are_valid(name, argument):
  config = get(name, argument)
  checks.validate(config)
  checks.validate_choice(config, "data.name", DATA_SETS)
  data = known_of(config)
  checks.validate_classes(config, data.classes)
  checks.validate_sources(config, data.classes, data.image_shape, named=True)
  checks.validate_for_data(config, classes_of(config), data.pool or config.loop.budget, data.image_shape)
  with pytest.raises(AttributeError):
    config.misspelt = 1


@pytest.mark.parametrize("name", LOOPS)
def test_cycles_and_classifiers_of_the_paper(name):
  config = get(name)
  found = config.classifier.network, *values(config.loop, "start start_set per_cycle budget")
  rest = "epochs batch_size optimizer learning_rate decay_epochs weight_decay"
  assert (*found, *values(config.classifier, rest), len(config.seeds)) == LOOPS[name]
  assert values(config.data, "name classes") == DATA[name]
  assert config.data.test_set == ("usps" if name.startswith("usps") else "own")
  low = 0.0 if DATA[name][0] == "mnist" else -1.0
  assert config.data.pixel_range == (low, 1.0)
  assert config.classifier.pixel_range == ((-1.0, 1.0) if name == "usps_two" else ())
  assert values(config.synthesis, "ascent_steps learning_rate batch_norm") == (100, 0.01, "frozen")
  assert config.synthesis.batch == (100 if name == "cifar_ten" else 0)
  assert config.features.dimensions == 50
  assert config.classifier.loss == "cross_entropy"
  assert config.labeller == "pool"


def test_attributes_of_celeba():
  attributes = {name: get(f"celeba_{name}").data.attribute for name in ("hat", "blond", "bangs")}
  assert attributes == {"hat": "Wearing_Hat", "blond": "Blond_Hair", "bangs": "Bangs"}


@pytest.mark.parametrize(("name", "gan"), [(name, gan) for name in LOOPS for gan in GANS[name]])
def test_gans_of_the_paper(name, gan):
  config = get(name, f"gan={gan}").gan
  assert config.iterations == GANS[name][gan]
  assert values(config, "latent_dim penalty margin") == (128, 10.0, 0.0)
  assert config.loss == {"dcgan": "dcgan", "residual_ct": "wgan_ct"}.get(gan, "wgan_gp")
  assert config.network == ("residual" if gan.startswith("residual") else "plain")
  batches = "batch_size generator_batch_size critic_steps learning_rate beta1 beta2 decay dequantise"
  width, critic_width, batch_norm, *rest = GAN_SETTINGS[DATA[name][0], gan]
  assert values(config, "width critic_width") == (width, critic_width)
  assert values(config, batches) == tuple(rest)
  # The residual generator always has it, its critic never.
  assert batch_norm in (None, config.batch_norm)


def test_judges_are_better_than_the_learner():
  """As good a network as the data have, trained as the paper trains it where it does, and LeNet in its place here."""
  for name in LOOPS:
    paper, small = get(name), get(name, "small")
    data = DATA[name][0]
    networks = {
      "mnist": ("lenet5", "lenet5"),
      "cifar10": ("all_cnn", "lenet5"),
      "celeb_a": ("celeba", "celeba"),
    }
    assert (paper.judge.network, small.judge.network) == networks[data]
    assert paper.judge.confidence == 0.9
    if name.startswith("cifar"):
      learner = get("cifar_ten").classifier
      assert {**learner.to_dict(), **paper.judge.to_dict()} == {**learner.to_dict(), "confidence": 0.9}


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_autoencoders_of_the_paper(name):
  config = get(name)
  network, code, *rest = AUTOENCODERS[name]
  assert config.autoencoder.network == network
  # 4x4 maps.
  assert 16 * config.autoencoder.code_channels == code
  section = config.autoencoder
  assert (section.iterations or section.epochs, *values(section, "batch_size learning_rate")) == tuple(rest)
  assert (section.iterations > 0) == (name == "celeba")


@pytest.mark.parametrize("name", ["usps_two", "usps_ten"])
def test_usps_shares_what_is_made_for_mnist(name):
  for argument in ("", "gan=dcgan,small"):
    usps, mnist = get(name, argument), get(SAME[name], argument)
    assert (usps.gan, usps.autoencoder, usps.data.classes) == (
      mnist.gan,
      mnist.autoencoder,
      mnist.data.classes,
    )


def test_minimum_distance_comes_with_hinge_loss():
  for name in BOTH_SCORES:
    for score, loss in (("entropy", "cross_entropy"), ("min_distance", "hinge")):
      config = get(name, f"score={score}")
      assert (config.score, config.classifier.loss) == (score, loss)


@pytest.mark.parametrize("name", [name for name in GANS if name not in ("digits", "folder")])
def test_small_is_smaller(name):
  for gan in GANS[name]:
    paper, small = (get(name, f"gan={gan}{word}") for word in ("", ",small"))
    for field in ("width", "critic_width", "iterations"):
      assert small.gan[field] < paper.gan[field]
    assert small.gan.loss == paper.gan.loss
    assert small.loop.budget <= paper.loop.budget


@pytest.mark.parametrize("name", GANS)
def test_arguments(name):
  first, *_, last = [*GANS[name], *GANS[name]]
  assert get(name).to_dict() == get(name, f"score=entropy,gan={first}").to_dict()
  assert get(name, f"small,gan={last}").to_dict() == get(name, f"gan={last},small").to_dict()
  titles = [get(name, argument).name for n, argument in CASES if n == name]
  assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
  ("name", "word", "allowed"),
  [
    ("mnist_two", "smal", "small, gan=wgan_gp|dcgan, score=entropy|min_distance"),
    ("mnist_two", "small=1", "small, gan=wgan_gp|dcgan, score=entropy|min_distance"),
    ("cifar_two", "score=margin", "score=entropy|min_distance"),
    ("cifar_ten", "gan=wgan", "gan=wgan_gp|dcgan|residual_gp|residual_ct"),
    ("cifar_ten", "gan", "gan=wgan_gp|dcgan|residual_gp|residual_ct"),
    ("cifar_ten", "gan=", "gan=wgan_gp|dcgan|residual_gp|residual_ct"),
    ("mnist_ten", "gan=residual_gp", "gan=wgan_gp|dcgan"),
    # For two classes.
    ("mnist_ten", "score=min_distance", "score=entropy"),
    ("usps_ten", "score=min_distance", "score=entropy"),
    ("celeba_hat", "gan=dcgan", "gan=wgan_gp"),
    ("digits", "dcgan", "gan=wgan_gp|dcgan"),
    ("digits", " small", "small, gan=wgan_gp|dcgan"),
  ],
)
def test_impossible_arguments_are_named(name, word, allowed):
  for argument in (word, f"small,{word}"):
    with pytest.raises(ValueError, match="config argument: ") as error:
      get(name, argument)
    assert f"found {word!r}; allowed are " in str(error.value)
    assert allowed in str(error.value)


@pytest.mark.parametrize(("argument", "word"), [("gan=dcgan,gan=wgan_gp", "gan"), ("small,small", "small")])
def test_an_argument_given_twice_is_named(argument, word):
  with pytest.raises(ValueError, match=f"found '{word}' twice"):
    get("mnist_two", argument)


def cached(function):
  """The function of ConfigDicts and hashable arguments, called once for equal ones."""
  once = functools.cache(lambda texts, *rest: function(*(ConfigDict(json.loads(t)) for t in texts), *rest))

  @functools.wraps(function)
  def call(*arguments):
    sections = [a for a in arguments if isinstance(a, ConfigDict)]
    return once(tuple(s.to_json() for s in sections), *arguments[len(sections) :])

  return call


def described(tree):
  return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), tree)


def shaped(*shape, dtype="float32"):
  return jax.ShapeDtypeStruct(shape, dtype)


@cached
def trace_gan(section, shape, pixel_range):
  """One iteration: the state keeps its shapes and types, or every second call would compile again."""
  gan, key = make_gan(section, shape, pixel_range), jax.random.key(0)
  state = jax.eval_shape(gan.init, key)
  ids = jax.eval_shape(lambda key: gan.batch_ids(key, 1_000), key)
  assert ids.shape == (section.critic_steps, section.batch_size)
  after, metrics = jax.eval_shape(gan.step, state, key, shaped(*ids.shape, *shape, dtype="uint8"))
  assert described(after) == described(state)
  assert all((m.shape, m.dtype) == ((), jnp.float32) for m in metrics.values())
  assert "critic_loss" in metrics
  assert "generator_loss" in metrics
  for generate in (gan.generate, gan.generate_by_batch):
    images = jax.eval_shape(generate, state.generator, shaped(3, 128))
    assert (images.shape, images.dtype) == ((3, *shape), jnp.float32)
  assert len(jax.eval_shape(gan.critic_features, state.critic, shaped(3, *shape)).shape) == 2
  return gan, state.generator


@cached
def trace_autoencoder(section, shape, pixel_range):
  autoencoder, key = make_autoencoder(section, shape, pixel_range), jax.random.key(0)
  state = jax.eval_shape(autoencoder.init, key)
  ids = jax.eval_shape(lambda key: autoencoder.batch_ids(key, 1_000), key)
  after, metrics = jax.eval_shape(autoencoder.step, state, key, shaped(*ids.shape, *shape, dtype="uint8"))
  assert described(after) == described(state)
  assert set(metrics) == {"loss"}
  code = jax.eval_shape(autoencoder.encode, state.variables, shaped(3, *shape)).shape
  # The smallest map is 4x4, of 8x8 images 2x2.
  assert code == (3, (4 if shape[0] == 8 else 16) * section.code_channels)


@cached
def trace_classifier(section, shape, pixel_range, classes, seeds):
  """A whole fit; returns the classifier and its parameters, of all seeds."""
  classifier, keys = make_classifier(section, shape, classes, pixel_range), seed_keys(seeds)
  params = jax.eval_shape(
    make_fit(classifier, section, pixel_range), keys, np.int32(0), 
    shaped(len(seeds), 60, *shape, dtype="uint8"), shaped(len(seeds), 60, dtype="int32"), np.int32(60),
  )  # fmt: skip
  assert described(params) == described(jax.eval_shape(jax.vmap(classifier.init), keys))
  return classifier, params


@cached
def trace_synthesis(gan, classifier, synthesis, shape, pixel_range, classes, seeds, score, batch):
  made, generator = trace_gan(gan, shape, pixel_range)
  model, params = trace_classifier(classifier, shape, pixel_range, classes, seeds)
  if synthesis.batch_norm == "reference":
    made = made._replace(generate=made.generate_by_batch)
  ascend = make_synthesis(synthesis, made, model, SCORES[score], batch)
  latents = jax.eval_shape(ascend, seed_keys(seeds), np.int32(0), generator, params)
  assert (latents.shape, latents.dtype) == ((len(seeds), batch, 128), jnp.float32)


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_first_steps_can_be_traced(name, argument, monkeypatch):
  # XLA's convolutions are one operation each; `test_layers` holds the others to them.
  monkeypatch.setattr(layers, "_native", lambda: True)
  config = get(name, argument)
  shape, pixel_range = known_of(config).image_shape, tuple(config.data.pixel_range)
  # How long a GAN trains changes none of its shapes, so that variants share a trace.
  config.gan.update({"iterations": 1, "looks": 1})
  classes, seeds = classes_of(config), tuple(config.seeds)
  trace_gan(config.gan, shape, pixel_range)
  trace_autoencoder(config.autoencoder, shape, pixel_range)
  trace_classifier(config.classifier, shape, pixel_range, classes, seeds)
  trace_classifier(classifier_section(config), shape, pixel_range, classes, (0,))
  for batch_norm in ("frozen",) if argument.endswith("small") else ("frozen", "reference"):
    config.synthesis.batch_norm = batch_norm
    trace_synthesis(
      config.gan, config.classifier, config.synthesis,
      shape, pixel_range, classes, seeds, config.score, config.loop.per_cycle,
    )  # fmt: skip
