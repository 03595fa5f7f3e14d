"""What the paper says of each figure and table, its number where it gives one, and the rule for ours."""

from collections.abc import Sequence
from typing import NamedTuple

from configs.variants import TITLES
from experiments.paper import elsewhere, results, rules
from experiments.paper.rules import Rule
from experiments.paper.runs import GANS, Run
from experiments.paper.table import ASAL, LEARNER, MNIST_GANS


class Claim(NamedTuple):
  """A claim of the paper about a figure or table. `paper` is its number, '' where it gives none.

  `rule` takes the results of `runs`; without runs it takes none, and reads what is measured elsewhere.
  """

  item: str
  text: str
  paper: str
  runs: tuple[Run, ...]
  rule: Rule


CARS, BIRD, CAT, DEER, DOG = 1, 2, 3, 4, 5
EXHAUSTIVE = {"entropy": "maximum entropy", "min_distance": "minimum distance"}
MNIST_TWO, MNIST_TEN, CIFAR_TWO = Run("mnist_two"), Run("mnist_ten"), Run("cifar_two")
MNIST_TWO_DCGAN, MNIST_TEN_DCGAN = Run("mnist_two", "dcgan"), Run("mnist_ten", "dcgan")
CT, GP = Run("cifar_ten", "residual_ct"), Run("cifar_ten", "residual_gp")
USPS_TWO, USPS_TEN, USPS_TEN_DCGAN = Run("usps_two"), Run("usps_ten"), Run("usps_ten", "dcgan")


def claim(item: str, text: str, runs: Run | Sequence[Run], rule: Rule, paper: str = "") -> Claim:
  """A claim about one run or several."""
  return Claim(item, text, paper, (runs,) if isinstance(runs, Run) else tuple(runs), rule)


def setting(run: Run) -> str:
  """GAN and loss in words."""
  return f"{TITLES[run.gan]}, {LEARNER[run.score]}"


def _each(item: str, text: str, runs: Sequence[Run], rule: Rule) -> tuple[Claim, ...]:
  """One claim about each of several runs."""
  return tuple(claim(item, f"{text} ({setting(run)})", run, rule) for run in runs)


FOUR = tuple(Run("mnist_two", gan, score) for gan in MNIST_GANS for score in ("min_distance", "entropy"))

