"""Scores: logits to informativeness. One function serves the pool and the synthesis.

Logits are [n, k] with k = 1 for two classes (the probability is a sigmoid), else a softmax over k classes.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def entropy(logits: Float[Array, "n k"]) -> Float[Array, " n"]:
  """Entropy -sum p log p of the predicted distribution in nats (the paper's Eq. 2, whose sign it drops)."""
  if logits.shape[-1] == 1:
    logits = jnp.concatenate([logits, jnp.zeros_like(logits)], axis=-1)
  log_p = jax.nn.log_softmax(logits)
  return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)


def min_distance(logits: Float[Array, "n 1"]) -> Float[Array, " n"]:
  """-(w.x + b)^2, the negated squared decision value of a two-class linear model (Eq. 1)."""
  return -jnp.square(logits[:, 0])


SCORES = {"entropy": entropy, "min_distance": min_distance}
