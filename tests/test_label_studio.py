"""Label Studio as a channel by files: what a person carries there, and what comes of the exports."""

import base64
import copy
import io
import json

import asked
import numpy as np
import pytest
from PIL import Image
from studio import CLASSES, EXPORT, EXPORT_MIN, make_workdir, open_channel, result

from asal_jax.errors import InputError
from asal_jax.labelling import questions
from asal_jax.labelling.answers import NA, UNSURE
from asal_jax.labelling.people import People
from asal_jax.labelling.questions import TEST, About

CYCLE = [("3.jpg", CLASSES[1], "1", "random", 1), ("4.jpg", CLASSES[3], "1", "random", 1)]
SAID = {
  *(("0.jpg", "cat", who, TEST, 0) for who in "12"),
  ("1.jpg", NA, "2", TEST, 0),
  ("2.jpg", UNSURE, "2", TEST, 0),
  *CYCLE,
}


def put(workdir, export, name="export.json"):
  """Where a person puts an export."""
  folder = workdir / "labels" / "label_studio"
  folder.mkdir(exist_ok=True)
  (folder / name).write_text(export if isinstance(export, str) else json.dumps(export), encoding="utf-8")
  return folder / name


def gathered(workdir):
  channel, answers = open_channel(workdir)
  channel.gather()
  return answers.lines


def shown(answers):
  return {(one.file, one.label, one.who, one.strategy, one.cycle) for one in answers}


def opened(uri):
  kind, data = uri.split(";base64,")
  image = Image.open(io.BytesIO(base64.b64decode(data)))
  assert kind == f"data:image/{image.format.lower()}"
  return image


def test_tasks_hold_the_images_and_what_the_classifier_thinks(tmp_path):
  (tmp_path / "photos").mkdir()
  halves = np.zeros((600, 1000, 3), np.uint8)
  halves[:, 500:] = 255
  turned = Image.Exif()
  turned[0x0112] = 6  # To be turned by 90 degrees to the right.
  Image.fromarray(halves).save(tmp_path / "photos" / "3.jpg", exif=turned)
  (tmp_path / "photos" / "1.jpg").write_bytes(b"no image")
  test, cycle = make_workdir(tmp_path / "run", originals=tmp_path / "photos")
  channel, _ = open_channel(tmp_path / "run")
  channel.deliver(cycle)
  channel.deliver(test)
  tasks = json.loads((tmp_path / "run/labels/random/cycle_1/label_studio.json").read_text())
  assert [(task["data"]["file"], task["data"]["image_id"]) for task in tasks] == [
    (f"{i}.jpg", i) for i in (3, 1, 4, 15)
  ]
  large = np.asarray(opened(tasks[0]["data"]["image"]).convert("L"))
  assert large.shape == (512, 307)
  assert large[:250].max() < 20
  assert large[262:].min() > 235
  small = np.asarray(opened(tasks[1]["data"]["image"]))
  np.testing.assert_array_equal(small, np.kron(asked.images([1])[0], np.ones((43, 43, 1), np.uint8)))
  for task in tasks:
    assert task["meta"] == {key: task["data"][key] for key in ("question", "image_id", "fingerprint")}
    assert task["predictions"] == [{"model_version": "asal", "score": 0.625, "result": result(CLASSES[1])}]
  first = json.loads((tmp_path / "run/labels/test/cycle_0/label_studio.json").read_text())
  assert len(first) == 8
  assert "predictions" not in first[0]


def test_an_image_of_two_channels_is_refused(tmp_path):
  asked.make_workdir(tmp_path)
  questions.post(tmp_path, asked.question(), np.zeros((4, 8, 8, 2), np.uint8))
  with pytest.raises(InputError, match="found images of 2 channels; Label Studio can show 1 or 3"):
    open_channel(tmp_path)[0].deliver(asked.question())


def test_files_ask_once_and_for_what_a_question_has_grown_by(tmp_path):
  _, cycle = make_workdir(tmp_path)
  folder = tmp_path / "labels" / "random" / "cycle_1"
  for _ in range(2):
    channel, answers = open_channel(tmp_path)
    channel.deliver(cycle)
    channel.deliver(cycle)
  assert [path.name for path in folder.glob("label_studio*")] == ["label_studio.json"]
  hint = channel.hint(cycle)
  assert "labels: 4 of 4 images of random/cycle_1 are still to be labelled; import" in hint
  for path in (
    folder / "label_studio.json",
    tmp_path / "labels/label_studio.xml",
    tmp_path / "labels/label_studio",
  ):
    assert str(path) in hint
    assert path.exists()
  put(tmp_path, EXPORT)
  channel.gather()
  tasks = [fill(task, CLASSES[1]) for task in json.loads((folder / "label_studio.json").read_text())[1:]]
  put(tmp_path, tasks, "next.json")
  channel.gather()
  assert not answers.done(cycle)
  channel.deliver(cycle)
  grown = json.loads((folder / "label_studio_2.json").read_text())
  assert [task["meta"]["image_id"] for task in grown] == [9, 2]
  assert "labels: 2 of 6 images" in channel.hint(cycle)
  assert "label_studio_2.json" in channel.hint(cycle)


def fill(task, choice, by=1, when="2026-11-25T18:30:00Z"):
  """A task as an export has it, with an annotation."""
  made = {"completed_by": by, "result": result(choice), "was_cancelled": choice is None, "updated_at": when}
  return {**task, "id": 7, "annotations": [made]}


