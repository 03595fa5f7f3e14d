"""Every figure and table of the paper: what it draws, from which runs, in the paper's arrangement."""

from collections.abc import Iterable
from typing import NamedTuple

from configs.variants import TITLES
from experiments.paper.runs import GANS, Run

ASAL = ("asal_pixels", "asal_autoencoder", "asal_critic")

FEATURES = tuple(name.removeprefix("asal_") for name in ASAL)

LEARNER = {"entropy": "cross-entropy", "min_distance": "hinge loss"}
MNIST_GANS = GANS[:2]

KINDS = {
  "accuracy": "draw_curves",
  "entropy": "draw_curves",
  "labels": "draw_curves",
  "agreement": "draw_agreement",
  "matches": "draw_pages",
  "samples": "draw_pages",
  "selection": "draw_selection",
  "transition": "draw_selection",
  "networks": "",
  "iterations": "",
}
"""What a part shows, and the function of `draw` for it; '' where nothing is drawn."""


class Panel(NamedTuple):
  """A panel: its caption, its run, and the strategies it draws."""

  caption: str
  run: Run
  strategies: tuple[str, ...]


class Part(NamedTuple):
  """What is drawn on one page: panels in rows. `letter` and `about` are '' where the figure is one page."""

  kind: str
  rows: tuple[tuple[Panel, ...], ...] = ()
  letter: str = ""
  about: str = ""

  @property
  def panels(self) -> list[Panel]:
    """All panels, row by row."""
    return [panel for row in self.rows for panel in row]


class Item(NamedTuple):
  """A figure or table of the paper; `name` as `figure_03` or `table_1`."""

  name: str
  about: str
  parts: tuple[Part, ...]


def compared(run: Run) -> tuple[str, ...]:
  """What an accuracy panel shows: ceiling, exhaustive, the three versions of ASAL, random."""
  return ("supervised", "random", run.score, *ASAL)


def _panel(run: Run, caption: str, strategies: tuple[str, ...] = ()) -> Panel:
  return Panel(caption, run, strategies or compared(run))


def _by_gan(benchmark: str, gans: Iterable[str], columns: int) -> tuple[tuple[Panel, ...], ...]:
  panels = [_panel(Run(benchmark, gan), TITLES[gan]) for gan in gans]
  return tuple(tuple(panels[i : i + columns]) for i in range(0, len(panels), columns))


def _by_gan_and_score(benchmark: str, gans: Iterable[str]) -> tuple[tuple[Panel, ...], ...]:
  """A row a GAN: minimum distance with hinge loss, maximum entropy with cross-entropy."""
  return tuple(
    tuple(
      _panel(Run(benchmark, gan, score), f"{TITLES[gan]}, {LEARNER[score]}")
      for score in ("min_distance", "entropy")
    )
    for gan in gans
  )


def _labels(run: Run, strategies: Iterable[str]) -> tuple[Panel, ...]:
  gan = lambda name: f"{TITLES[run.gan]}, {LEARNER[run.score]}" if name in ASAL else LEARNER[run.score]  # noqa: E731
  return tuple(_panel(run, gan(name), (name,)) for name in strategies)


def _asal_labels(runs: Iterable[Run]) -> tuple[tuple[Panel, ...], ...]:
  """A row a run, a column a feature set."""
  return tuple(_labels(run, ASAL) for run in runs)


def _uncertainty_labels(benchmark: str) -> tuple[Panel, ...]:
  """Random and exhaustive sampling by both losses; neither needs a GAN."""
  hinge, cross = Run(benchmark, score="min_distance"), Run(benchmark)
  return (
    *_labels(hinge, ("random",)),
    *_labels(cross, ("random",)),
    *_labels(hinge, ("min_distance",)),
    *_labels(cross, ("entropy",)),
  )


def _pages(benchmark: str, gans: Iterable[str]) -> tuple[tuple[Panel, ...], ...]:
  """Pictures of a run each, one below the other; they need the three feature sets alone."""
  return tuple((_panel(Run(benchmark, gan), TITLES[gan], ASAL),) for gan in gans)


