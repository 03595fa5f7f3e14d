"""The classifier: fit from scratch, accuracy, scores of real images; seeds are a vmapped axis.

Every function has one shape a run whatever the growing label count, so each compiles once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Int32, Key, UInt8
from ml_collections import ConfigDict

from asal_jax import devices
from asal_jax.networks import pure, training
from asal_jax.networks.classifiers import CLASSIFIERS
from asal_jax.pools.blocks import map_blocks
from asal_jax.rng import stream
from asal_jax.types import Classifier, Params, PixelRange, Score, decode, rescale


def cross_entropy(logits: Float[Array, "n k"], labels: Int32[Array, " n"]) -> Float[Array, " n"]:
  """Cross-entropy in nats; a sigmoid for k = 1, else a softmax."""
  if logits.shape[-1] == 1:
    return optax.sigmoid_binary_cross_entropy(logits[:, 0], labels.astype(logits.dtype))
  return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def hinge(logits: Float[Array, "n 1"], labels: Int32[Array, " n"]) -> Float[Array, " n"]:
  """Hinge loss max(0, 1 - y f) of a two-class model, y = -1 for label 0 and 1 for label 1."""
  return jnp.maximum(0, 1 - (2 * labels - 1) * logits[:, 0])


LOSSES = {"cross_entropy": cross_entropy, "hinge": hinge}
OPTIMIZERS = ("adam", "sgd")

LARGEST = 2.0**24
"""Of a logit: float32 tells larger ones no longer one apart, so that every probability is one of rounding."""


def make_classifier(
  config: ConfigDict, image_shape: tuple[int, int, int], classes: int, pixel_range: PixelRange
) -> Classifier:
  """The classifier of `config.classifier` for images of `image_shape` (h, w, c): one logit for two classes.

  It takes images in `pixel_range`, that of the data; its network sees them in `config.pixel_range`, where one is given.
  """
  network = CLASSIFIERS[config.network](1 if classes == 2 else classes)
  evaluate, hidden, with_dropout = pure(network), pure(network, "hidden"), training(network)
  own = tuple(config.pixel_range) or pixel_range
  seen = lambda images: rescale(images, pixel_range, own)  # noqa: E731
  return Classifier(
    init=lambda key: network.init(key, jnp.zeros((1, *image_shape))),
    logits=lambda params, images: evaluate(params, seen(images)),
    training_logits=lambda params, images, key: with_dropout(params, seen(images), key)[0],
    loss=LOSSES[config.loss],
    hidden=lambda params, images: hidden(params, seen(images)),
  )


def make_optimizer(config: ConfigDict) -> optax.GradientTransformation:
  """Adam, or SGD with momentum 0.9; weight decay, where there is any, adds to the gradient as in L2 regularisation."""
  if config.optimizer == "adam":
    optimizer = optax.adam(config.learning_rate)
  else:
    optimizer = optax.sgd(config.learning_rate, momentum=0.9)
  return (
    optax.chain(optax.add_decayed_weights(config.weight_decay), optimizer)
    if config.weight_decay
    else optimizer
  )


def make_rate(config: ConfigDict):
  """Epoch -> factor of the learning rate: a tenth from each of `decay_epochs` on."""
  steps = tuple(config.decay_epochs)
  return lambda epoch: jnp.prod(jnp.where(epoch >= jnp.array(steps), 0.1, 1.0)) if steps else 1.0


class Scorer(NamedTuple):
  """A score of real images for all seeds at once, jitted; `s` is the number of seeds.

  block(params [s ...], images u8[n h w c]) -> f32[s n], of many images, in little memory;
  images(params, images of each seed u8[s m h w c]) -> f32[s m], of few.
  """

  block: Callable[..., Float[Array, "s n"]]
  images: Callable[..., Float[Array, "s m"]]


def shuffle(key: Key[Array, ""], capacity: int, count: Int[Array, ""]) -> Int32[Array, " capacity"]:
  """The rows 0..capacity-1, of which those below `count` come first in random order.

  A row is one word, random bits above its number: XLA sorts single words six times faster than pairs. Up to 512 rows
  have 23 random bits, those of `jax.random.uniform`, each doubling one less; equal ones keep their order.
  """
  bits = (capacity - 1).bit_length()
  rows = jnp.arange(capacity, dtype=jnp.uint32)
  draws = (jax.random.uniform(key, (capacity,)) * 2**23).astype(jnp.uint32) >> max(0, bits - 9)
  last = (1 << (32 - bits)) - 1
  words = (jnp.where(rows < count, draws, jnp.uint32(last)) << bits) | rows
  return (lax.sort(words) & jnp.uint32((1 << bits) - 1)).astype(jnp.int32)


class FitState(NamedTuple):
  """Where a fit stands: parameters and the optimiser's state."""

  params: Params
  optimizer: Any