def test_an_export_is_what_people_said_once(tmp_path):
  make_workdir(tmp_path)
  put(tmp_path, EXPORT)
  lines = gathered(tmp_path)
  assert shown(lines) == SAID
  assert len(lines) == len(SAID)
  assert {one.when for one in lines if one.file == "0.jpg"} == {
    "2026-11-25T18:09:48.089688+00:00", "2026-11-25T18:09:53.083852+00:00"
  }  # fmt: skip
  put(tmp_path, EXPORT, "again.json")
  put(tmp_path, EXPORT_MIN, "less.json")
  assert gathered(tmp_path) == lines
  channel, answers = open_channel(tmp_path)
  channel.gather()
  channel.gather()
  assert answers.lines == lines


def test_json_min_says_the_same_but_what_was_skipped(tmp_path):
  make_workdir(tmp_path)
  put(tmp_path, EXPORT_MIN)
  assert shown(gathered(tmp_path)) == {one for one in SAID if one[1] != NA}


def test_a_changed_annotation_is_a_new_answer_and_an_old_export_none(tmp_path):
  make_workdir(tmp_path)
  put(tmp_path, EXPORT)
  channel, answers = open_channel(tmp_path)
  channel.gather()
  changed = copy.deepcopy(EXPORT)
  annotation = changed[0]["annotations"][1]
  annotation.update(result=result("{{idx}}"), updated_at="2026-11-25T20:00:00.5+01:00")
  put(tmp_path, changed, "b.json")
  channel.gather()
  assert [(one.id, one.label, one.who, one.when) for one in answers.lines[len(SAID) :]] == [
    (0, "{{idx}}", "1", "2026-11-25T19:00:00.500000+00:00")
  ]
  put(tmp_path, EXPORT, "c.json")
  channel.gather()
  assert len(answers.lines) == len(SAID) + 1


def test_annotators_have_their_addresses_where_an_export_has_them(tmp_path):
  make_workdir(tmp_path)
  task = EXPORT[0]
  people = [{"id": 4, "email": "ann@example.org"}, {"id": 5, "email": ""}, "bea@example.org"]
  given = [{**task["annotations"][0], "completed_by": by} for by in people]
  put(tmp_path, [{**task, "annotations": given}])
  assert {one.who for one in gathered(tmp_path)} == {"ann@example.org", "5", "bea@example.org"}


def test_a_job_stops_and_goes_on_with_an_export(tmp_path):
  test, _ = make_workdir(tmp_path / "asked")
  about = About("pets", CLASSES)

  def labels():
    people = People(tmp_path, about, lambda answers: open_channel(tmp_path, about=about)[0])
    people.ask(test, asked.images(test.ids))
    return people.labels(TEST, 0)

  with pytest.raises(InputError, match="8 of 8 images of test/cycle_0 are still to be labelled"):
    labels()
  tasks = json.loads((tmp_path / "labels/test/cycle_0/label_studio.json").read_text())
  done = [
    fill(task, choice) for task, choice in zip(tasks, [*CLASSES, "not sure", None, "cat", "cat"], strict=True)
  ]
  put(tmp_path, done[:5])
  with pytest.raises(InputError, match="3 of 8 images"):
    labels()
  put(tmp_path, done)
  assert labels() == ([*range(8)], [0, 1, 2, 3, -1, -1, 0, 0])


def broken(change):
  tasks = copy.deepcopy(EXPORT[:1])
  return change(tasks[0]) or tasks


def meta(**changes):
  def change(task):
    task["meta"].update(changes)

  return change


def annotation(**changes):
  def change(task):
    task["annotations"][0].update(changes)

  return change


OTHER_CONTROL = [
  {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": ["cat"]}}
]


@pytest.mark.parametrize(
  ("export", "message"),
  [
    ("{", r"export.json is no JSON \(Expecting property name .* line 1 column 2"),
    ("\x00", "is no JSON"),
    ("[" * 100_000, "is no JSON"),
    ({"tasks": []}, "is no list of tasks"),
    ([7], "task number 1: found no task"),
    ([{"id": 3, "data": {"text": "x"}}], "task 3: it is not of this run.* is it of another project"),
    (broken(lambda task: task.pop("annotations") and None), "task 13: it has no annotations: is this a file to import"),
    (broken(lambda task: task.update(annotations=None)), "its annotations are None, needed is a list"),
    (broken(lambda task: task.update(annotations=[5])), "it has the annotation 5"),
    (broken(meta(question="seals/cycle_1")), "it is of another run: image 0 of question 'seals/cycle_1' was not asked"),
    (broken(meta(image_id=99)), "it is of another run: image 99"),
    (broken(meta(image_id="0")), "it has no question and image_id"),
    (broken(meta(fingerprint="0" * 16)), "is another image; give this run a project of its own"),
    (broken(annotation(result=result("dog"))), "the unknown label 'dog'; the classes of this run are cat, "),
    (broken(annotation(result=result("cat") * 2)), "has not one choice of 'label'"),
    (broken(annotation(result=[{**result("cat")[0], "value": {"choices": ["cat", "{{idx}}"]}}])), "has not one choice"),
    (broken(annotation(result=OTHER_CONTROL)), "is the labelling configuration another one"),
    (broken(annotation(result="cat")), "has the result 'cat', needed is a list"),
    (broken(annotation(completed_by=None)), "an annotation is by None"),
    (broken(annotation(completed_by="a\nb")), "an annotation is by 'a\\\\nb'"),
    (broken(annotation(updated_at="today")), "has the date 'today'; needed is ISO 8601"),
    (broken(annotation(updated_at="0001-01-01T00:00:00+10:00")), "needed is ISO 8601"),
  ],
)  # fmt: skip
def test_wrong_exports_are_told_and_add_nothing(tmp_path, export, message):
  make_workdir(tmp_path)
  path = put(tmp_path, export)
  channel, answers = open_channel(tmp_path)
  with pytest.raises(InputError, match=message) as told:
    channel.gather()
  assert f"labels: {path}" in str(told.value)
  assert not answers.lines
