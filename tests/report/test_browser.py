"""Test the page in a headless Chromium: nothing is missing, no complaints, and the page fits a phone and a desk."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.report.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path; install it to run this")

MARGINS = """(() => {
  const boxes = [...document.querySelectorAll('h1, h2, h3, p, dl, li, figure, summary, .scroll, .wide, pre')];
  return boxes.filter(box => box.getBoundingClientRect().right > innerWidth + 0.5 && !box.closest('.scroll, .wide'))
    .map(box => box.outerHTML.slice(0, 200));
})()"""
"""Elements that overflow the window, except inside boxes that scroll."""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_missing_and_nothing_sticks_out(made: Path, browser: Browser, width: int) -> None:
    browser.open(made / "reports/index.html", width)
    assert browser.faults == []
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.ask(MARGINS) == []
    assert browser.ask("[...document.images].filter(one => !one.naturalWidth).map(one => one.src)") == []
    assert browser.ask("document.images.length") == 13


def test_a_missing_picture_would_be_seen(project: Path, browser: Browser) -> None:
    Path("reports/figures/fig5.png").unlink()
    browser.open(Path("reports/index.html"), 400)
    assert any("ERR_FILE_NOT_FOUND" in fault for fault in browser.faults)


def test_colours_follow_the_light_and_dark_scheme(made: Path, browser: Browser) -> None:
    browser.open(made / "reports/index.html", 1400, "light")
    assert browser.ask(BACKGROUND) == "rgb(251, 250, 247)"
    browser.open(made / "reports/index.html", 1400, "dark")
    assert browser.ask(BACKGROUND) == "rgb(20, 22, 25)"
    assert browser.ask("getComputedStyle(document.querySelector('.choices li')).color") == "rgb(233, 231, 226)"


def test_every_part_has_a_name_and_headings_descend_one_by_one(made: Path, browser: Browser) -> None:
    browser.open(made / "reports/index.html", 1400)
    levels = browser.ask("[...document.querySelectorAll('h1, h2, h3, h4')].map(one => +one.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
    }
    roles = {role for role, _ in named}
    assert {"main", "navigation", "banner", "contentinfo", "region", "table", "image"} <= roles
    assert not [role for role, name in named if role in ("link", "image", "region", "navigation") and not name]


def test_a_keyboard_skips_to_the_results_first(made: Path, browser: Browser) -> None:
    browser.open(made / "reports/index.html", 1400)
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.ask("document.activeElement.textContent") == "Skip to the results"
    assert browser.ask("document.activeElement.getBoundingClientRect().left") >= 0


def test_a_dark_page_prints_in_light_colours_within_the_width_of_paper(made: Path, browser: Browser) -> None:
    browser.open(made / "reports/index.html", 1400, "dark")
    browser.call(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert browser.ask("getComputedStyle(document.body).color") == "rgb(29, 29, 31)"
    # The inside of A4's margins.
    browser.call("Emulation.setDeviceMetricsOverride", width=688, height=1009, deviceScaleFactor=1, mobile=False)
    assert browser.ask("document.documentElement.scrollWidth") == 688
    assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.printed().startswith(b"%PDF")
    browser.call("Emulation.setEmulatedMedia", media="")