class Slices(NamedTuple):
  """A fit from fresh weights in slices of epochs.

  begin(key, cycle) -> FitState; epochs(state, key, cycle, images u8[c h w c], labels i32[c], count, start, stop) ->
  FitState: the epochs start..stop-1, shuffled passes over the first `count` rows of a buffer.
  """

  begin: Callable[..., FitState]
  epochs: Callable[..., FitState]


def _of_one_seed(classifier: Classifier, config: ConfigDict, pixel_range: PixelRange) -> Slices:
  """The number of steps is a loop bound, the last batch of an epoch is masked: a growing set never recompiles.

  Rows of label -1 (rejected by the oracle) count for nothing.
  """
  optimizer, rate = make_optimizer(config), make_rate(config)
  size = config.batch_size

  def loss(params, images, labels, mask, key):
    losses = classifier.loss(classifier.training_logits(params, images, key), jnp.maximum(labels, 0))
    mask &= labels >= 0
    return jnp.sum(losses * mask) / jnp.maximum(jnp.sum(mask), 1)

  def begin(key: Key[Array, ""], cycle: Int[Array, ""]) -> FitState:
    params = classifier.init(stream(key, "weights", cycle))
    return FitState(params, optimizer.init(params))

  def epochs(
    state: FitState,
    key: Key[Array, ""],
    cycle: Int[Array, ""],
    images: UInt8[Array, "capacity h w c"],
    labels: Int32[Array, " capacity"],
    count: Int[Array, ""],
    start: Int[Array, ""] | int,
    stop: Int[Array, ""] | int,
  ) -> FitState:
    capacity = labels.shape[0]

    def epoch(e, state):
      order = shuffle(stream(key, "batches", cycle, e), capacity, count)

      def step(s, state):
        params, optimizer_state = state
        at = s * size + jnp.arange(size)
        rows = order[jnp.minimum(at, capacity - 1)]
        batch = decode(images[rows], pixel_range)
        dropout = stream(key, "dropout", cycle, e, s)
        gradient = jax.grad(loss)(params, batch, labels[rows], at < count, dropout)
        update, optimizer_state = optimizer.update(gradient, optimizer_state, params)
        update = jax.tree.map(lambda u: rate(e) * u, update)
        return FitState(optax.apply_updates(params, update), optimizer_state)

      return lax.fori_loop(0, -(-count // size), step, state)

    return lax.fori_loop(start, stop, epoch, state)

  return Slices(begin, epochs)


def make_fit(classifier: Classifier, config: ConfigDict, pixel_range: PixelRange, shared: bool = False):
  """Jitted (keys [s], cycle, images u8[s c h w c], labels i32[s c], count) -> params [s ...].

  Training from fresh weights on the first `count` rows of a buffer: `epochs` shuffled passes. With `shared` the
  images are u8[c h w c], the same for all seeds.
  """
  begin, epochs = _of_one_seed(classifier, config, pixel_range)

  def fit(key, cycle, images, labels, count) -> Params:
    return epochs(begin(key, cycle), key, cycle, images, labels, count, 0, config.epochs).params

  axes = (0, None, None if shared else 0, 0, None)
  return devices.jit(devices.over_devices(jax.vmap(fit, axes), axes))


def make_slices(
  classifier: Classifier, config: ConfigDict, pixel_range: PixelRange, shared: bool = False
) -> Slices:
  """The same in slices, jitted, all seeds at once: after `config.epochs` the parameters are those of `make_fit`.

  A long fit can so be kept in between, or looked at: the same bits wherever it is cut, and one executable for slices of
  any length. To `make_fit` they are equal to rounding, as XLA may lay out weights otherwise that come as an argument.
  """
  begin, epochs = _of_one_seed(classifier, config, pixel_range)
  axes = (0, 0, None, None if shared else 0, 0, None, None, None)
  return Slices(
    devices.jit(devices.over_devices(jax.vmap(begin, (0, None)), (0, None))),
    devices.jit(devices.over_devices(jax.vmap(epochs, axes), axes)),
  )


def make_scorer(classifier: Classifier, score: Score, pixel_range: PixelRange) -> Scorer:
  """Bind a classifier and a score."""

  def informativeness(params, images):
    return score(classifier.logits(params, decode(images, pixel_range)))

  def block(params, images):
    return map_blocks(lambda block: informativeness(params, block), images)

  images = devices.over_devices(jax.vmap(informativeness), (0, 0))
  return Scorer(devices.jit(jax.vmap(block, (0, None))), devices.jit(images))


def make_predict(classifier: Classifier, score: Score, pixel_range: PixelRange):
  """Jitted (params [s ...], images of each seed u8[s m h w c]) -> (scores f32[s m], most probable classes i32[s m])."""

  def predict(params, images):
    logits = classifier.logits(params, decode(images, pixel_range))
    return score(logits), predicted(logits)

  return devices.jit(devices.over_devices(jax.vmap(predict), (0, 0)))


def make_embed(classifier: Classifier, pixel_range: PixelRange):
  """Jitted (params [s ...], images of each seed u8[s m h w c]) -> (`probabilities` f32[s m k], hidden f32[s m d])."""

  def embed(params, images):
    images = decode(images, pixel_range)
    return probabilities(classifier.logits(params, images)), classifier.hidden(params, images)

  return devices.jit(devices.over_devices(jax.vmap(embed), (0, 0)))


def probabilities(logits: Float[Array, "n k"]) -> Float[Array, "n classes"]:
  """The softmax over the classes; of one logit the sigmoid's two, that of class 0 first."""
  if logits.shape[-1] == 1:
    logits = jnp.concatenate([jnp.zeros_like(logits), logits], axis=-1)
  return jax.nn.softmax(logits)


def predicted(logits: Float[Array, "n k"]) -> Int32[Array, " n"]:
  """The most probable class."""
  return (logits[:, 0] > 0).astype(jnp.int32) if logits.shape[-1] == 1 else jnp.argmax(logits, axis=-1)


class Accuracy(NamedTuple):
  """Of each seed: the share predicted rightly of all images, and of each class, on average over the classes.

  `largest` is the size of the largest logit, NaN where one is none: by it a fit that has diverged is told.
  """

  overall: Float[Array, " s"]
  balanced: Float[Array, " s"]
  largest: Float[Array, " s"]


def make_accuracy(classifier: Classifier, pixel_range: PixelRange, classes: int):
  """Jitted (params [s ...], images u8[n h w c], labels i32[n]) -> Accuracy; classes without an image count nowhere."""

  def accuracy(params, images, labels):
    def predict(block):
      logits = classifier.logits(params, decode(block, pixel_range))
      return predicted(logits), jnp.max(jnp.abs(logits), axis=1)

    found, largest = map_blocks(predict, images)
    right = found == labels
    of_class = labels[:, None] == jnp.arange(classes)[None]
    sizes = of_class.sum(axis=0)
    recall = jnp.where(of_class, right[:, None], False).sum(axis=0) / jnp.maximum(sizes, 1)
    return Accuracy(jnp.mean(right), recall.sum() / jnp.sum(sizes > 0), jnp.max(largest))

  return devices.jit(jax.vmap(accuracy, (0, None, None)))
