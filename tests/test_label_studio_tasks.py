"""Label Studio's formats: its labelling configuration, and what spoilt exports can say."""

import contextlib
import xml.etree.ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studio import CLASSES, EXPORT, EXPORT_MIN, make_workdir

from asal_jax.errors import InputError
from asal_jax.labelling import label_studio_tasks as formats
from asal_jax.labelling import questions


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=2, unique=True))
def test_the_configuration_has_the_classes_as_they_are(names):
  if any(
    name in ("not sure", "n.a.", "?") or name != name.strip() or not name.isprintable() for name in names
  ):
    with pytest.raises(InputError, match=r"data.class_names: found"):
      formats.configuration(names)
    return
  view = xml.etree.ElementTree.fromstring(formats.configuration(names))
  assert [choice.get("value") for choice in view.iter("Choice")] == [*names, "not sure"]
  [choices], [image] = view.iter("Choices"), view.iter("Image")
  assert choices.get("toName") == image.get("name")
  assert image.get("value") == "$" + image.get("name")


@pytest.mark.parametrize(
  "names", [("cat", "cat"), ("cat", "not sure"), ("cat", ""), ("cat", "a\nb"), ("?", "cat"), ("cat", "$x")]
)
def test_class_names_that_can_not_be_told_apart_are_refused(names):
  with pytest.raises(InputError, match=r"data.class_names: found .*needed are distinct names"):
    formats.configuration(names)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
  folder = tmp_path_factory.mktemp("run")
  found = {}
  for question in make_workdir(folder / "w"):
    found |= formats.asked_images(question, questions.images_of(folder / "w", question))
  return found


def test_an_image_that_was_exchanged_is_not_labelled(known):
  for tasks in (EXPORT, EXPORT_MIN):
    for key in known:
      other = {k: image._replace(fingerprint="other") if k == key else image for k, image in known.items()}
      in_export = key in {
        (place["question"], place["image_id"]) for t in tasks for place in (t.get("meta", t),)
      }
      context = pytest.raises(InputError, match="another image") if in_export else contextlib.nullcontext()
      with context:
        formats.said(tasks, other, CLASSES, {}, "export.json")
