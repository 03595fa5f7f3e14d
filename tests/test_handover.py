"""What a person has at the end: predictions, the classifier without this package, and the page, parsed."""

import base64
import html.parser
import io
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
import scipy.special
import scipy.stats
from finished import NASTY, Run, rows, softmax_of
from orbax import checkpoint as ocp
from PIL import Image

from asal_jax.pools.data import load_digits
from asal_jax.pools.kinds import ArrayPool


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return Run(tmp_path_factory.mktemp("run")).hand_over()


class Parsed(html.parser.HTMLParser):
  """The tags of a page with their attributes, its text, and that what is opened is closed."""

  VOID = ("meta", "img", "br", "link", "input")

  def __init__(self, page):
    super().__init__()
    self.tags, self.texts, self.open = [], [], []
    self.feed(page)
    assert self.open == []

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    if tag not in self.VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, text):
    if self.open[-1:] != ["style"]:
      self.texts.append(text)

  @property
  def text(self):
    return " ".join(" ".join(self.texts).split())


def page(run):
  return Parsed((run.workdir / "report.html").read_text(encoding="utf-8"))


def test_predictions_are_the_classifier_s_in_the_order_of_the_ids(run):
  found, wanted = rows(run.workdir), softmax_of(run)
  assert [row["file"] for row in found] == list(run.splits.files)
  assert [row["class"] for row in found] == [run.splits.class_names[k] for k in wanted.argmax(axis=1)]
  np.testing.assert_allclose([float(row["probability"]) for row in found], wanted.max(axis=1), rtol=1e-4)
  entropies = scipy.stats.entropy(wanted, axis=1)
  np.testing.assert_allclose([float(row["entropy"]) for row in found], entropies, rtol=2e-3, atol=1e-6)
  assert not list(run.workdir.glob("*.part"))


def test_the_saved_params_are_the_classifier_s(run):
  with ocp.StandardCheckpointer() as checkpointer:
    restored = checkpointer.restore((run.workdir / "classifier" / "params").absolute(), run.params)
  jax.tree.map(np.testing.assert_array_equal, restored, run.params)


def test_handing_over_again_takes_the_place_of_the_last(run, tmp_path):
  again = Run(tmp_path / "again").hand_over()
  first = (again.workdir / "predictions.csv").read_bytes()
  again.params = jax.tree.map(lambda x: 0 * x, again.params)
  again.hand_over()
  assert (again.workdir / "predictions.csv").read_bytes() != first
  with ocp.StandardCheckpointer() as checkpointer:
    restored = checkpointer.restore((again.workdir / "classifier" / "params").absolute(), run.params)
  assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(restored))


def run_example(folder, files):
  """What classify.py prints, where this package can not be imported."""
  script = folder / "classify.py"
  environment = {
    k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "JAX_DISABLE_MOST_OPTIMIZATIONS")
  }
  # -S and the paths of what is installed but of this package: an editable install is found by a .pth file.
  packages = str(pathlib.Path(np.__file__).parent.parent)
  environment["PYTHONPATH"] = packages
  absent = subprocess.run(
    [sys.executable, "-S", "-c", "import asal_jax"],
    cwd=folder,
    env=environment,
    capture_output=True,
    text=True,
  )
  assert "ModuleNotFoundError" in absent.stderr
  done = subprocess.run(
    [sys.executable, "-S", str(script), *map(str, files)],
    cwd=folder, env=environment, capture_output=True, text=True, check=True,
  )  # fmt: skip
  return done.stdout.splitlines()


def test_the_example_classifies_files_without_this_package(run, tmp_path):
  paths = []
  for i in (3, 200, 777):
    paths.append(tmp_path / f"digit {i}.png")
    Image.fromarray(np.asarray(run.splits.pool.images.read(np.array([i])))[0, ..., 0]).save(paths[-1])
  lines = run_example(run.workdir / "classifier", paths)
  table = rows(run.workdir)
  for path, line, i in zip(paths, lines, (3, 200, 777), strict=True):
    name, _, rest = line.rpartition(": ")
    label, probability = rest.split()
    assert name == str(path)
    assert label == table[i]["class"]
    assert float(probability) == pytest.approx(float(table[i]["probability"]), abs=2e-5)


def test_embeddings_are_shown_as_their_pictures_and_have_no_example(run, tmp_path):
  """The pool is of vectors, here the digits' pixels; the pictures are of another size."""
  own = Run(tmp_path / "run", labels=np.roll(run.truth[:80], 1))
  pictures = (
    np.repeat(np.asarray(own.splits.pool.images.block(0, len(run.truth))), 3, axis=3)
    .repeat(2, 1)
    .repeat(2, 2)
  )
  own.splits = own.splits._replace(pictures=ArrayPool(pictures))
  own.hand_over()
  assert not (own.workdir / "classifier" / "classify.py").exists()
  assert (own.workdir / "classifier" / "classifier.jaxexport").exists()
  sizes = {
    Image.open(io.BytesIO(base64.b64decode(a["src"].partition(",")[2]))).size
    for tag, a in page(own).tags
    if a.get("class") == "pixels"
  }
  assert sizes == {(16, 16)}
  assert "classify.py" not in page(own).text


