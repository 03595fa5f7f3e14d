"""Pieces of HTML: what comes in as text is escaped, pictures are within the page."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

SIDE = 96
"""Pixels that the shorter side of an image has on the page at least; small ones are enlarged by a whole number."""

LARGEST = 160
"""Pixels of the longer side of an image that is kept; larger ones are made smaller."""

AS_PNG = 64
"""Sides up to which an image is kept exactly, else as JPEG."""


class Shown(NamedTuple):
  """An image of a gallery, what it is called and what is said below it."""

  image: UInt8[np.ndarray, "h w c"]
  file: str
  lines: tuple[str, ...]


def text(value: Any) -> str:
  """Escaped, for attributes too; what is no UTF-8 in a file's name is a question mark."""
  return html.escape(str(value).encode("utf-8", "replace").decode())


def paragraph(sentence: str, quiet: bool = False) -> str:
  """A paragraph of plain text."""
  return f"<p{' class=quiet' * quiet}>{text(sentence)}</p>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  """A table that scrolls where it is too wide, of cells that are HTML; the first of a row is its name."""
  names = "".join(f"<th scope=col>{name}</th>" for name in head)
  body = "".join(
    f"<tr><th scope=row>{first}</th>{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>\n"
    for first, *rest in rows
  )
  return f"<div class=wide tabindex=0><table><thead><tr>{names}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"


def gallery(shown: Sequence[Shown]) -> str:
  """Images in a grid."""
  items = "".join(
    f"<li>{thumbnail(one.image, one.file)}{''.join(f'<span>{text(line)}</span>' for line in one.lines)}"
    f"<span class=quiet>{text(one.file)}</span></li>\n"
    for one in shown
  )
  return f"<ul class=gallery>{items}</ul>\n" if shown else ""


def thumbnail(image: UInt8[np.ndarray, "h w c"], file: str) -> str:
  """An <img> with the image in it: small ones exactly, and enlarged by a whole number where they are shown."""
  from PIL import Image

  picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
  picture.thumbnail((LARGEST, LARGEST))
  scale = max(1, -(-SIDE // min(picture.size)))
  kind, options = ("png", {}) if max(picture.size) <= AS_PNG else ("jpeg", {"quality": 85})
  buffer = io.BytesIO()
  picture.save(buffer, kind, **options)
  width, height = (scale * side for side in picture.size)
  look = "pixels" if scale > 1 else "photo"
  size = f"width={width} height={height}"
  return f'<img class={look} {size} alt="{text(file)}" src="{data(buffer.getvalue(), kind)}">'


def data(content: bytes, kind: str) -> str:
  """The address of a picture that is within the page."""
  return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