def _gaal(gan: str) -> Panel:
  return _panel(Run("mnist_two", gan), TITLES[gan], ("supervised", "random", "asal_pixels", "gaal_stand_in"))


def _single(name: str, about: str, kind: str, rows: tuple[tuple[Panel, ...], ...] = ()) -> Item:
  return Item(name, about, (Part(kind, rows),))


MNIST_TWO, MNIST_TEN, CIFAR_TWO = Run("mnist_two"), Run("mnist_ten"), Run("cifar_two")
_RANDOM_LABELS = _uncertainty_labels("mnist_two")
_CELEBA = tuple(_panel(Run(f"celeba_{a}"), a) for a in ("hat", "blond", "bangs"))

ITEMS = (
  _single("figure_02", "MNIST ten: matches", "matches", _pages("mnist_ten", ("wgan_gp",))),
  Item("figure_03", "MNIST two: accuracy, entropy of new samples, ASAL against GAAL", (
    Part("accuracy", ((_panel(MNIST_TWO, "WGAN-GP"),),), "a", "MNIST two, accuracy"),
    Part("entropy", ((_panel(MNIST_TWO, "WGAN-GP"),),), "b", "MNIST two, entropy of new samples"),
    Part("accuracy", ((_gaal("wgan_gp"), _gaal("dcgan")),), "c", "MNIST two, ASAL against GAAL"),
  )),
  _single("figure_04", "accuracy on MNIST ten, CIFAR two, CIFAR ten", "accuracy", ((
    _panel(MNIST_TEN, "MNIST ten"), _panel(CIFAR_TWO, "CIFAR two"),
    _panel(Run("cifar_ten", "residual_ct"), "CIFAR ten"),
  ),)),
  _single("figure_05", "CIFAR ten: matches", "matches", _pages("cifar_ten", ("residual_ct",))),
  _single("figure_06", "CelebA: accuracy for hat, blond hair, bangs", "accuracy", (_CELEBA,)),
  _single("figure_07", "seconds of a selection against the pool", "selection"),
  _single("figure_08", "cycles until ASAL is ahead", "transition"),
  _single("figure_09", "MNIST two: classes of the training set, random and exhaustive", "labels",
          (_RANDOM_LABELS[:2], _RANDOM_LABELS[2:])),
  _single("figure_10", "MNIST two: accuracy by GAN and loss", "accuracy", _by_gan_and_score("mnist_two", MNIST_GANS)),
  _single("figure_11", "MNIST two: classes of the training set, ASAL", "labels",
          _asal_labels(Run("mnist_two", gan, score) for gan in MNIST_GANS for score in ("min_distance", "entropy"))),
  _single("figure_12", "MNIST two: entropy of new samples by GAN and loss", "entropy",
          _by_gan_and_score("mnist_two", MNIST_GANS)),
  _single("figure_13", "MNIST two: agreement of annotations with matches", "agreement",
          (tuple(_panel(Run("mnist_two", gan), TITLES[gan], ASAL) for gan in MNIST_GANS),)),
  _single("figure_14", "MNIST ten: accuracy by GAN", "accuracy", _by_gan("mnist_ten", MNIST_GANS, 2)),
  _single("figure_15", "MNIST ten: entropy of new samples by GAN", "entropy", _by_gan("mnist_ten", MNIST_GANS, 2)),
  _single("figure_16", "MNIST ten: classes of the training set", "labels",
          (_labels(MNIST_TEN, ("random", "entropy")), *_asal_labels(Run("mnist_ten", gan) for gan in MNIST_GANS))),
  _single("figure_17", "USPS two: accuracy by GAN and loss", "accuracy", _by_gan_and_score("usps_two", MNIST_GANS)),
  _single("figure_18", "USPS ten: accuracy by GAN", "accuracy", _by_gan("usps_ten", MNIST_GANS, 2)),
  _single("figure_19", "CIFAR two: classes of the training set, random and exhaustive", "labels",
          (_uncertainty_labels("cifar_two"),)),
  _single("figure_20", "CIFAR two: classes of the training set, ASAL by minimum distance", "labels",
          _asal_labels(Run("cifar_two", gan, "min_distance") for gan in GANS)),
  _single("figure_21", "CIFAR two: classes of the training set, ASAL by entropy", "labels",
          _asal_labels(Run("cifar_two", gan) for gan in GANS)),
  _single("figure_22", "CIFAR two: accuracy by GAN and loss", "accuracy", _by_gan_and_score("cifar_two", GANS)),
  _single("figure_23", "CIFAR two: entropy of new samples by GAN and loss", "entropy",
          _by_gan_and_score("cifar_two", GANS)),
  _single("figure_24", "CIFAR ten: accuracy by GAN", "accuracy", _by_gan("cifar_ten", GANS, 2)),
  _single("figure_25", "CIFAR ten: entropy of new samples by GAN", "entropy", _by_gan("cifar_ten", GANS, 2)),
  _single("figure_26", "CIFAR ten: classes of the training set, random and exhaustive", "labels",
          (_labels(Run("cifar_ten"), ("random", "entropy")),)),
  _single("figure_27", "CIFAR ten: classes of the training set, ASAL", "labels",
          _asal_labels(Run("cifar_ten", gan) for gan in GANS)),
  _single("figure_28", "MNIST two: matches", "matches", _pages("mnist_two", ("wgan_gp",))),
  _single("figure_29", "MNIST ten: matches", "matches", _pages("mnist_ten", ("wgan_gp",))),
  _single("figure_30", "CIFAR two: matches", "matches", _pages("cifar_two", ("wgan_gp",))),
  _single("figure_31", "CIFAR ten: matches", "matches", _pages("cifar_ten", ("wgan_gp",))),
  _single("figure_32", "MNIST two: random and uncertain samples by GAN", "samples", _pages("mnist_two", MNIST_GANS)),
  _single("figure_33", "MNIST ten: random and uncertain samples by GAN", "samples", _pages("mnist_ten", MNIST_GANS)),
  _single("figure_34", "CIFAR two: random and uncertain samples by GAN", "samples", _pages("cifar_two", GANS)),
  _single("figure_35", "CIFAR ten: random and uncertain samples by GAN", "samples", _pages("cifar_ten", GANS)),
  _single("table_1", "CelebA: classifier, generator, critic", "networks"),
  _single("table_2", "CelebA: auto-encoder", "networks"),
  _single("table_3", "iterations of the GANs", "iterations"),
)  # fmt: skip

