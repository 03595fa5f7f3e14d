"""Tries the tool as a new user would, start to end: a folder of photographs, labelled by one who knows the truth.

The same command as README's, answered through the page (by its own requests), through sheets or through Label Studio's
JSON files; then the same images once more with all labels known, by the pool's oracle. The curves must be equal.

python -m experiments.your_images.trial FOLDER WORKDIR --channel=page|file|label_studio [--budget=100]

FOLDER is made by experiments.your_images.photos. Appends a line to trials.jsonl.
"""

import argparse
import csv
import json
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from asal_jax.labelling import questions
from asal_jax.labelling.answers import Answers
from asal_jax.labelling.label_studio_tasks import CONTROL, OBJECT
from asal_jax.running.workdir import surroundings
from asal_jax.store.journal import read_lines

RESULTS = pathlib.Path(__file__).parent / "trials.jsonl"


def command(folder: pathlib.Path, workdir: pathlib.Path, budget: int, *fields: str) -> list[str]:
  """What a user types; fields that come later win."""
  return [
    sys.executable, "-m", "asal_jax.main", "--config=configs/folder.py", f"--config.data.folder={folder / 'pool'}",
    f"--config.data.test_folder={folder / 'test'}", f"--config.data.class_names={','.join(classes(folder))}",
    f"--config.loop.budget={budget}", f"--workdir={workdir}", f"--cache={workdir.parent / 'cache'}", *fields,
  ]  # fmt: skip


def classes(folder: pathlib.Path) -> list[str]:
  """The class names, by the test set's folders."""
  return sorted(path.name for path in (folder / "test").iterdir())


def read_truth(folder: pathlib.Path) -> dict[str, str]:
  """The class of each file."""
  with (folder / "truth.csv").open(newline="") as file:
    return {row["file"]: row["label"] for row in csv.DictReader(file)}


def by_page(start: list[str], workdir: pathlib.Path, truth: dict[str, str]) -> float:
  """Answers through the page while the job runs: seconds until the first image was shown."""
  began, first = time.monotonic(), None
  job = subprocess.Popen(start, stderr=subprocess.PIPE, text=True)
  said: list[str] = []
  reader = threading.Thread(target=lambda: said.extend(job.stderr), daemon=True)  # pyrefly: ignore[bad-argument-type]
  reader.start()
  address = None
  while job.poll() is None:
    address = address or next(
      (found[1] for line in said if (found := re.search(r"open (http\S+)", line))), None
    )
    task = address and state(address)
    if not task:
      time.sleep(0.1)
      continue
    first = first or time.monotonic() - began
    body = {"question": task["question"], "id": task["id"], "times": task["times"]}
    send(f"{address}answer", {**body, "who": "oracle", "label": truth[task["file"]]})
  reader.join(5)
  finish(job.returncode, "".join(said))
  assert first is not None
  return first


def state(address: str) -> dict | None:
  """The image that the page shows, None where it waits or is gone."""
  try:
    with urllib.request.urlopen(f"{address}state?who=oracle", timeout=30) as reply:
      return json.load(reply)["task"]
  except (urllib.error.URLError, ConnectionError):
    return None


def send(url: str, body: dict) -> None:
  """Posts as the page does."""
  origin = re.match(r"http://[^/]+", url)
  assert origin is not None
  headers = {"Origin": origin[0], "Content-Type": "application/json"}
  with urllib.request.urlopen(
    urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30
  ) as reply:
    reply.read()


def finish(code: int, said: str) -> None:
  """Raises where a job has failed."""
  if code:
    raise RuntimeError(f"the job ended with code {code}: {said[-2000:]}")


def again_and_again(start: list[str], workdir: pathlib.Path, answer: Callable[[pathlib.Path], None]) -> float:
  """Starts the job again whenever it stops for labels: seconds until it first did."""
  began, first, last = time.monotonic(), None, ""
  while True:
    done = subprocess.run(start, stderr=subprocess.PIPE, text=True, check=False)
    first = first or time.monotonic() - began
    if done.returncode != 2:
      finish(done.returncode, done.stderr)
      return first
    said = done.stderr.splitlines()[-1]
    if said == last:
      finish(done.returncode, said)
    last = said
    answer(workdir)


