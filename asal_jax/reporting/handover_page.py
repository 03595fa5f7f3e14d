"""report.html: one page, with everything in it, that opens without a network."""

import pathlib
import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from asal_jax.reporting import charts
from asal_jax.reporting.facts import Cycle, Labelling, Share
from asal_jax.reporting.markup import Shown, data, gallery, paragraph, table, text


class Page(NamedTuple):
  """What the page says. `accuracy`: of the classifier on the test set, None without one; `predicted`: the pool's images
  of each predicted class; `doubts`: a sentence on the images `doubted`; `steps`: (what for, command)."""

  title: str
  class_names: tuple[str, ...]
  pool: int
  accuracy: Share | None
  labelling: Labelling
  cycles: Sequence[Cycle]
  predicted: tuple[int, ...]
  uncertain: Sequence[Shown]
  doubts: str
  doubted: Sequence[Shown]
  steps: Sequence[tuple[str, str]]
  setting: Mapping[str, str]


def write(page: Page) -> str:
  """The whole page."""
  template = (pathlib.Path(__file__).parent / "handover.html").read_text(encoding="utf-8")
  return string.Template(template).substitute(
    title=text(page.title),
    lead=text(f"What {_count(sum(page.labelling.counts), 'label')} made of {_count(page.pool, 'image')}."),
    numbers=_numbers(page),
    labelled=_labelled(page.labelling),
    course=_course(page.cycles, page.accuracy),
    shares=_shares(page),
    uncertain=_uncertain(page.uncertain),
    mistakes=paragraph(page.doubts) + gallery(page.doubted),
    steps="".join(f"<h3>{text(what)}</h3>\n<pre>{text(command)}</pre>\n" for what, command in page.steps),
    setting=_setting(page.setting),
  )


def _count(n: int, what: str) -> str:
  return f"{n:,} {what}{'s' * (n != 1)}"


def _percent(share: float) -> str:
  return f"{100 * share:.1f} %"


def _interval(share: Share | None) -> str:
  """A share and its interval."""
  if share is None:
    return ""
  return f"{_percent(share.hits / share.n)} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _numbers(page: Page) -> str:
  """The few numbers that matter most."""
  tested = page.accuracy
  without = page.labelling.rejected + page.labelling.unsure + page.labelling.undecided
  shown = {
    "labels": f"{sum(page.labelling.counts):,}",
    "asked for, without a label": f"{without:,}",
    "images in the pool": f"{page.pool:,}",
    "test accuracy" if tested else "test set": _percent(tested.hits / tested.n) if tested else "none",
  }
  return "<ul class=numbers>" + "".join(f"<li><b>{n}</b>{what}</li>" for what, n in shown.items()) + "</ul>"


def _labelled(found: Labelling) -> str:
  """Who said what."""
  reasons = {
    "show no class": found.rejected, "nobody could tell": found.unsure, "people disagree": found.undecided
  }  # fmt: skip
  told = ", ".join(f"{why}: {n}" for why, n in reasons.items() if n)
  end = f"Without one: {told}." if told else "Every image that was asked for got one."
  parts = [paragraph(f"{_count(sum(found.counts), 'image')} with a label. {end}")]
  if found.known:
    parts.append(paragraph(f"{_count(found.known, 'label')} came with the images."))
  if found.people:
    rows = [(text(who), f"{n:,}") for who, n in found.people.items()]
    parts.append(table(("who", "images answered"), rows))
  if found.several:
    share = _percent(found.same / found.several)
    parts.append(
      paragraph(
        f"Several people answered {_count(found.several, 'image')}; they agree about {found.same} of them ({share})."
      )
    )
  return "".join(parts)


def _course(cycles: Sequence[Cycle], accuracy: Share | None) -> str:
  """The curves, and their numbers."""
  test = "" if accuracy is None else _count(accuracy.n, "test image")
  drawn = {
    f"Accuracy on {test}; bars: 95 % Wilson intervals.": charts.chart(
      cycles, lambda c: c.accuracy, "test accuracy", whole=False
    ),
    "Mean entropy of the new images under the classifier that chose them: how unsure it was.": charts.chart(
      cycles, lambda c: c.entropy, "entropy (nats)", whole=False
    ),
    "How often the label was the class that the classifier had predicted; bars: 95 % Wilson intervals. This is biased, "
    "and no accuracy: the images were chosen because the classifier was unsure of them.": charts.chart(
      cycles, lambda c: c.agreement, "agreement", whole=True
    ),
  }  # fmt: skip
  items = "".join(
    f'<li><img class=chart src="{data(png, "png")}" alt="{text(caption)}">{paragraph(caption, quiet=True)}</li>\n'
    for caption, png in drawn.items()
    if png is not None
  )
  if accuracy is None:
    told = (
      "There is no test set, so the accuracy is not known. Nothing below takes its place: only images that were chosen "
      "at random tell how good the classifier is."
    )
  else:
    told = f"The classifier is right about {accuracy.hits:,} of {test}: {_interval(accuracy)}, a 95 % Wilson interval."
  several = len({one.strategy for one in cycles}) > 1
  rows = [
    (
      *(text(one.strategy),) * several, str(one.cycle), f"{one.labels:,}", _interval(one.accuracy),
      "" if one.entropy is None else f"{one.entropy:.3f}", _interval(one.agreement),
    )
    for one in cycles
  ]  # fmt: skip
  head = (*("strategy",) * several, "cycle", "asked for", "test accuracy", "entropy", "agreement")
  numbers = f"<details><summary>Every cycle in numbers</summary>\n{table(head, rows)}</details>\n"
  return paragraph(told) + f"<ul class=charts>{items}</ul>\n" * bool(items) + numbers


def _shares(page: Page) -> str:
  """The classes of the labels, and of the predictions of the whole pool."""
  given, found = page.labelling.counts, page.predicted
  shares = [[n / max(1, sum(counts)) for n in counts] for counts in (given, found)]
  largest = max(max(side) for side in shares) or 1
  rows = []
  for name, m, n, *both in zip(page.class_names, given, found, *shares, strict=True):
    bars = "".join(f'<i style="width:{100 * share / largest:.1f}%"></i>' for share in both)
    a, b = (_percent(share) for share in both)
    rows.append((text(name), f"{m:,}", a, f"{n:,}", b, f"<span class=bars>{bars}</span>"))
  head = ("class", "<i class=key></i> labels", "", '<i class="key other"></i> predicted', "", "")
  told = (
    "Labels are of the images that were asked for, predictions of the whole pool. Neither are the pool's true shares: "
    "the first were chosen, the second are as wrong as the classifier is."
  )
  return paragraph(told) + table(head, rows)


def _uncertain(shown: Sequence[Shown]) -> str:
  if not shown:
    return paragraph("Every image of the pool was asked for.")
  told = "Of the images that were not asked for, those of the largest entropy; predictions.csv has all."
  return paragraph(told) + gallery(shown)


def _setting(setting: Mapping[str, str]) -> str:
  rows = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>\n" for name, value in setting.items())
  return f"<dl class=setting>{rows}</dl>\n"
