"""64x64 images with binary attributes as memory-mapped arrays on disk: CelebA, or images of one's own in its place.

The format is a folder that holds, for each of the parts `train`, `validation` and `test`,

  <part>_images.npy      uint8 [n, 64, 64, 3], n > 0
  <part>_attributes.npy  uint8 [n, k], 1 where the image has the attribute, else 0

and `attributes.json`, the list of the k names, written last: a folder without it was not finished.
"""

import contextlib
import difflib
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from asal_jax import processes
from asal_jax.errors import InputError
from asal_jax.pools.arrays import open_npy
from asal_jax.pools.records import open_splits
from asal_jax.pools.sources import open_tfds, records
from asal_jax.store.checkpoint import Cache
from asal_jax.store.files import write_json
from asal_jax.store.progress import Progress
from asal_jax.types import Data, Splits

PARTS = ("train", "validation", "test")
IMAGE_SHAPE = (64, 64, 3)
CROP = 178
_NAMES = """
5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair Blurry
Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male
Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks
Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace
Wearing_Necktie Young
"""
CELEB_A_ATTRIBUTES = tuple(_NAMES.split())
"""The 40 attributes of CelebA, in the order of its list_attr_celeba.txt."""

Sample = tuple[UInt8[np.ndarray, "64 64 3"], UInt8[np.ndarray, " k"]]


class Part(NamedTuple):
  """The samples of one part, (image uint8 [64, 64, 3], attributes uint8 [k]) each, and how many there are."""

  count: int
  samples: Iterable[Sample]