ORDER = ("mnist_two", "usps_two", "mnist_ten", "cifar_two", "usps_ten", "celeba_hat", "cifar_ten", "celeba_blond",
         "celeba_bangs")  # fmt: skip
"""Benchmarks, those that tell most for their time first; of each the default comes first."""


def panels(items: Iterable[Item] = ITEMS) -> list[Panel]:
  """All panels of some figures."""
  return [panel for item in items for part in item.parts for panel in part.panels]


def strategies(run: Run) -> tuple[str, ...]:
  """What all figures ask of a run."""
  wanted = {name for panel in panels() if panel.run == run for name in panel.strategies}
  order = (*compared(run), "gaal_stand_in")
  return tuple(name for name in order if name in wanted)


def annotated(run: Run) -> bool:
  """Whether figure 13, or what the paper says of a GAN's classes (figures 32, 33), needs the run's agreement."""
  return run.benchmark in ("mnist_two", "mnist_ten") and run.score == "entropy"


def runs(names: Iterable[str] = ()) -> list[Run]:
  """The runs of all figures, or of those named (`figure_10`, `3`, `mnist_two_dcgan`), each once, best first.

  Raises KeyError with a name that is none.
  """
  every = sorted(
    {panel.run for panel in panels()},
    key=lambda run: (ORDER.index(run.benchmark), bool(run.variant), GANS.index(run.gan), run.score),
  )
  names, chosen = tuple(names), set()
  for name in names:
    called = {run for run in every if run.name == name}
    if not called and not named(name):
      raise KeyError(name)
    chosen |= called | {panel.run for panel in panels(named(name))}
  return [run for run in every if run in chosen or not names]


def named(name: str) -> list[Item]:
  """The figures or tables called so: 'figure_03', 'table_1', '3'."""
  return [item for item in ITEMS if name in (item.name, item.name.removeprefix("figure_").lstrip("0"))]
