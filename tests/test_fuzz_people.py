"""What people say, fuzzed: sheets, Label Studio's exports, questions and answers on disk."""

import copy
import io
import json
import re
import zlib

import numpy as np
from fuzz import damaged, fuzzed, read
from hypothesis import strategies as st
from spelt import MEANT, NAMES, WRONG, written
from studio import EXPORT, EXPORT_MIN, make_workdir, open_channel

from asal_jax.labelling import questions
from asal_jax.labelling import sheet as sheets
from asal_jax.labelling.answers import COLUMNS, NA, UNSURE, Answer, Answers
from asal_jax.labelling.questions import START, About, Question
from asal_jax.store.files import sealed

JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
  | st.sampled_from(["cat", "not sure", "dog", "test/cycle_0", "random/cycle_1", 0, 3, "label", "2026-01-01"]),
  lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
  max_leaves=6,
)  # fmt: skip


def places(value, path=()):
  """The paths of everything within a JSON value."""
  yield path
  if isinstance(value, dict | list):
    for key in value if isinstance(value, dict) else range(len(value)):
      yield from places(value[key], (*path, key))


@st.composite
def spoilt(draw, export):
  """An export in which some values were replaced, taken away or exchanged."""
  tasks = copy.deepcopy(export)
  for _ in range(draw(st.integers(1, 4))):
    *path, last = draw(st.sampled_from([path for path in places(tasks) if path]))
    inside = tasks
    for key in path:
      inside = inside[key]
    action = draw(st.sampled_from(["replace", "remove", "copy"]))
    if action == "replace":
      inside[last] = draw(JSON)
    elif action == "remove":
      del inside[last]
    else:
      *other, end = draw(st.sampled_from([path for path in places(tasks) if path]))
      source = tasks
      for key in other:
        source = source[key]
      inside[last] = copy.deepcopy(source[end])
    if not tasks:
      break
  return tasks


def says(tasks, answer):
  """Whether an export has an annotation of this label in a task of this image, read in the plainest way."""
  for task in tasks:
    keys = [key for key in (task.get("meta"), task.get("data"), task) if isinstance(key, dict)]
    wanted = (f"{answer.strategy}/cycle_{answer.cycle}", answer.id)
    if not any((key.get("question"), key.get("image_id")) == wanted for key in keys):
      continue
    for one in task.get("annotations", [task]):
      chosen = "not sure" if answer.label == UNSURE else answer.label
      if answer.label == NA and one.get("was_cancelled") is True:
        return True
      if one is task and task.get("label") == chosen:
        return True
      for part in one.get("result") or []:
        value = part.get("value") if isinstance(part, dict) else None
        if isinstance(value, dict) and value.get("choices") == [chosen]:
          return True
  return False


@st.composite
def export(draw):
  """The bytes of an export."""
  tasks = draw(
    st.sampled_from([EXPORT, EXPORT_MIN]).flatmap(
      lambda whole: st.one_of(st.just(whole), spoilt(whole)) | JSON
    )
  )
  whole = json.dumps(tasks, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
  return draw(st.one_of(st.just(whole), st.just(whole), damaged(st.just(whole))))


@fuzzed(80, 2500, st.one_of(export(), export(), st.binary(max_size=40), st.just(b"[" * 100_000)))
def test_an_export_is_told_or_says_no_wrong_label(folder, data):
  workdir = folder / "w"
  if not workdir.exists():
    make_workdir(workdir)
    (workdir / "labels" / "label_studio").mkdir()
  (workdir / "answers.jsonl").unlink(missing_ok=True)
  path = workdir / "labels" / "label_studio" / "export.json"
  path.write_bytes(data)
  channel, answers = open_channel(workdir)
  found = read(lambda: channel.gather() or answers.lines, rf"^labels: {re.escape(str(path))}(: task| is no)")
  for answer in found or ():
    assert says(json.loads(data), answer)
    assert answer.label in (*answers.class_names, NA, UNSURE)
  # What was refused leaves nothing behind, what was read is read again.
  assert (workdir / "answers.jsonl").exists() == bool(found)
  assert Answers(workdir, answers.class_names).lines == (found or [])
  return bool(found)


IDS = tuple(range(5))
ABOUT = About("pets", NAMES, "", 1)
ASKED = Question("gaal", 3, IDS, tuple(f"{i}.jpg" for i in IDS), len(IDS))
IMAGES = np.stack([np.full((4, 4, 1), 9 * i, np.uint8) for i in IDS])
FILES = tuple(f"{i}.png" for i in IDS)


@st.composite
def filled_in(draw):
  """(rows below the header, the bytes of the sheet): one image, mostly, has one answer, in any order."""
  said = [(file, draw(st.sampled_from([*MEANT]))) for file in draw(st.permutations(FILES))]
  kind = draw(st.sampled_from(["whole", "whole", "wrong", "twice", "missing", "other", "more"]))
  at = draw(st.integers(0, len(said) - 1))
  if kind == "wrong":
    said[at] = (said[at][0], draw(st.sampled_from(WRONG) | st.text(max_size=5)))
  if kind == "twice":
    said.insert(at, (draw(st.sampled_from(FILES)), draw(st.sampled_from([*MEANT]))))
  if kind == "missing":
    del said[at]
  if kind == "other":
    said[at] = (
      draw(st.sampled_from(["5.png", "00.png", "0", "../0.png", "0.PNG", "1e0.png", "\u0661.png"])),
      said[at][1],
    )
  rows = [["image", "label"], *map(list, said)]
  if kind == "more":
    rows[at].append("more")
  return said, kind, written(
    rows, draw(st.sampled_from(",;\t")), draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans())
  )  # fmt: skip


