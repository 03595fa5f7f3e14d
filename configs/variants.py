"""What the argument of a config file may say, as in `configs/cifar_ten.py:gan=residual_ct,score=entropy,small`."""

from ml_collections import ConfigDict

PLAIN = {
  "wgan_gp": {},
  "dcgan": {
    "loss": "dcgan", "batch_norm": "both", "critic_steps": 1, "learning_rate": 2e-4, "beta2": 0.999,
  },
}  # fmt: skip
"""GANs on plain nets: what differs from WGAN-GP in `base`.

DCGAN normalises both nets by batches, on MNIST too (D, as Radford et al. 2016 advise): without, the critic wins within
100 iterations and samples are black or nearly so, at width 16 and at 64. At width 16 they come back: after 40,000
iterations they are worse than batch norm's after 4,000 (experiments/mnist_two).
"""

RESIDUAL = {
  "network": "residual",
  "width": 128,
  "critic_width": 128,
  "batch_size": 64,
  "generator_batch_size": 128,
  "learning_rate": 2e-4,
  "beta1": 0.0,
  "decay": True,
  "dequantise": True,
}

GANS = {
  **PLAIN,
  "residual_gp": RESIDUAL,
  "residual_ct": {**RESIDUAL, "loss": "wgan_ct"},
}
TITLES = {
  "wgan_gp": "WGAN-GP",
  "dcgan": "DCGAN",
  "residual_gp": "residual WGAN-GP",
  "residual_ct": "residual WGAN-CT",
}


def parse(argument: str, allowed: dict[str, tuple[str, ...]]) -> tuple[dict[str, str], bool]:
  """`small` and `key=value` pairs, separated by commas: (chosen values, whether small).

  `allowed` are the values of each key, the default first. Raises ValueError for anything else.
  """
  choice, words = {}, [word for word in argument.split(",") if word]
  forms = ["small", *(f"{key}={'|'.join(values)}" for key, values in allowed.items())]
  for word in words:
    key, _, value = word.partition("=")
    if key in choice or words.count(word) > 1:
      raise ValueError(f"config argument: found {key!r} twice in {argument!r}; once is enough")
    if value in allowed.get(key, ()):
      choice[key] = value
    elif word != "small":
      raise ValueError(f"config argument: found {word!r}; allowed are {', '.join(forms)}")
  return {key: choice.get(key, values[0]) for key, values in allowed.items()}, "small" in words


def apply(
  config: ConfigDict,
  argument: str,
  *,
  iterations: dict[str, int],
  small: dict,
  scores: tuple[str, ...] = ("entropy",),
) -> ConfigDict:
  """Applies the argument of a benchmark to its config and returns it.

  `iterations` are the benchmark's GANs with their iterations (the paper's Table 3), the default first; `small` are
  the overrides for 2 CPU cores, by dotted field.
  """
  choice, reduced = parse(argument, {"gan": tuple(iterations), "score": scores})
  config.gan.update(GANS[choice["gan"]])
  config.gan.iterations = iterations[choice["gan"]]
  if choice["gan"] != next(iter(iterations)):
    config.name += f", {TITLES[choice['gan']]}"
  if choice["score"] == "min_distance":
    config.name += ", hinge loss and minimum distance"
    config.score, config.classifier.loss = "min_distance", "hinge"
  if reduced:
    config.name += ", small"
    config.update_from_flattened_dict(small)
  return config
