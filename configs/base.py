"""Every field there is, once, with its default: the paper's where it says one, else a decision of ours (D)."""

from ml_collections import ConfigDict

STRATEGIES = (
  "supervised",
  "random",
  "entropy",
  "min_distance",
  "subpool",
  "asal_pixels",
  "asal_autoencoder",
  "asal_critic",
  "asal_pixels_rescore20",
  "asal_autoencoder_rescore20",
  "asal_critic_rescore20",
  "asal_critic_random_latents",
)


def get_config() -> ConfigDict:
  """The fields and their defaults; locked, so that a misspelt override is an error."""
  config = ConfigDict()
  config.name = "base"  # titles of the figures
  config.seeds = (0, 1, 2, 3, 4)  # one active-learning run each, side by side
  config.strategies = STRATEGIES  # names as in the README; each runs for all seeds
  config.score = "entropy"  # entropy | min_distance (two classes): what subpool and ASAL look for
  config.tensorboard = False  # also write the metrics as TensorBoard events (pip install tensorboardX)
  config.subpool = 200  # random unlabelled samples that `subpool` scores in a cycle

  config.data = ConfigDict()
  config.data.name = "mnist"  # digits | mnist
  config.data.classes = ()  # original labels to keep, relabelled from 0; empty: all
  config.data.pixel_range = (0.0, 1.0)  # what black and white are to the networks

  config.classifier = ConfigDict()
  config.classifier.network = "linear"  # linear | lenet5
  config.classifier.loss = "cross_entropy"  # cross_entropy | hinge (two classes)
  config.classifier.epochs = 10
  config.classifier.batch_size = 10
  config.classifier.learning_rate = 1e-3  # Adam

  config.loop = ConfigDict()
  config.loop.start = 50  # labels at the start, as many of each class (D)
  config.loop.per_cycle = 10  # labels a cycle (D)
  config.loop.budget = 500  # labels at the end

  config.gan = ConfigDict()  # WGAN-GP, the settings of Gulrajani et al. (2017)
  config.gan.width = 64
  config.gan.latent_dim = 128
  config.gan.iterations = 40_000
  config.gan.batch_size = 50
  config.gan.critic_steps = 5  # a generator step
  config.gan.penalty = 10.0
  config.gan.learning_rate = 1e-4  # Adam
  config.gan.beta1 = 0.5
  config.gan.beta2 = 0.9
  config.gan.checkpoint_every = 500  # iterations
  config.gan.seed = 0

  config.autoencoder = ConfigDict()
  config.autoencoder.code_channels = 4  # 4x4x4 = 64 values for MNIST two, 12 for ten
  config.autoencoder.epochs = 40  # passes over the pool, drawn with replacement (D)
  config.autoencoder.batch_size = 100
  config.autoencoder.learning_rate = 1e-3  # Adam
  config.autoencoder.checkpoint_every = 500  # iterations
  config.autoencoder.seed = 0

  config.features = ConfigDict()
  config.features.dimensions = 50  # principal components, or all where the features are fewer

  config.index = ConfigDict()
  config.index.name = "pynndescent"  # pynndescent | exact | kdtree
  config.index.n_neighbors = 30  # edges of pynndescent's graph
  config.index.epsilon = 0.3  # its search margin: recall against speed
  config.index.seed = 0

  config.synthesis = ConfigDict()
  config.synthesis.ascent_steps = 100  # Adam steps in latent space
  config.synthesis.learning_rate = 0.01  # of these steps (D outside CelebA)
  return config.lock()


def small_gan(config: ConfigDict, preset: str) -> bool:
  """Applies the preset `small` (a GAN for 2 CPU cores) and tells whether it was asked for; '' is the paper's."""
  if preset not in ("", "small"):
    raise ValueError(f"config argument: found {preset!r}; allowed is 'small' or nothing")
  if preset == "small":
    config.name += ", small GAN"
    config.gan.width = 16
    config.gan.iterations = 4_000
  return preset == "small"
