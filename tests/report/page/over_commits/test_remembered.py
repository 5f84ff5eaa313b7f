"""A page carries the part of a history that it shows, and is made again from that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curves import lines_of_curves
from asymm_deploy.errors import NumericsError, UsageError
from asymm_deploy.history.history_series import HISTORY_UNITS, history_series
from asymm_deploy.history.history_store import HistoryStore, opened_store
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page.over_commits import remembered as room
from asymm_deploy.report.page.over_commits.history_pictures import history_pictures
from asymm_deploy.report.page.over_commits.remembered import history_in, remembered
from asymm_deploy.report.page.page_sources import sources_of, sources_with_history
from asymm_deploy.report.page.verify_page import verified
from asymm_deploy.report.page.write_page import PageRequest, made_page
from tests.made_cold import cold_record
from tests.made_curves import made_curve
from tests.made_history import (
    cost,
    decision,
    lasting,
    launches,
    made_store,
    noisy,
    size,
    starts,
    told_commit,
    top1,
)
from tests.report.page.conftest import Launch, lines_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> HistoryStore:
    """A store of two models, of which one has a step that was accepted, and another that wasn't."""
    values = noisy({0: 10, 6: 11}, 12, seed=1)
    rows = [row for number, ms in enumerate(values) for row in launches(number, ms)]
    rows += launches(0, 3.0, model="other", device="phone")
    return opened_store(
        made_store(
            tmp_path_factory.mktemp("remembered") / "store",
            {
                "launches": rows,
                "cold": [row for number in range(12) for row in starts(number, values[number])],
                "sustained": [lasting(number, 12.0) for number in range(12)],
                "costs": [cost(number, 1000 + (number > 5)) for number in range(12)],
                "sizes": [size(number, 1000 + 20 * (number > 5)) for number in range(12)],
                "accuracies": [top1(number, 60.0) for number in range(12)],
                "accepted": [decision(7, up_to_percent=15.0)],
            },
        )
    )


def test_what_is_carried_is_what_the_store_says(store: HistoryStore) -> None:
    found = history_in(remembered(store, {"net"}), Path("history.json"))
    assert found.folder == "store"
    assert list(found.series) == [
        each for metric in HISTORY_UNITS for each in history_series(store, metric, model="net")
    ]
    assert [each.reason for each in found.accepted] == ["it sees better"]


def test_models_that_the_store_does_not_have_are_told(store: HistoryStore) -> None:
    with pytest.raises(UsageError, match="none of the models") as caught:
        remembered(store, {"nett"})
    assert "there is: net, other" in caught.value.hint


def test_of_many_commits_the_last_are_carried_and_that_is_said(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_MOST_COMMITS", 5)
    monkeypatch.setattr(room, "_FEWEST_COMMITS", 2)
    found = history_in(remembered(store, {"net"}), Path("history.json"))
    assert {len(each.points) for each in found.series} == {5}
    shown = history_pictures(found, RowFilter())
    assert shown is not None
    assert "Up to 7 earlier commits of a series are not shown." in shown.remarks
    monkeypatch.setattr(room, "_MOST_POINTS", 8)
    found = history_in(remembered(store, {"net"}), Path("history.json"))
    assert {len(each.points) for each in found.series} == {2}


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (b'"schema_version":1', b'"schema_version":2', "has schema_version 2"),
        (b'"points":[[0,', b'"points":[[99,', "is damaged"),
        (b'"points":[[0,', b'"points":[[-1,', "is damaged"),
        (b'"metric":"size"', b'"metric":"taste"', "is damaged"),
        (b'"series"', b'"serious"', "is damaged"),
    ],
)
def test_a_damaged_one_is_refused(
    store: HistoryStore, was: bytes, becomes: bytes, said: str
) -> None:
    content = remembered(store, {"net"}).replace(was, becomes, 1)
    with pytest.raises(UsageError, match=said):
        history_in(content, Path("history.json"))


def test_the_pictures_say_what_changed_and_what_was_accepted(store: HistoryStore) -> None:
    found = history_in(remembered(store, {"net", "other"}), Path("history.json"))
    shown = history_pictures(found, RowFilter())
    assert shown is not None
    assert shown.lead == (
        "Over 12 commits from 2026-01-01 to 2026-01-12: latency of 2 models, 1 change, 1 of them "
        "accepted; cold start of 1 model, 1 change; first run of 1 model, 1 change; sustained "
        "latency of 1 model, no change; instructions of 1 model, 1 change; top-1 accuracy of 1 "
        "model, no change; size of 1 model, 1 change."
    )
    assert [picture.name for picture in shown.pictures] == [
        f"history-{metric}" for metric in HISTORY_UNITS
    ]
    latency = shown.pictures[0]
    assert latency.choices[0].label == "net, latency, host, mnn, fp32, 1 thread, 1x3x224x224"
    marked = {datum["key"]: datum["what"] for datum in latency.choices[0].data}
    assert marked.pop(told_commit(6)) == "accepted"
    assert set(marked.values()) == {"a commit"}
    assert [each["what"] for each in shown.pictures[-1].choices[0].data].index("a new level") == 6