def write_attributes_folder(folder: pathlib.Path, names: tuple[str, ...], parts: Mapping[str, Part]) -> None:
  """Writes a folder of the format above, one sample after the other; what it held of that format goes.

  Args:
    folder: made where it is missing.
    names: of the k attributes.
    parts: 'train', 'validation' and 'test'; the samples may be a generator, only one is held in memory.

  Raises:
    InputError: a sample of another shape or type. ValueError: there are more or fewer samples than `count`.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  (folder / "attributes.json").unlink(missing_ok=True)
  for part in PARTS:
    _write_part(folder, part, len(names), parts[part])
  write_json(folder / "attributes.json", list(names))


def _write_part(folder: pathlib.Path, name: str, k: int, part: Part) -> None:
  shapes = (IMAGE_SHAPE, (k,))
  with contextlib.ExitStack() as stack:
    # Not a memory map: a disk that is full is then an error and not a signal that kills the process.
    files = [
      stack.enter_context(_npy(folder / f"{name}_{kind}.npy", (part.count, *shape)))
      for kind, shape in zip(("images", "attributes"), shapes, strict=True)
    ]
    progress = stack.enter_context(Progress(f"writing {name} images", part.count, unit="image"))
    for i, sample in zip(range(part.count), part.samples, strict=True):
      for file, values, shape in zip(files, sample, shapes, strict=True):
        if values.dtype != np.uint8 or values.shape != shape:
          raise InputError(
            f"{name} sample {i}: found {values.dtype} {list(values.shape)}; needed is uint8 {list(shape)}"
          )
        file.write(values.tobytes())
      progress.update()


def _npy(path: pathlib.Path, shape: tuple[int, ...]) -> IO[bytes]:
  """A new .npy file of uint8 values that are to follow."""
  file = path.open("wb")
  np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
  return file


class Folder(NamedTuple):
  """What a folder of the format above holds: names, and (images, attributes) of each part as memory maps."""

  names: tuple[str, ...]
  parts: dict[str, tuple[UInt8[np.ndarray, "n 64 64 3"], UInt8[np.ndarray, "n k"]]]


def read_attributes_folder(folder: pathlib.Path) -> Folder:
  """Opens a folder of the format above; no image is read.

  Raises:
    InputError: a file is missing or broken, or not of the type, shape or values of the format.
  """
  path = pathlib.Path(folder) / "attributes.json"
  try:
    names = json.loads(path.read_bytes())
  except (OSError, ValueError, RecursionError) as error:
    raise InputError(
      f"data.folder: can not read {path} ({error}); it is written last, so without it a folder is unfinished: "
      "write it again with asal_jax.pools.attributes.write_attributes_folder"
    ) from error
  if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
    raise InputError(f"data.folder: {path} holds {names!r:.200}; needed is a list of the attributes' names")
  if len({*names}) < len(names):
    raise InputError(f"data.folder: {path} names an attribute twice: {', '.join(names):.200}")
  return Folder(tuple(names), {part: _read_part(path.parent, part, len(names)) for part in PARTS})


def _read_part(
  folder: pathlib.Path, name: str, k: int
) -> tuple[UInt8[np.ndarray, "n 64 64 3"], UInt8[np.ndarray, "n k"]]:
  images = _open(folder / f"{name}_images.npy", IMAGE_SHAPE)
  attributes = _open(folder / f"{name}_attributes.npy", (k,))
  if len(images) != len(attributes):
    raise InputError(
      f"data.folder: {folder} has {len(images)} {name} images and attributes of {len(attributes)}; "
      "needed are as many"
    )
  if attributes.max() > 1:
    raise InputError(
      f"data.folder: found {attributes.max()} in {folder / name}_attributes.npy; allowed are 0 and 1"
    )
  return images, attributes


def _open(path: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray:
  """The memory map of an array uint8 [n, *shape]."""
  needed = f"needed is uint8 [{', '.join(str(side) for side in ('n', *shape))}], n above 0"
  array = open_npy(path, "data.folder", needed)
  if array.dtype != np.uint8 or array.shape[1:] != shape or array.ndim != len(shape) + 1 or not len(array):
    raise InputError(f"data.folder: {path} is {array.dtype} {list(array.shape)}; {needed}")
  return array


def attribute_splits(folder: pathlib.Path, attribute: str) -> Splits:
  """Two classes, without and with `attribute`, from a folder of the format above.

  The images stay memory maps uint8 [n, 64, 64, 3]; labels int32 [n], 1 = with.

  Raises:
    InputError: as `read_attributes_folder`, or there is no such attribute.
  """
  names, parts = read_attributes_folder(folder)
  if attribute not in names:
    near = difflib.get_close_matches(attribute, names, 1)
    raise InputError(
      f"data.attribute: found {attribute!r}; allowed are {', '.join(names)}"
      f"{f', did you mean {near[0]!r}?' if near else ''}"
    )
  column = names.index(attribute)
  data = {
    part: Data(images, attributes[:, column].astype(np.int32)) for part, (images, attributes) in parts.items()
  }
  return Splits(data["train"], data["test"], class_names(attribute), data["validation"])


def class_names(attribute: str) -> tuple[str, str]:
  """How the classes without and with an attribute are shown."""
  shown = attribute.replace("_", " ").lower()
  return f"no {shown}", shown


def crop_and_resize(image: UInt8[np.ndarray, "218 178 3"]) -> UInt8[np.ndarray, "64 64 3"]:
  """The central 178x178 of an aligned CelebA image, resized to 64x64 (Pillow's bilinear filter with antialiasing).

  178 is the full width. A crop of 108x108 is common too, but it cuts hats off.
  """
  top, left = ((side - CROP) // 2 for side in image.shape[:2])
  square = Image.fromarray(np.ascontiguousarray(image[top : top + CROP, left : left + CROP]))
  return np.array(square.resize(IMAGE_SHAPE[:2], Image.Resampling.BILINEAR))


def _celeb_a_samples(source: Any) -> Iterator[Sample]:
  for record in records("celeb_a", source):
    attributes = [record["attributes"][name] for name in CELEB_A_ATTRIBUTES]
    yield celeb_a_image(record), np.array(attributes, np.uint8)


def decode_celeb_a(cache: pathlib.Path) -> pathlib.Path:
  """The cache folder with CelebA in the format above, made there once (202,599 images, 2.5 GB) and then kept.

  Raises:
    InputError: as `open_tfds`.
  """
  made_from = {"tfds": "celeb_a", "crop": CROP, "filter": "bilinear", "size": list(IMAGE_SHAPE)}

  @processes.by_writer
  def keep(folder: pathlib.Path) -> None:
    sources = open_tfds("celeb_a", PARTS)
    parts = {
      part: Part(len(source), _celeb_a_samples(source)) for part, source in zip(PARTS, sources, strict=True)
    }
    write_attributes_folder(folder, CELEB_A_ATTRIBUTES, parts)

  return Cache(cache).once("celeb_a", made_from, keep)


def celeb_a_image(record: dict[str, Any]) -> UInt8[np.ndarray, "64 64 3"]:
  """The image of a CelebA record at 64x64."""
  return crop_and_resize(record["image"])


def load_celeb_a(attribute: str, folder: str, cache: pathlib.Path, store: str = "decoded") -> Splits:
  """CelebA (Liu et al. 2015) as the two classes without and with `attribute`, by its official split.

  162,770 pool, 19,867 validation and 19,962 test images uint8 [n, 64, 64, 3] (see `crop_and_resize`), as memory
  maps. They come from `folder` where it is given, with images of one's own in the format above, else from TFDS
  by way of the cache, or with `store` 'records' as a `RecordPool`.

  Raises:
    InputError: as `attribute_splits`, `decode_celeb_a` and `open_splits`.
  """
  if store == "records":
    return open_splits(
      "celeb_a", ("train", "test", "validation"), class_names(attribute), cache, celeb_a_image,
      lambda record: int(record["attributes"][attribute]), attribute,
    )  # fmt: skip
  return attribute_splits(pathlib.Path(folder) if folder else decode_celeb_a(cache), attribute)