def fill_sheets(workdir: pathlib.Path, truth: dict[str, str]) -> None:
  """Fills in every sheet as a person would."""
  for question in questions.posted(workdir):
    for sheet in (questions.folder_of(workdir) / question.name).glob("labels*.csv"):
      header, *rows = csv.reader(sheet.read_text().splitlines())
      files = {image: question.files[int(image.removesuffix(".png"))] for image, *_ in rows}
      with sheet.open("w", newline="") as file:
        csv.writer(file).writerows([header, *([image, truth[name]] for image, name in files.items())])


def export_tasks(workdir: pathlib.Path, truth: dict[str, str]) -> None:
  """Annotates Label Studio's tasks, and writes the export that it would."""
  folder = questions.folder_of(workdir)
  for path in folder.glob("*/cycle_*/label_studio*.json"):
    tasks = json.loads(path.read_text())
    for number, task in enumerate(tasks):
      choice = {"from_name": CONTROL, "to_name": OBJECT, "type": "choices"}
      value = {"choices": [truth[task["data"]["file"]]]}
      when = "2026-01-01T00:00:00.000000Z"
      annotation = {"id": number, "completed_by": 1, "result": [{**choice, "value": value}]}
      annotation |= {"was_cancelled": False, "created_at": when, "updated_at": when}
      task.update(id=number, annotations=[annotation])
    (folder / "label_studio").mkdir(exist_ok=True)
    (folder / "label_studio" / f"{path.parent.parent.name}_{path.parent.name}_{path.name}").write_text(
      json.dumps(tasks)
    )


def course(workdir: pathlib.Path) -> list[dict]:
  """What was chosen and how good the classifier was, cycle by cycle."""
  ids = {(r["strategy"], r["cycle"]): r["ids"] for r in read_lines(workdir / "selections.jsonl")}
  return [
    {"ids": ids[r["strategy"], r["cycle"]]} | {k: r[k] for k in ("labels", "test_accuracy", "new_entropy")}
    for r in read_lines(workdir / "metrics.jsonl")
  ]


def trial(folder: pathlib.Path, work: pathlib.Path, channel: str, budget: int) -> dict:
  """One trial: the seconds until the first image, and whether people's course is the oracle's."""
  truth = read_truth(folder)
  workdir, oracle = work / channel, work / "oracle"
  start = command(folder, workdir, budget, f"--config.labeller={channel}")
  if channel == "page":
    seconds = by_page(start, workdir, truth)
  else:
    answer = fill_sheets if channel == "file" else export_tasks
    seconds = again_and_again(start, workdir, lambda workdir: answer(workdir, truth))
  fields = ("--config.labeller=pool", f"--config.data.labels={folder / 'truth.csv'}")
  subprocess.run(command(folder, oracle, budget, *fields), check=True)
  given = Answers(workdir, tuple(classes(folder))).lines
  return {
    "folder": folder.name, "channel": channel, "images": len(truth), "answers": len(given),
    "seconds_to_first_image": round(seconds, 1), "same_as_oracle": course(workdir) == course(oracle),
    "final_accuracy": course(workdir)[-1]["test_accuracy"],
  }  # fmt: skip


if __name__ == "__main__":
  parser = argparse.ArgumentParser("experiments.your_images.trial", description=__doc__)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--channel", choices=("page", "file", "label_studio"), default="page")
  parser.add_argument("--budget", type=int, default=100)
  asked = parser.parse_args()
  found = trial(asked.folder, asked.workdir, asked.channel, asked.budget)
  with RESULTS.open("a") as lines:
    lines.write(json.dumps({**found, **surroundings()}) + "\n")
  print(found)
