"""Fields of a config by what they may hold, and the names that they choose from."""

from asal_jax.acquisition.score import SCORES
from asal_jax.acquisition.table import FEATURES
from asal_jax.labelling.oracle import START_SETS
from asal_jax.models.classifier import LOSSES, OPTIMIZERS
from asal_jax.models.gan import LOSSES as GAN_LOSSES
from asal_jax.models.gan import NETWORKS
from asal_jax.networks.autoencoders import AUTOENCODERS
from asal_jax.networks.classifiers import CLASSIFIERS
from asal_jax.pools.photos import FITS
from asal_jax.search.index import AUTO, INDICES

POSITIVE = {
  "": ["subpool", "people"],
  "classifier": ["epochs", "batch_size", "learning_rate"],
  "judge": ["epochs", "batch_size", "learning_rate"],
  "loop": ["start", "per_cycle", "budget"],
  "gan": [
    "width",
    "critic_width",
    "latent_dim",
    "iterations",
    "batch_size",
    "generator_batch_size",
    "critic_steps",
    "learning_rate",
    "checkpoint_every",
  ],
  "autoencoder": ["code_channels", "epochs", "batch_size", "learning_rate", "checkpoint_every"],
  "features": ["dimensions"],
  "data": ["size"],
  "index": ["n_neighbors"],
  "walk": ["neighbours"],
  "synthesis": ["learning_rate"],
}
"""Fields that must be above 0, by section."""


NOT_NEGATIVE = (
  "classifier.weight_decay",
  "judge.weight_decay",
  "gan.penalty",
  "gan.consistency",
  "gan.margin",
  "gan.looks",
  "autoencoder.iterations",
  "data.jitter",
  "data.test_labels",
  "data.resident_gib",
  "synthesis.ascent_steps",
  "synthesis.batch",
  "index.epsilon",
)
"""Fields that may be 0."""

FRACTIONS = ("gan.beta1", "gan.beta2")
"""Fields from 0 to below 1."""

SHARES = ("judge.confidence", "walk.starts", "walk.asal", "walk.labelled", "walk.random")
"""Fields from 0 to 1."""

SEEDS = ("gan.seed", "autoencoder.seed", "index.seed")
"""Seeds of what is made once; those of the runs are `seeds`."""

CHOICES = {
  "data.fit": FITS,
  "data.store": ("decoded", "records"),
  "data.test_set": ("own", "usps"),
  "score": SCORES,
  "precision": ("float32", "tensorfloat32", "bfloat16"),
  "labeller": ("pool", "file", "page", "label_studio"),
  "classifier.network": CLASSIFIERS,
  "classifier.loss": LOSSES,
  "classifier.optimizer": OPTIMIZERS,
  "judge.network": CLASSIFIERS,
  "judge.optimizer": OPTIMIZERS,
  "gan.network": NETWORKS,
  "gan.loss": GAN_LOSSES,
  "gan.batch_norm": ("none", "generator", "both"),
  "autoencoder.network": AUTOENCODERS,
  "index.name": (*INDICES, AUTO),
  "synthesis.batch_norm": ("frozen", "reference"),
  "walk.features": FEATURES,
  "loop.start_set": START_SETS,
}
"""Fields that name something, with the names there are."""

SMALLEST_IMAGE = {"lenet5": 16, "lenet_20_50_500": 16, "all_cnn": 12, "celeba": 8}
"""Sides of the smallest images that a classifier's network takes, where there is a limit."""
