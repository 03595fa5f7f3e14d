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
"""Those that are compared where nothing else is said, for two classes."""

MULTICLASS = tuple(name for name in STRATEGIES if name != "min_distance")
"""The same without minimum distance, which is for two classes."""


ALL_CNN = {
  "network": "all_cnn", "epochs": 150, "batch_size": 128, "optimizer": "sgd", "learning_rate": 0.01,
  "decay_epochs": (130, 140), "weight_decay": 1e-3,
}  # fmt: skip
"""All-CNN-C as the paper trains it on CIFAR ten."""

LENET = {
  "network": "lenet5", "epochs": 10, "optimizer": "adam", "learning_rate": 1e-3, "decay_epochs": (),
  "weight_decay": 0.0,
}  # fmt: skip
"""What takes its place on 2 CPU cores, where an epoch of it is 10 minutes."""


def get_config() -> ConfigDict:
  """The fields and their defaults; locked, so that a misspelt override is an error."""
  config = ConfigDict()
  config.name = "base"  # titles of the figures
  config.seeds = (0, 1, 2, 3, 4)  # one active-learning run each, side by side
  config.strategies = STRATEGIES  # names as in the README; each runs for all seeds
  # entropy | margin | least_confidence | min_distance (two classes): what subpool and ASAL look for
  config.score = "entropy"
  # float32 | tensorfloat32 | bfloat16: factors of convolutions, summed in float32; tensorfloat32 on GPU and TPU alone
  config.precision = "float32"
  config.tensorboard = False  # also write the metrics as TensorBoard events (pip install tensorboardX)
  config.labeller = (
    "pool"  # pool | file | page | label_studio: who labels real samples: the pool's labels, or people
  )
  # by a CSV in the workdir, by a page in the browser, or by Label Studio
  config.people = 1  # people who label each image; where they disagree it is asked again
  config.subpool = 200  # random unlabelled samples that `subpool` and its rivals look at in a cycle

  config.label_studio = ConfigDict()  # the API key is in the environment: LABEL_STUDIO_API_KEY
  config.label_studio.url = ""  # as http://localhost:8080; empty: tasks and exports are carried as files
  config.label_studio.project = ""  # title of the project, made where there is none; empty: config.name

  config.data = ConfigDict()
  config.data.name = "mnist"  # digits | mnist | cifar10 | celeb_a | folder
  config.data.classes = ()  # original labels to keep, relabelled from 0; empty: all
  config.data.pool_class_fractions = ()  # share of each kept class's pool samples that stays; empty: all of them
  config.data.attribute = "Wearing_Hat"  # celeb_a: its two classes are without and with it
  # folder: where the images are, of any size, kind and depth. celeb_a: 64x64 images of one's own in its place, as
  # asal_jax/pools/attributes.py says
  config.data.folder = ""
  # Of data.name=folder:
  config.data.size = 64  # side of the squares that the images become
  config.data.fit = "crop"  # crop | pad: the central square of an image, or all of it on black
  config.data.class_names = ""  # cat,dog; empty: the sub-folders that hold images
  config.data.labels = (
    ""  # a CSV of file,label where some are known; empty: labels.csv in the folder, if it is there
  )
  config.data.test_folder = ""  # a test set, labelled by its labels.csv or sub-folders
  config.data.test_labels = (
    0  # or so many random images of the folder, which are labelled first; 0: no test set
  )
  config.data.refresh = (
    False  # take the folder as it is now, though it has changed since it was first taken in
  )
  config.data.test_set = "own"  # own | usps (28x28 digits): the data set's, or USPS brought to MNIST's size
  config.data.usps_file = ""  # an .npz as asal_jax/pools/usps.py says; empty: scikit-learn fetches USPS
  config.data.jitter = 0  # virtual images, made on the fly from the pool's by small affine changes; 0: none
  config.data.resident_gib = 4.0  # a pool of more stays in its file, and only what is needed is read
  config.data.store = (
    "decoded"  # decoded | records: TFDS's images kept decoded in the cache, or decoded when read
  )
  config.data.pixel_range = (0.0, 1.0)  # what black and white are to the networks: GAN, auto-encoder, critic

  config.classifier = ConfigDict()
  config.classifier.network = "linear"  # linear | lenet5 | lenet_20_50_500 | all_cnn | celeba
  config.classifier.pixel_range = ()  # what black and white are to its network; empty: as data.pixel_range
  config.classifier.loss = "cross_entropy"  # cross_entropy | hinge (two classes)
  config.classifier.epochs = 10
  config.classifier.batch_size = 10
  config.classifier.optimizer = "adam"  # adam | sgd (momentum 0.9)
  config.classifier.learning_rate = 1e-3
  config.classifier.decay_epochs = ()  # epochs from which the rate is a tenth
  config.classifier.weight_decay = 0.0  # times the weights, added to the gradient

  # A classifier trained on all labels: GAAL's stand-in labeller, and what scores a GAN's samples (all of it D)
  config.judge = ConfigDict()
  config.judge.network = "lenet5"  # as of the classifier, and better than a linear one: it labels for it
  config.judge.epochs = 10
  config.judge.batch_size = 50
  config.judge.optimizer = "adam"
  config.judge.learning_rate = 1e-3
  config.judge.decay_epochs = ()
  config.judge.weight_decay = 0.0
  config.judge.confidence = 0.9  # images with no class so probable are rejected, as a person's n.a.; 0: none

  config.loop = ConfigDict()
  config.loop.start = 50  # labels at the start
  config.loop.start_set = "balanced"  # balanced | stratified | random: as many of each class (D), by class
  # frequency but at least one of each, or as the pool gives them, where a class may be missing
  config.loop.per_cycle = 10  # labels a cycle (D)
  config.loop.budget = 500  # labels at the end

  config.gan = ConfigDict()  # the settings of Gulrajani et al. (2017) for MNIST
  config.gan.network = "plain"  # plain | residual (32x32 images)
  config.gan.loss = "wgan_gp"  # wgan_gp | wgan_ct (residual) | dcgan
  config.gan.width = 64  # features of the generator before its last layer; of all layers where it is residual
  config.gan.critic_width = 64  # features of the critic's first layer; of all layers where it is residual
  config.gan.batch_norm = "none"  # none | generator | both: where the plain nets normalise by batches
  config.gan.latent_dim = 128
  config.gan.iterations = 40_000
  config.gan.batch_size = 50
  config.gan.generator_batch_size = 50
  config.gan.critic_steps = 5  # a generator step
  config.gan.penalty = 10.0  # weight of the gradient penalty
  config.gan.consistency = 2.0  # weight inside WGAN-CT's consistency term (Wei et al. 2018)
  config.gan.margin = 0.0  # its margin M
  config.gan.dequantise = False  # noise of one gray level on the real images
  config.gan.learning_rate = 1e-4  # Adam
  config.gan.decay = False  # the rate falls linearly to 0 over the iterations
  config.gan.beta1 = 0.5
  config.gan.beta2 = 0.9
  config.gan.checkpoint_every = 500  # iterations
  config.gan.looks = 10  # sample grids and classifier scores during training, evenly spaced; 0: none
  config.gan.seed = 0

  config.autoencoder = ConfigDict()  # its loss is the mean squared error (D), no field
  config.autoencoder.network = "plain"  # plain (MNIST) | cifar | celeba
  config.autoencoder.code_channels = 4  # 4x4x4 = 64 values for MNIST two, 12 for ten
  config.autoencoder.epochs = 40  # passes over the pool, drawn with replacement (D)
  config.autoencoder.iterations = (
    0  # batches in place of the epochs, whatever the size of the pool; 0: the epochs
  )
  config.autoencoder.batch_size = 100
  config.autoencoder.learning_rate = 1e-3  # Adam
  config.autoencoder.checkpoint_every = 500  # iterations
  config.autoencoder.seed = 0

  config.features = ConfigDict()
  config.features.dimensions = 50  # principal components, or all where the features are fewer
  # an .npy of embeddings [n, d] of a folder's images, which classifier (linear) and matching see in place of pixels
  config.features.file = ""

  config.index = ConfigDict()
  config.index.name = (
    "pynndescent"  # exact | exact_int8 | kdtree | pynndescent | faiss_ivf | faiss_hnsw | auto
  )
  config.index.n_neighbors = 30  # edges of pynndescent's graph
  config.index.epsilon = 0.3  # its search margin: recall against speed
  config.index.seed = 0

  config.walk = ConfigDict()  # walks on the pool's neighbour graph: strategies ..._walk<calls>, and seals
  config.walk.features = "pixels"  # pixels | autoencoder | critic: whose graph; asal_* take their own
  config.walk.neighbours = 10  # edges of a sample
  config.walk.starts = 0.5  # share of the calls that a random or labelled walk starts from
  config.walk.asal = 0.05  # of a mixed walk: ASAL's matches,
  config.walk.labelled = 0.125  # neighbours of labelled samples,
  config.walk.random = 0.5  # and random ones

  config.synthesis = ConfigDict()
  config.synthesis.ascent_steps = 100  # Adam steps in latent space
  config.synthesis.learning_rate = 0.01  # of these steps (D outside CelebA)
  config.synthesis.batch = (
    0  # latents that ascend together, of which a cycle has a multiple; 0: all of a cycle
  )
  config.synthesis.batch_norm = (
    "frozen"  # frozen | reference: running statistics, or those of the batch of latents
  )
  return config.lock()


def dotted(section: str, settings: dict) -> dict:
  """The settings of a section by dotted field, as the variant `small` names them."""
  return {f"{section}.{field}": value for field, value in settings.items()}


def cifar(config: ConfigDict) -> ConfigDict:
  """What both CIFAR-10 benchmarks share: the data, the nets of Gulrajani et al. (2017), the auto-encoder."""
  config.data.name = "cifar10"
  config.data.pixel_range = (-1.0, 1.0)
  config.judge.update(ALL_CNN)
  config.gan.width = config.gan.critic_width = 128
  config.gan.batch_norm = "generator"
  config.gan.batch_size = config.gan.generator_batch_size = 64
  config.autoencoder.network = "cifar"
  config.autoencoder.code_channels = 16
  config.autoencoder.epochs = 100
  config.autoencoder.batch_size = 128
  return config
