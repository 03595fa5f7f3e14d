"""A whole job in seconds: embedded digits, nets of width 4, a few iterations."""

from configs import digits

SECONDS = ("train_seconds", "select_seconds")
STRATEGIES = (
  "supervised",
  "random",
  "entropy",
  "subpool",
  "asal_pixels",
  "asal_autoencoder_rescore5",
  "asal_critic",
)

QUICK_GAN = {"gan.loss": "dcgan", "gan.learning_rate": 0.01}
"""Less to compile without a penalty on gradients, and at this rate 60 iterations make samples of both classes."""

QUICK_JUDGE = {"judge.batch_size": 10, "judge.learning_rate": 3e-3}
"""A linear judge that has learned something in two epochs."""


def config(**overrides):
  c = digits.get_config()
  settings = {
    "name": "tiny",
    "seeds": (0, 1),
    "strategies": STRATEGIES,
    "subpool": 20,
    "data.classes": (3, 8),
    "classifier.epochs": 2,
    "judge.network": "linear",
    "judge.epochs": 2,
    "loop.start": 10,
    "loop.per_cycle": 5,
    "loop.budget": 25,
    "gan.width": 4,
    "gan.critic_width": 4,
    "gan.latent_dim": 8,
    "gan.iterations": 60,
    "gan.batch_size": 16,
    "gan.generator_batch_size": 16,
    "gan.checkpoint_every": 20,
    "gan.looks": 2,
    "autoencoder.epochs": 2,
    "autoencoder.checkpoint_every": 5,
    "features.dimensions": 10,
    "synthesis.ascent_steps": 10,
  }
  c.update_from_flattened_dict(settings | overrides)
  return c


def without_seconds(records):
  return [{k: v for k, v in record.items() if k not in SECONDS} for record in records]
