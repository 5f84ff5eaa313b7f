"""In a real browser, with the network cut: pages draw, answer to mouse and keyboard, and can be
read by anybody."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import pytest

PANEL = "#tab0"


@pytest.fixture
def opened(browser: Any, whole: Path) -> Any:
    browser.open(whole)
    return browser


def test_it_opens_without_errors_and_asks_for_nothing_from_anywhere(opened: Any) -> None:
    assert opened.console == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert opened.run("document.getElementById('trouble').hidden")


def test_every_picture_has_marks(opened: Any) -> None:
    marks = opened.run(
        "Object.fromEntries([...document.querySelectorAll('.picture')].map(e => [e.id,"
        "e.querySelectorAll('.mark-symbol path, .mark-rect path, .mark-line path').length]))"
    )
    assert set(marks) == {
        *(f"tab0-{name}" for name in ("accuracy", "roofline", "launches", "layers", "snr")),
        *(f"tab1-{name}" for name in ("accuracy", "roofline", "launches")),
        "tab2-cost",
    }
    assert all(count > 3 for count in marks.values()), marks


def test_no_name_becomes_markup_or_runs(opened: Any) -> None:
    assert opened.run("window.hurt") is None
    assert opened.run("document.querySelectorAll('img, td b').length") == 0
    shown = opened.run("document.querySelector('#tab0-launches-table').textContent")
    assert "</script><script>window.hurt=1</script>" in shown
    assert "it <b>fell</b> over" in shown


def test_a_script_that_somebody_adds_does_not_run(
    browser: Any, whole: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    added = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>"
    page.write_text(whole.read_text().replace("<footer>", f"<footer>{added}"))
    browser.open(page)
    assert browser.run("window.hurt") is None
    assert "Content Security Policy" in str(browser.console)


def test_a_click_on_a_mark_picks_its_row_and_a_click_on_the_row_lets_it_go(opened: Any) -> None:
    opened.click(f"{PANEL}-layers .mark-rect path:nth-of-type(4)")
    opened.until(f"document.querySelector('{PANEL}-layers-table tr.picked')")
    picked = f"{PANEL}-layers-table tr.picked"
    assert opened.run(f"document.querySelector('{picked} td').textContent") == "activation"
    assert opened.run(f"document.querySelector('{picked} .pick').ariaPressed") == "true"
    assert opened.run(
        f"document.querySelector('{PANEL}-layers').closest('figure').querySelector('details').open"
    )
    opened.click(f"{picked} td")
    opened.until(f"!document.querySelector('{picked}')")


def test_a_row_picked_by_keyboard_is_marked_in_every_picture_of_its_tab(opened: Any) -> None:
    opened.run(f"document.querySelector('{PANEL}-launches-table').closest('details').open = true")
    opened.run(f"document.querySelector('{PANEL}-launches-table .pick').focus()")
    opened.press("Enter")
    opened.until(f"document.querySelector('{PANEL}-launches-table tr.picked')")
    rows = opened.run(
        "[...document.querySelectorAll('tr.picked')].map(e => e.closest('table').id).join()"
    )
    assert rows == "tab0-accuracy-table,tab0-roofline-table,tab0-launches-table"


def test_tabs_go_by_arrows_and_one_is_seen_at_a_time(opened: Any) -> None:
    names = "[...document.querySelectorAll('[data-panel]')].filter(e => e.checkVisibility("
    seen = names + "{visibilityProperty: true})).map(e => e.id).join()"
    assert opened.run(seen) == "tab0"
    opened.run("document.querySelector('[role=tab]').focus()")
    for key, panel in (
        ("ArrowRight", "tab1"),
        ("End", "tab2"),
        ("ArrowRight", "tab0"),
        ("ArrowLeft", "tab2"),
        ("Home", "tab0"),
    ):
        opened.press(key)
        assert opened.run(seen) == panel
        assert opened.run("document.activeElement.getAttribute('aria-controls')") == panel


def test_another_model_can_be_chosen_and_both_of_its_pictures_follow(opened: Any) -> None:
    chosen = "[...document.querySelectorAll('#tab0 select')].map(e => e.selectedIndex).join()"
    opened.run(
        "(() => {const e = document.querySelector('#tab0-layers-choice'); e.selectedIndex = 1;"
        "e.dispatchEvent(new Event('change'));})()"
    )
    assert opened.run(chosen) == "1,1"
    opened.until("document.querySelector('#tab0-snr-see').textContent.startsWith('<img')")


def test_files_are_saved_as_they_were(opened: Any, whole: Path) -> None:
    opened.click("[data-save='latency.csv']")
    rows = list(csv.DictReader(io.StringIO(opened.downloaded("latency.csv").decode())))
    assert len(rows) == 21
    assert rows[0]["model"] == "asymmnet_large_100"
    opened.click("[data-save='rows.json']")
    found = json.loads(opened.downloaded("rows.json"))
    assert [row["launches"] for row in found] == [int(row["launches"]) for row in rows]
    opened.click("[data-save='runs.jsonl']")
    lines = opened.downloaded("runs.jsonl").splitlines()
    assert [json.loads(line)["launch"] for line in lines[:2]] == [0, 1]


def test_a_table_that_is_drawn_says_what_python_would(opened: Any) -> None:
    first = opened.run(
        "[...document.querySelectorAll('#tab0-layers-table tbody tr:nth-child(8) > *')]"
        ".map(e => e.textContent)"
    )
    assert first == [
        "7",
        "blocks.7",
        "activation",
        "Convolution",
        "1x8x14x14",
        "8.00",
        "0.1700",
        "9.1",
        "47.1",
        "0.20",
        "40.00",
        "118",
    ]
    assert opened.run("document.querySelector('#tab0-snr-table tr.invalid th').textContent") == "7"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_can_be_read_in_light_and_in_dark_and_by_a_screen_reader(
    browser: Any, whole: Path, dark: bool
) -> None:
    package = importlib.util.find_spec("axe_core_python")
    assert package is not None
    assert package.origin is not None
    browser.open(whole, dark=dark)
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
    browser.run("document.querySelectorAll('details').forEach(each => {each.open = true;})")
    browser.run(Path(package.origin).with_name("axe.min.js").read_text() + "; 1")
    rules = "{runOnly: ['color-contrast']}" if dark else "{}"  # all else is alike
    found = browser.run(
        f"axe.run({rules}).then(r => r.violations.map(v => v.id + ': ' + v.nodes[0].html))"
    )
    assert found == []


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, whole: Path) -> None:
    browser.open(whole, wide=360, high=740)
    assert browser.run("document.documentElement.scrollWidth") == 360
    browser.run("document.querySelectorAll('details').forEach(each => {each.open = true;})")
    assert browser.run("document.documentElement.scrollWidth") == 360
    wide = browser.run(
        "[...document.querySelectorAll('.picture svg')].filter(e => e.getBoundingClientRect().right"
        " > 360).length"
    )
    assert wide == 0


def test_printed_it_has_every_tab_and_table(opened: Any) -> None:
    opened.call("Emulation.setEmulatedMedia", media="print", features=[])
    seen = opened.run(
        "[...document.querySelectorAll('[data-panel]')].filter(e => e.checkVisibility("
        "{visibilityProperty: true})).length"
    )
    assert seen == 3
    notices = opened.run(
        "getComputedStyle(document.querySelector('td:last-child:not(.n)')).minWidth"
    )
    assert float(notices.removesuffix("px")) > 100  # else a reason is a column of single words
    printed = opened.call("Page.printToPDF", transferMode="ReturnAsStream")
    assert printed["stream"]
    assert opened.console == []
