"""The classifier for use elsewhere: by orbax for this package, and as one file that needs jax alone."""

import pathlib
import shutil
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from asal_jax import processes
from asal_jax.models.classifier import probabilities
from asal_jax.store.files import whole_file, write_json
from asal_jax.types import Classifier, Params, PixelRange, decode

PLATFORMS = ("cpu", "cuda", "tpu")
"""What the file runs on. Convolutions stay in the form of the back end that made it, which all of them can run."""


def save_classifier(
  folder: pathlib.Path, classifier: Classifier, params: Params, pixel_range: PixelRange,
  image_shape: tuple[int, int, int], class_names: Sequence[str], fit: str | None,
) -> None:  # fmt: skip
  """Fills `folder`: `params/` (orbax), `classifier.jaxexport`, `classes.json` and `classify.py`, which uses both.

  The file holds images uint8 [n, h, w, c] -> probabilities f32[n, k], the weights within, for any n. `fit`, 'crop' or
  'pad', is how `classify.py` makes a picture a square; None where the pool is of no pictures, then there is none.
  """
  from orbax import checkpoint as ocp

  folder.mkdir(exist_ok=True)
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save((folder / "params").absolute(), params, force=True)
  if not processes.is_writer():
    return
  with whole_file(folder / "classifier.jaxexport") as file:
    file.write(exported(classifier, params, pixel_range, image_shape))
  about = {"class_names": list(class_names), "image_shape": list(image_shape), "fit": fit}
  write_json(folder / "classes.json", about)
  if fit:
    shutil.copyfile(pathlib.Path(__file__).parent / "classify.py", folder / "classify.py")


def exported(
  classifier: Classifier, params: Params, pixel_range: PixelRange, image_shape: tuple[int, int, int]
) -> bytes:
  """The serialised function of images uint8 [n, h, w, c]; products are in the precision that is set now."""
  params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), params)  # On one device, whichever run it is.

  def function(images):
    return probabilities(classifier.logits(params, decode(images, pixel_range)))

  (n,) = export.symbolic_shape("n")
  images = jax.ShapeDtypeStruct((n, *image_shape), np.uint8)
  return bytes(export.export(jax.jit(function), platforms=PLATFORMS)(images).serialize())
