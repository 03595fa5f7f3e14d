"""Scores: logits to informativeness. One function serves the pool and the synthesis.

Logits are [n, k] with k = 1 for two classes (the probability is a sigmoid), else a softmax over k classes.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from asal_jax.models.classifier import probabilities


def entropy(logits: Float[Array, "n k"]) -> Float[Array, " n"]:
  """Entropy -sum p log p of the predicted distribution in nats (the paper's Eq. 2, whose sign it drops)."""
  if logits.shape[-1] == 1:
    logits = jnp.concatenate([logits, jnp.zeros_like(logits)], axis=-1)
  # Logits at both ends of float32 are infinitely far apart, and 0 times infinity is no number.
  log_p = jnp.maximum(jax.nn.log_softmax(logits), jnp.finfo(logits.dtype).min)
  return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)


def min_distance(logits: Float[Array, "n 1"]) -> Float[Array, " n"]:
  """-(w.x + b)^2, the negated squared decision value of a two-class linear model (Eq. 1)."""
  # Of more the square is infinite.
  return -jnp.square(jnp.clip(logits[:, 0], -1e19, 1e19))


def margin(logits: Float[Array, "n k"]) -> Float[Array, " n"]:
  """Minus the difference of the two largest probabilities.

  Source: Scheffer et al., Active Hidden Markov Models for Information Extraction, IDA 2001.
  """
  largest = lax.top_k(probabilities(logits), 2)[0]
  return largest[:, 1] - largest[:, 0]


def least_confidence(logits: Float[Array, "n k"]) -> Float[Array, " n"]:
  """1 - the largest probability.

  Source: Lewis and Gale, A Sequential Algorithm for Training Text Classifiers, SIGIR 1994.
  """
  return 1 - jnp.max(probabilities(logits), axis=-1)


SCORES = {
  "entropy": entropy,
  "min_distance": min_distance,
  "margin": margin,
  "least_confidence": least_confidence,
}
