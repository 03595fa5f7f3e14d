"""A headless Chromium that is driven by keys, for the tests of the page."""

import shutil
import time

import pytest

PATIENCE = 60
"""Seconds until a page on a busy machine counts as stuck."""

FLAGS = (
  *("headless", "no-sandbox", "disable-gpu", "disable-quic", "disable-dev-shm-usage", "no-first-run"),
  *("disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions"),
)

SHOWN = """
const image = document.getElementById('image');
const busy = document.getElementById('work').getAttribute('aria-busy') !== 'false';
return busy ? null : [image.hidden ? null : image.getAttribute('src')];
"""

CONTROLS = """
return [...document.querySelectorAll('button, input, progress, main, section, [role=group]')]
  .filter((one) => one.checkVisibility());
"""

CONTRAST = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => {
  const [r, g, b] = parts(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const below = (one) => {
  for (let up = one; up; up = up.parentElement) {
    const colour = getComputedStyle(up).backgroundColor;
    if ((parts(colour)[3] ?? 1) > 0) return colour;
  }
  return 'rgb(255, 255, 255)';
};
const own = (one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
return [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && own(one)).map((one) => {
  const pair = [light(getComputedStyle(one).color), light(below(one))].sort((a, b) => b - a);
  return [one.textContent.trim(), (pair[0] + 0.05) / (pair[1] + 0.05)];
});
"""


def start(profile):
  """A WebDriver of Debian's Chromium, skipped where there is none."""
  browser, driver = (
    next(filter(None, map(shutil.which, names)), None)
    for names in [("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)]
  )
  if not browser or not driver:
    pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
  # Imported here: a plain run of the tests need not pay for it.
  from selenium import webdriver
  from selenium.webdriver.chrome.service import Service

  options = webdriver.ChromeOptions()
  options.binary_location = browser
  for flag in (*FLAGS, f"user-data-dir={profile}"):
    options.add_argument(f"--{flag}")
  options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
  return webdriver.Chrome(options=options, service=Service(driver))


class Page:
  """What a person does at the page, and sees there."""

  def __init__(self, driver):
    self.driver = driver

  def open(self, address, name="ann"):
    """Opens the page under a name, as a new visitor."""
    self.driver.get("about:blank")
    self.driver.get(f"{address}#name={name}" if name else address)
    if name:
      self.ready()

  def size(self, width, height):
    """Sets the window's inner size."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

  def scheme(self, name):
    """Sets whether the person prefers dark or light."""
    feature = {"name": "prefers-color-scheme", "value": name}
    self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

  def run(self, script, *args):
    """Runs JavaScript in the page."""
    return self.driver.execute_script(script, *args)

  def find(self, name):
    """An element by its id."""
    return self.run("return document.getElementById(arguments[0])", name)

  def text(self, name):
    """What an element says."""
    return self.find(name).text

  def shown(self):
    """(question, id) of the image that is shown when the page takes keys, None where there is none."""
    source = self.until(lambda: self.run(SHOWN), "an image")[0]
    if source is None:
      return None
    _, strategy, cycle, image = source.split("/")
    return f"{strategy}/{cycle}", int(image)

  def until(self, true, what):
    """Waits until something is true."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
      if time.monotonic() > end:
        pytest.fail(f"{what} did not happen; the page says: {self.find('work').text}")
      time.sleep(0.02)
    return found

  def ready(self):
    """Waits until the page takes keys."""
    self.until(lambda: self.run(SHOWN), "an image")

  def press(self, *keys):
    """Presses keys one after the other, each when the page takes it."""
    for key in keys:
      self.type(key)
      self.ready()

  def type(self, key):
    """Presses a key where the focus is."""
    self.driver.switch_to.active_element.send_keys(key)

  def overflow(self):
    """Pixels by which the page is wider than its window."""
    return self.run("const d = document.documentElement; return Math.max(0, d.scrollWidth - d.clientWidth)")

  def places(self):
    """Where the image and the buttons are."""
    return self.run(
      "return [...document.querySelectorAll('#shown .frame, #classes button, #commands button')]"
      ".filter((one) => one.checkVisibility())"
      ".map((one) => { const b = one.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })"
    )