def sheet_said(folder, data):
  """id -> what is answered of it by the sheet of a question; None where the sheet is refused, by its line."""
  workdir = folder / "w"
  if not workdir.exists():
    questions.announce(workdir, ABOUT)
    questions.post(workdir, ASKED, IMAGES)
    sheets.make_channel(workdir, ABOUT, Answers(workdir, NAMES)).deliver(ASKED)
    where = workdir / "labels" / ASKED.name
    for name in (
      "labels copy.csv",
      "labels_x.csv",
      "labels_\u0661.csv",
      "labels (1).csv",
      "x.png",
      "0 (1).png",
      "\u0661.png",
    ):
      (where / name).write_bytes(b"not ours")
  (workdir / "answers.jsonl").unlink(missing_ok=True)
  path = workdir / "labels" / ASKED.name / "labels.csv"
  path.write_bytes(data)
  answers = Answers(workdir, NAMES)
  gather = sheets.make_channel(workdir, ABOUT, answers).gather
  found = read(lambda: gather() or answers.lines, rf"^labels: {re.escape(str(path))}: .*line")
  return None if found is None else {answer.id: answer.label for answer in found}


@fuzzed(60, 1500, filled_in(), fewest=0.2)
def test_a_sheet_is_read_as_it_is_meant_or_refused(folder, made):
  said, kind, data = made
  known = all(label in MEANT or label.strip() in ("", *MEANT) for _, label in said)
  truth = None
  if known and sorted(file for file, _ in said) == [*FILES] and kind != "more":
    meant = {int(file[0]): MEANT.get(label, MEANT.get(label.strip())) for file, label in said}
    truth = {i: label for i, label in meant.items() if label is not None}
  assert sheet_said(folder, data) == truth
  return truth is not None


SHEETS = filled_in().map(lambda made: made[2])


@fuzzed(40, 1000, st.one_of(SHEETS, damaged(SHEETS), damaged(SHEETS), st.binary(max_size=60)))
def test_a_damaged_sheet_gives_no_label_that_it_does_not_say(folder, data):
  found = sheet_said(folder, data)
  text = data.decode("utf-8-sig").casefold().replace('""', '"') if found else ""
  assert all(FILES[i] in text and label.casefold() in text for i, label in (found or {}).items())
  return found is not None


LINES = [
  Answer(i, f"{i}.jpg", label, "ann", "2026", "gaal", 3)._asdict()
  for i, label in enumerate((*NAMES[:3], NA, None))
]
LINES += [Answer(None, "", None, "bob", "2026", START, 0)._asdict()]


@st.composite
def journal(draw):
  """Lines of answers, some of them spoilt, torn or of other JSON."""
  lines = draw(st.one_of(st.just(LINES), spoilt(LINES), st.permutations(LINES), st.lists(JSON, max_size=3)))
  sums = draw(st.sampled_from([st.just(False), st.just(True), st.booleans()]))
  written = [
    sealed(line) if isinstance(line, dict) and line and draw(sums) else json.dumps(line) for line in lines
  ]
  data = "".join(line + "\n" for line in written).encode("utf-8", "replace")
  return draw(st.one_of(st.just(data), damaged(st.just(data))))