def test_the_page_needs_no_network_and_runs_no_script(run):
  parsed = page(run)
  tags = [tag for tag, _ in parsed.tags]
  assert not {"script", "iframe", "object", "link", "base"} & {*tags}
  sources = [
    value
    for _, attributes in parsed.tags
    for key, value in attributes.items()
    if key in ("src", "href", "srcset")
  ]
  assert len(sources) > 24
  assert all(source.startswith("data:image/") for source in sources)
  style = (run.workdir / "report.html").read_text().partition("<style>")[2].partition("</style>")[0]
  assert "url(" not in style
  assert "@import" not in style
  assert not any(key.startswith("on") for _, attributes in parsed.tags for key in attributes)
  assert (run.workdir / "report.html").stat().st_size < 3e6
  assert all("alt" in attributes for tag, attributes in parsed.tags if tag == "img")


def test_the_page_says_how_to_go_on(run):
  said = page(run).text
  assert f"python {run.workdir}/classifier/classify.py PHOTO ..." in said
  assert f"python -m asal_jax.label {run.workdir} python -m asal_jax.main '--config=configs/<x>.py'" in said
  assert "'--config=configs/<x>.py' --config.loop.budget=180" in said


def test_names_are_escaped(tmp_path):
  """Of files, of people, of the run, and in commands. The first image, whose name is nasty, is labelled wrongly."""
  labels = load_digits().pool.labels[:80].copy()
  labels[0] = (labels[0] + 5) % 10
  run = Run(tmp_path / "run", labels=labels).hand_over()
  parsed = page(run)
  assert not {"script", "b-run", "x"} & {tag for tag, _ in parsed.tags}
  for said in (NASTY, "ann <i>", "a <b>run</b>", "'--config=configs/<x>.py'"):
    assert said in parsed.text
  assert any(attributes.get("alt") == NASTY for tag, attributes in parsed.tags if tag == "img")


def test_the_page_says_who_labelled_what(run):
  said = page(run).text
  counts = np.bincount(run.labels[run.labels >= 0], minlength=10)
  assert counts.sum() == 78
  assert "78 images with a label. Without one: show no class: 1, nobody could tell: 1." in said
  assert "ann <i> 80" in said
  assert "bob 3" in said  # one of them of the test set
  assert "1 label came with the images." in said
  assert "Several people answered 3 images; they agree about 2 of them (66.7 %)." in said


def test_the_page_shows_how_it_went(run):
  said = page(run).text
  assert "Accuracy on 360 test images" in said
  low, high = scipy.stats.binomtest(315, 360).proportion_ci(method="wilson")
  assert f"87.5 % ({100 * low:.1f} to {100 * high:.1f})" in said
  # Ids 50 to 59 without 55, which was rejected: the even ones were guessed rightly.
  low, high = scipy.stats.binomtest(5, 9).proportion_ci(method="wilson")
  assert f"0.200 55.6 % ({100 * low:.1f} to {100 * high:.1f})" in said
  assert "biased" in said
  charts = [attributes for tag, attributes in page(run).tags if attributes.get("class") == "chart"]
  assert len(charts) == 3


def gallery(run, heading):
  """The file names below the images of one section."""
  section = (
    (run.workdir / "report.html").read_text().partition(f"<h2>{heading}</h2>")[2].partition("</section>")[0]
  )
  return [attributes["alt"] for tag, attributes in Parsed(section).tags if tag == "img"]


def test_the_page_shows_the_most_uncertain_images_left(run):
  entropies = scipy.stats.entropy(softmax_of(run), axis=1)
  entropies[run.ids] = -1
  wanted = [run.splits.files[i] for i in np.argsort(-entropies)[:24]]
  assert gallery(run, "The most uncertain images left") == wanted


def test_without_test_set_names_and_rejected(tmp_path):
  run = Run(tmp_path / "run", tested=False, named=False, rejected=()).hand_over()
  said = page(run).text
  assert "There is no test set" in said
  assert "Every image that was asked for got one." in said
  assert [row["file"] for row in rows(run.workdir)] == [str(i) for i in range(len(run.truth))]
  assert len([1 for _, attributes in page(run).tags if attributes.get("class") == "chart"]) == 2


def test_with_labels_of_one_class(tmp_path):
  run = Run(tmp_path / "run", labels=np.full(80, 4, np.int32)).hand_over()
  said = page(run).text
  assert "Not looked for: that needs 4 labels in at least two classes" in said
  assert "4 78 100.0 %" in said
  assert {row["class"] for row in rows(run.workdir)} == {"4"}