def test_only_what_was_asked_for_is_shown(store: HistoryStore) -> None:
    found = history_in(remembered(store, {"net", "other"}), Path("history.json"))
    phone = history_pictures(found, RowFilter("phone"))
    assert phone is not None
    assert [picture.name for picture in phone.pictures] == ["history-latency", "history-size"]
    engine = replace(found.series[0], engine="mnn on vulkan")
    for wanted, count in ((RowFilter(backend="vulkan"), 1), (RowFilter(backend="cpu"), 0)):
        assert len(replace(found, series=(engine,)).meeting(wanted).series) == count
    assert replace(found, series=(engine,)).meeting(RowFilter(engine="mnn")).series
    fallen = replace(engine, engine="mnn on vulkan (all fell back)")
    wanted = RowFilter(backend="vulkan", engine="mnn")
    assert replace(found, series=(fallen,)).meeting(wanted).series
    threads = history_pictures(replace(found, series=found.series[:2]), RowFilter(threads=7))
    assert threads is None


def test_two_series_of_one_name_have_two_labels(store: HistoryStore) -> None:
    found = history_in(remembered(store, {"net"}), Path("history.json"))
    twice = replace(found, series=(found.series[0], found.series[0]))
    shown = history_pictures(twice, RowFilter())
    assert shown is not None
    assert len({choice.label for choice in shown.pictures[0].choices}) == 2


@pytest.fixture(scope="module")
def page(store: HistoryStore, launch: Launch, asked: PageRequest, library: str) -> str:
    """A page of one launch, and its model's history."""
    records: list[LaunchRecord] = [launch("net", 10.0)]
    contents = {"runs.jsonl": lines_of(records)}
    return made_page(
        sources_with_history(sources_of(contents, Path("results")), store), asked, library
    )


def test_models_that_were_only_started_cold_or_followed_have_a_history_too(
    store: HistoryStore, launch: Launch
) -> None:
    for contents in (
        {"cold.jsonl": lines_of([cold_record(launch("net", 10.0))])},
        {"sustained.jsonl": lines_of_curves([made_curve([20.0] * 10)])},
    ):
        found = sources_with_history(sources_of(contents, Path("results")), store).history
        assert found is not None
        assert {each.model for each in found.series} == {"net"}


def test_a_page_with_a_history_is_made_again_from_what_is_inside(page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page)
    found = verified(path)
    assert found.redrawn
    assert [each.name for each in found.sources] == ["runs.jsonl", "history.json"]


def test_a_page_whose_picture_shows_another_history_is_found_out(
    page: str, tmp_path: Path, store: HistoryStore, launch: Launch, asked: PageRequest, library: str
) -> None:
    sources = sources_with_history(
        sources_of({"runs.jsonl": lines_of([launch("net", 10.0)])}, Path("results")), store
    )
    document: dict[str, Any] = msgspec.json.decode(sources.contents["history.json"])
    document["accepted"] = []
    forged = msgspec.json.encode(document)
    assert sources.history is not None
    told = replace(sources, contents={**sources.contents, "history.json": forged})
    path = tmp_path / "page.html"
    path.write_text(made_page(told, asked, library))
    with pytest.raises(NumericsError, match="a picture shows other figures"):
        verified(path)


def test_in_a_browser_it_is_drawn_chosen_and_read_aloud(
    browser: Any, page: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(page)
    browser.open(path)
    assert browser.console == []
    browser.run("document.querySelectorAll('[role=tab]')[1].click()")
    marks = browser.run(
        "Object.fromEntries([...document.querySelectorAll('#tab1 .picture')].map(e => [e.id,"
        "e.querySelectorAll('.role-mark.mark-symbol path').length]))"
    )
    assert marks == {f"tab1-history-{metric}": 12 for metric in HISTORY_UNITS}
    label = browser.run("document.querySelector('#tab1-history-latency').ariaLabel")
    assert "accepted: it sees better (Ada, 2026-01-08)" in label
    rows = "document.querySelectorAll('#tab1-history-latency-table tbody tr')"
    assert browser.run(f"{rows}.length") == 12
    assert "accepted" in browser.run(f"{rows}[6].textContent")
    browser.open(path, wide=360, high=740)
    assert browser.run("document.documentElement.scrollWidth") == 360