def answer_of(said):
  """Whether a value of JSON is an answer, in the plainest way."""
  if not isinstance(said, dict) or {*said} != {"id", "cycle", *COLUMNS}:
    return False
  words = all(type(said[name]) is str for name in ("file", "who", "when", "strategy"))
  numbers = type(said["cycle"]) is int and (said["id"] is None or type(said["id"]) is int)
  return words and numbers and said["label"] in (*NAMES, NA, UNSURE, None)


@fuzzed(80, 2500, journal(), fewest=0.2)
def test_answers_are_those_that_stand_there_or_the_line_is_named(folder, data):
  (folder / "answers.jsonl").write_bytes(data)
  path = re.escape(str(folder / "answers.jsonl"))
  found, truth = read(lambda: Answers(folder, NAMES).lines, rf"^labels: {path}: line \d+ "), []
  summed = False
  for line in data.split(b"\n")[:-1]:
    whole = line[-20:] == f', "sum": "{zlib.crc32(line[:-20]):08x}"}}'.encode()
    summed |= whole
    try:
      said = json.loads(line[:-20] + b"}" if whole else line)
    except ValueError:
      continue  # Torn.
    if not isinstance(said, dict) or (not whole and ("sum" in said or summed)):
      continue  # Damaged.
    if not answer_of(said):
      truth = None
      break
    truth.append(said)
  assert truth == (None if found is None else [answer._asdict() for answer in found])
  return found is not None


@fuzzed(80, 2500, damaged(st.just("".join(sealed(line) + "\n" for line in LINES).encode())))
def test_answers_with_a_checksum_are_read_as_they_were_written_or_not_at_all(folder, data):
  (folder / "answers.jsonl").write_bytes(data)
  whole = [sealed(line).encode() for line in LINES]
  kept = [LINES[whole.index(line)] for line in data.split(b"\n")[:-1] if line in whole]
  # What is spoilt so that it reads as a line without a checksum, before any that has one, stops with its line.
  found = read(
    lambda: Answers(folder, NAMES).lines, r"answers.jsonl: line 1 (is no answer|has the unknown class)"
  )
  assert found is None or [answer._asdict() for answer in found] == kept
  return kept == LINES


WORD = ASKED._replace(probabilities=((0.5, 0.2, 0.1, 0.1, 0.1),) * len(IDS))._asdict()


@st.composite
def posted(draw):
  """(question.json, about.json, images.npy) of a workdir, one of which may be spoilt."""
  images, buffer = (
    draw(st.sampled_from([IMAGES, IMAGES, IMAGES[:3], IMAGES[..., 0], IMAGES.astype("f4")])),
    io.BytesIO(),
  )
  np.save(buffer, images)
  files = [json.dumps(WORD).encode(), json.dumps(ABOUT._asdict()).encode(), buffer.getvalue()]
  k = draw(st.integers(0, 2))
  record = (WORD, ABOUT._asdict())[min(k, 1)]
  if k < 2 and draw(st.booleans()):
    files[k] = json.dumps(draw(st.one_of(spoilt(record), JSON))).encode()
  elif draw(st.booleans()):
    files[k] = draw(damaged(st.just(files[k])))
  return files


@fuzzed(60, 1500, posted())
def test_questions_are_what_was_written_or_the_file_is_named(folder, files):
  where = folder / "labels" / ASKED.name
  where.mkdir(parents=True, exist_ok=True)
  for path, data in zip(
    (where / "question.json", folder / "labels" / "about.json", where / "images.npy"), files, strict=True
  ):
    path.write_bytes(data)

  def look():
    [question] = questions.posted(folder)
    return question, questions.read_about(folder), np.array(questions.images_of(folder, question))

  found = read(look, rf"^labels: .*{re.escape(str(folder / 'labels'))}")
  if found is not None:
    question, about, images = found
    assert json.loads(json.dumps(question._asdict())) == WORD | json.loads(files[0])
    assert json.loads(json.dumps(about._asdict())) == ABOUT._asdict() | json.loads(files[1])
    np.testing.assert_array_equal(images, np.load(io.BytesIO(files[2])))
    assert question.name == ASKED.name
    assert images.shape == (len(question.files), *images.shape[1:])
  return found is not None