CLAIMS = (
  claim("figure_03", "(a) all versions of ASAL beat random sampling", MNIST_TWO, rules.above(ASAL, "random")),
  claim("figure_03", "(a) only maximum entropy reaches the fully supervised model at 500 labels", MNIST_TWO,
        rules.only_reaches("entropy", ASAL, "supervised")),
  claim("figure_03", "(b) ASAL's new samples have more entropy than random's, averaged over its versions", MNIST_TWO,
        rules.entropy_gain(ASAL, 0.63, 0.063), "63 % more"),
  claim("figure_03", "(c) with WGAN-GP ASAL by pixels exceeds GAAL", MNIST_TWO,
        rules.above(("asal_pixels",), "gaal_stand_in")),
  claim("figure_03", "(c) with WGAN-GP both outperform random sampling", MNIST_TWO,
        rules.above(("asal_pixels", "gaal_stand_in"), "random")),
  claim("figure_03", "(c) with DCGAN both are worse than random sampling", MNIST_TWO_DCGAN,
        rules.below(("asal_pixels", "gaal_stand_in"), "random")),
  claim("figure_04", "(a) MNIST ten: all versions of ASAL exceed random sampling", MNIST_TEN,
        rules.above(ASAL, "random")),
  claim("figure_04", "(b) CIFAR two: ASAL by auto-encoder exceeds random sampling", CIFAR_TWO,
        rules.above(("asal_autoencoder",), "random")),
  claim("figure_04", "(b) CIFAR two: ASAL by auto-encoder ends equal to maximum entropy or above", CIFAR_TWO,
        rules.not_below(("asal_autoencoder",), "entropy", results.final)),
  claim("figure_04", "(c) CIFAR ten: ASAL is about equal to random sampling or below", CT,
        rules.not_above(ASAL, "random")),
  claim("figure_04", "(c) CIFAR ten: maximum entropy reaches the fully supervised model at 30,000 labels", CT,
        rules.not_below(("entropy",), "supervised", results.final)),
  claim("figure_04", "(c) CIFAR ten: accuracy of All-CNN on all labels", CT, rules.near("supervised", 0.882, 0.01),
        "88.2 % (error 11.8 %)"),
  *(claim("figure_06", f"CelebA {name}: ASAL outperforms random sampling", Run(f"celeba_{name}"),
          rules.above(("asal_autoencoder",), "random")) for name in ("hat", "blond", "bangs")),
  claim("figure_07", "10 of 16 million: ASAL is at least ten times faster than maximum entropy", (),
        elsewhere.selection, "44 s against 53 min"),
  claim("figure_08", "at 16 million ASAL, preparation included, is ahead after some 30 cycles", (),
        elsewhere.transition, "30 cycles"),
  claim("figure_09", "maximum entropy adds more 5s than random sampling", MNIST_TWO,
        rules.above(("entropy",), "random", results.share(0))),
  claim("figure_09", "minimum distance adds more 5s than random sampling", Run("mnist_two", score="min_distance"),
        rules.above(("min_distance",), "random", results.share(0))),
  claim("figure_10", "ASAL with WGAN-GP exceeds ASAL with DCGAN (cross-entropy)", (MNIST_TWO, MNIST_TWO_DCGAN),
        rules.above_other_run(ASAL)),
  claim("figure_10", "ASAL with WGAN-GP exceeds ASAL with DCGAN (hinge loss)", (FOUR[2], FOUR[0]),
        rules.above_other_run(ASAL)),
  claim("figure_11", "DCGAN: almost three times as many 7s as 5s", MNIST_TWO_DCGAN,
        rules.shares(ASAL, (1,), "share of 7", lambda share: share > 2 / 3), "about 75 % are 7s"),
  claim("figure_11", "WGAN-GP: shares like the pool's, 53.6 % of 7s (within 5 points)", MNIST_TWO,
        rules.shares(ASAL, (1,), "share of 7", lambda share: abs(share - 0.536) < 0.05)),
  *_each("figure_12", "ASAL's new samples have more entropy than random's", FOUR,
         rules.above(ASAL, "random", results.new_entropy)),
  claim("figure_13", "agreement is higher with WGAN-GP than with DCGAN", (MNIST_TWO, MNIST_TWO_DCGAN),
        rules.agreement_above_other_run),
  claim("figure_13", "agreement is highest by pixels", (MNIST_TWO, MNIST_TWO_DCGAN), rules.pixels_agree_most),
  claim("figure_14", "(a) DCGAN: random sampling exceeds ASAL", MNIST_TEN_DCGAN, rules.below(ASAL, "random")),
  claim("figure_14", "(b) WGAN-GP: of ASAL the critic's features are best", MNIST_TEN,
        rules.best("asal_critic", ("asal_pixels", "asal_autoencoder"))),
  *_each("figure_15", "at the beginning ASAL's new samples have more entropy than random's",
         (MNIST_TEN_DCGAN, MNIST_TEN), rules.above(ASAL, "random", results.early_entropy)),
  claim("figure_16", "(b) maximum entropy adds more 7s, 8s and 9s than random sampling", MNIST_TEN,
        rules.above(("entropy",), "random", results.share(7, 8, 9))),
  claim("figure_16", "(c to e) DCGAN: 30 % of the training set are 1s (within 10 points)", MNIST_TEN_DCGAN,
        rules.shares(ASAL, (1,), "share of 1", lambda share: abs(share - 0.3) <= 0.1), "30 %"),
  claim("figure_17", "accuracy of the linear model on all labels", USPS_TWO, rules.near("supervised", 0.91, 0.02),
        "91 %"),
  claim("figure_17", "(d) maximum entropy is worse than random sampling", USPS_TWO,
        rules.below(("entropy",), "random")),
  claim("figure_17", "(d) ASAL outperforms random sampling", USPS_TWO, rules.above(ASAL, "random")),
  claim("figure_17", "(d) ASAL outperforms maximum entropy", USPS_TWO, rules.above(ASAL, "entropy")),
  claim("figure_18", "(b) maximum entropy exceeds random sampling", USPS_TEN, rules.above(("entropy",), "random")),
  claim("figure_18", "(b) maximum entropy ends above the fully supervised model", USPS_TEN,
        rules.above(("entropy",), "supervised", results.final)),
  claim("figure_18", "(b) WGAN-GP: ASAL by auto-encoder and critic exceed random sampling", USPS_TEN,
        rules.above(("asal_autoencoder", "asal_critic"), "random")),
  claim("figure_18", "(a) DCGAN: ASAL is comparable to random sampling", USPS_TEN_DCGAN, rules.same(ASAL, "random")),
  claim("figure_19", "maximum entropy adds more horses than automobiles", CIFAR_TWO,
        rules.shares(("entropy",), (1,), "share of horse", lambda share: share > 0.5)),
  *_each("figure_20", "ASAL adds more horses than automobiles",
         tuple(Run("cifar_two", gan, "min_distance") for gan in GANS),
         rules.shares(ASAL, (1,), "share of horse", lambda share: share > 0.5)),
  *_each("figure_22", "of ASAL the auto-encoder is best", tuple(Run("cifar_two", gan) for gan in GANS),
         rules.best("asal_autoencoder", ("asal_pixels", "asal_critic"))),
  claim("figure_22", "residual WGAN-CT: ASAL by critic is worse than any other", Run("cifar_two", "residual_ct"),
        rules.worst("asal_critic", ("asal_pixels", "asal_autoencoder", "random", "entropy"))),
  *_each("figure_23", "at the beginning ASAL's new samples have more entropy than random's",
         tuple(Run("cifar_two", gan) for gan in GANS), rules.above(ASAL, "random", results.early_entropy)),
  *_each("figure_24", "ASAL is not above random sampling", tuple(Run("cifar_ten", gan) for gan in GANS[:3]),
         rules.not_above(ASAL, "random")),
  *_each("figure_25", "at the beginning random samples have the higher entropy",
         tuple(Run("cifar_ten", gan) for gan in GANS), rules.below(ASAL, "random", results.early_entropy)),
  claim("figure_26", "maximum entropy adds most of cat, dog, bird, deer", Run("cifar_ten"),
        rules.largest_classes("entropy", (BIRD, CAT, DEER, DOG))),
  *_each("figure_27", "cats and dogs are less common than their fifth", tuple(Run("cifar_ten", gan) for gan in GANS),
         rules.shares(ASAL, (CAT, DOG), "share of cat and dog", lambda share: share < 0.2)),
  claim("figure_32", "DCGAN makes mostly 7s", MNIST_TWO_DCGAN, rules.most_annotated(1)),
  claim("figure_33", "DCGAN makes mainly 1s", MNIST_TEN_DCGAN, rules.most_annotated(1)),
  claim("figure_35", "residual WGAN-CT makes better samples than residual WGAN-GP (ours: classifier scores)", (CT, GP),
        rules.better_samples, "Inception scores 8.3 and 7.8"),
  claim("table_1", "parameters of classifier, generator and critic", (), elsewhere.celeba_networks,
        elsewhere.paper_counts("classifier", "generator", "critic")),
  claim("table_2", "parameters of the auto-encoder", (), elsewhere.celeba_autoencoder,
        elsewhere.paper_counts("encoder", "decoder")),
  claim("table_3", "iterations of the twelve GANs", (), elsewhere.iterations, "40,000 to 200,000"),
)  # fmt: skip
