"""A run of seconds that passes every stage: digits, small nets, features, index, graph, every kind of cycle."""

from ml_collections import ConfigDict

from configs import digits

STRATEGIES = ("supervised", "random", "entropy", "asal_critic", "random_walk10", "gaal_stand_in")


def get_config(_: str = "") -> ConfigDict:
  """Digits 3 and 8, 25 labels, two seeds; ASAL by the critic's features, a walk on the auto-encoder's graph."""
  config = digits.get_config()
  config.update_from_flattened_dict({
    "name": "kills", "seeds": (0, 1), "strategies": STRATEGIES, "data.classes": (3, 8),
    "classifier.epochs": 2, "judge.network": "linear", "judge.epochs": 2, "judge.confidence": 0.6,
    "loop.start": 10, "loop.per_cycle": 5, "loop.budget": 25,
    "gan.loss": "dcgan", "gan.learning_rate": 0.01, "gan.width": 4, "gan.critic_width": 4, "gan.latent_dim": 8,
    "gan.iterations": 400, "gan.batch_size": 16, "gan.generator_batch_size": 16, "gan.checkpoint_every": 50,
    "gan.looks": 4, "autoencoder.epochs": 3, "autoencoder.checkpoint_every": 5, "features.dimensions": 10,
    "walk.features": "autoencoder", "walk.neighbours": 5, "synthesis.ascent_steps": 10,
  })  # fmt: skip
  return config
