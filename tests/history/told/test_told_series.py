"""A history whose answer is known says it: the commit that moved, by how much, and who accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.history.history_series import HistoryMetric, history_series
from asymm_deploy.history.history_store import opened_store
from asymm_deploy.history.told.accepted_steps import accepted_changes
from asymm_deploy.history.told.told_series import ToldSeries, short_commits, told_together
from asymm_deploy.history.told.told_words import marks_of, series_sentence, series_title
from tests.made_history import (
    commit_hash,
    cost,
    day,
    decision,
    launches,
    made_store,
    noisy,
    size,
    told_commit,
    top1,
)


def told(tmp_path: Path, metric: HistoryMetric = "latency", **tables: Any) -> ToldSeries:
    store = opened_store(made_store(tmp_path / "store", tables))
    (found,) = told_together(history_series(store, metric), accepted_changes(store, ["net"]))
    return found


def of_latencies(values: list[float]) -> list[dict[str, Any]]:
    return [row for number, ms in enumerate(values) for row in launches(number, ms)]


STEP = noisy({0: 10, 18: 10.8}, 30, seed=1)


def test_a_step_is_found_at_its_commit_and_by_its_size(tmp_path: Path) -> None:
    found = told(tmp_path, launches=of_latencies(STEP))
    (step,) = found.steps
    assert step.commit == told_commit(18)
    assert step.step is not None
    assert step.step.percent == pytest.approx(8, abs=1)
    assert step.step.low_percent is not None
    assert step.step.low_percent < 8 < (step.step.high_percent or 0)
    assert step.accepted is None
    assert f"from commit {told_commit(18)} on" in series_sentence(found)
    assert found.commits[17].level == pytest.approx(10, rel=0.01)
    assert found.commits[18].level == pytest.approx(10.8, rel=0.01)
    assert step.change == pytest.approx(8, abs=2)
    assert found.commits[20].change == pytest.approx(0, abs=2)


def test_creep_has_steps_and_noise_has_none(tmp_path: Path) -> None:
    creep = [value * 1.002**number for number, value in enumerate(noisy({0: 10}, 32, seed=2))]
    assert told(tmp_path / "creep", launches=of_latencies(creep)).steps
    for seed in range(3):
        noise = told(tmp_path / f"{seed}", launches=of_latencies(noisy({0: 10}, 30, seed=seed)))
        assert noise.steps == []
        assert "nothing stands out from the noise" in series_sentence(noise)


def test_few_commits_are_no_history_yet_and_that_is_said(tmp_path: Path) -> None:
    found = told(tmp_path, launches=of_latencies([10.0] * 5 + [20.0] * 4))
    assert found.steps == []
    assert "It takes 10 commits to tell a step from noise, and there are 9." in found.notes
    assert "Over 9 commits no step can be told from noise yet." in series_sentence(found)
    assert [each.change for each in found.commits[1:5]] == [0.0] * 4, "and no -2e-14 %"


def test_a_commit_has_the_interval_of_its_launches(tmp_path: Path) -> None:
    rows = [row for number in range(2) for row in launches(number, 10.0, count=3 - 2 * number)]
    several, one = told(tmp_path, launches=rows).commits
    assert several.point.value == 10.0
    assert several.low == pytest.approx(10 - 4.302653 * 1e-4 / 3**0.5, rel=1e-9)
    assert several.high == pytest.approx(10 + 4.302653 * 1e-4 / 3**0.5, rel=1e-9)
    assert (one.low, one.high) == (None, None)


@pytest.mark.parametrize(
    ("metric", "table", "make", "steps", "unit"),
    [
        ("insn", "costs", cost, {4: 1.0}, "%"),
        ("size", "sizes", size, {4: 1.0}, "%"),
        ("top1", "accuracies", top1, {4: 0.3}, "points"),
    ],
)
def test_what_is_exact_has_a_step_wherever_it_changes(
    tmp_path: Path, metric: HistoryMetric, table: str, make: Any, steps: Any, unit: str
) -> None:
    old, new = (1000, 1010) if unit == "%" else (30.0, 30.3)
    rows = [make(number, new if number >= 4 else old) for number in range(6)]
    found = told(tmp_path, metric, **{table: rows})
    assert {
        place: each.step.percent for place, each in enumerate(found.commits) if each.step
    } == pytest.approx(steps)
    assert found.change_unit == unit
    assert [each.change for each in found.commits] == [
        None,
        *[pytest.approx(value) for value in (0, 0, 0, steps[4], 0)],
    ]


@pytest.mark.parametrize(
    ("more", "marked"),
    [
        ({}, True),
        ({"up_to_percent": 5.0}, False),
        ({"metric": "peak_memory"}, False),
        ({"model": "other"}, False),
        ({"accepted_at": day(1), "number": 1}, False),
        ({"accepted_at": day(16.5)}, True),  # decided before the commit was made anew
        ({"accepted_at": day(1), "number": 20}, True),  # its commit was made anew
        ({"metric": None, "up_to_percent": None, "artifact_sha256": "b" * 64}, True),
        ({"metric": None, "up_to_percent": None, "artifact_sha256": "c" * 64}, False),
    ],
)
def test_a_step_is_marked_if_somebody_accepted_it(
    tmp_path: Path, more: dict[str, Any], marked: bool
) -> None:
    rows = of_latencies(STEP)
    for row in rows:
        if row["commit_time"] >= day(18):
            row["artifact_sha256"] = "b" * 64
    made = dict(more)
    number = made.pop("number", 19)
    found = told(tmp_path, launches=rows, accepted=[decision(number, **made)])
    (step,) = found.steps
    assert (step.accepted is not None) == marked
    assert ("accepted: it sees better (Ada, " in series_sentence(found)) == marked


def test_a_larger_step_than_was_accepted_is_none_that_was(tmp_path: Path) -> None:
    rows = [size(number, 1000 if number < 4 else 1200) for number in range(8)]
    found = told(tmp_path, "size", sizes=rows, accepted=[decision(4, metric="mnn_size")])
    assert found.steps[0].accepted is None
    rows = [size(number, 1000 if number < 4 else 1120) for number in range(8)]
    found = told(tmp_path / "2", "size", sizes=rows, accepted=[decision(4, metric="mnn_size")])
    assert found.steps[0].accepted is not None


def test_what_does_not_count_is_there_without_a_value(tmp_path: Path) -> None:
    spoilt: dict[str, Any] = {"counts": False, "valid": False, "flags": ["throttled", "unwatched"]}
    rows = [*launches(0, 10.0), *launches(1, 11.0, **spoilt), *launches(2, 10.0)]
    found = told(tmp_path, launches=rows)
    assert [each.point.value for each in found.commits] == [10.0, None, 10.0]
    assert list(marks_of(found.commits[1])) == ["3 left out", "throttled"]
    assert f"Of 1 commit nothing counts (throttled): {told_commit(1)}." in found.notes
    # ``unwatched`` leaves a row valid, so it is no reason.
    allowed: dict[str, Any] = {"allowed": ["fell-back"], "counts": False}
    rows += launches(3, 11.0, flags=["fell-back", "throttled"], **allowed)
    found = told(tmp_path / "2", launches=rows)
    assert list(marks_of(found.commits[3])) == ["3 left out", "throttled"]


def test_a_row_that_is_spoilt_is_marked_though_its_launches_count(tmp_path: Path) -> None:
    rows = [*launches(0, 10.0, row_flags=["launch-spread", "variant"]), *launches(1, 10.0)]
    apart, quiet = told(tmp_path, launches=rows).commits
    assert apart.point.value == 10.0
    assert apart.point.row_flags == ("launch-spread", "variant")
    assert list(marks_of(apart)) == ["launch-spread"], "a variant always is one"
    assert list(marks_of(quiet)) == []


def test_launches_of_another_commit_are_told(tmp_path: Path) -> None:
    rows = [*launches(0, 10.0), *launches(1, 11.0), *launches(2, 10.0), *launches(3, 10.0, count=1)]
    (note,) = [x for x in told(tmp_path, launches=rows).notes if "medians" in x]
    assert note == (
        f"The 3 launches of commit {told_commit(2)} have the medians of commit {told_commit(0)}'s: "
        "were the same results added to both?"
    )


def test_what_else_changed_is_said_with_its_commit(tmp_path: Path) -> None:
    rows = [*launches(0, 10.0), *launches(1, 11.0, engine_version="4.0.0")]
    assert (
        f"At commit {told_commit(1)} something else changed: the engine from 3.6.1 to 4.0.0."
        in told(tmp_path, launches=rows).notes
    )


def test_commits_stand_in_the_order_of_their_times_then_as_they_were_added(tmp_path: Path) -> None:
    rows = [size(2, 3), size(0, 1), size(1, 2)]
    assert [each.point.value for each in told(tmp_path, "size", sizes=rows).commits] == [1, 2, 3]
    same = [
        size(2, 1, commit_time=day(5), added_at=day(6)),
        size(1, 2, commit_time=day(5), added_at=day(7)),
        size(0, 3, commit_time=day(5), added_at=day(8)),
    ]
    found = told(tmp_path / "same", "size", sizes=same)
    assert [each.point.value for each in found.commits] == [1, 2, 3]
    assert any("the same second" in note for note in found.notes)


def test_other_branches_and_changed_files_are_said(tmp_path: Path) -> None:
    rows = [size(0, 1), size(1, 2, branch="try"), size(2, 3, branch=None, dirty=True)]
    notes = " ".join(told(tmp_path, "size", sizes=rows).notes)
    assert "of no known name, main, try" in notes
    assert f"Files differed from the commit when this was measured: {told_commit(2)}." in notes


def test_two_devices_or_settings_are_two_series(tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [
        *({}, {"device": "phone"}, {"precision": "fp16"}, {"threads": 2}),
    ]
    rows = [
        row for number in range(3) for more in settings for row in launches(number, 10.0, **more)
    ]
    store = opened_store(made_store(tmp_path / "store", {"launches": rows}))
    found = told_together(history_series(store, "latency"), [])
    assert len({series_title(each.series) for each in found}) == 4
    assert {len(each.commits) for each in found} == {3}


def test_a_name_from_elsewhere_stays_on_its_line(tmp_path: Path) -> None:
    rows = [size(0, 1, model="net\n\x1b[31m"), size(1, 2, model="net\n\x1b[31m")]
    store = opened_store(made_store(tmp_path / "store", {"sizes": rows}))
    (found,) = told_together(history_series(store, "size"), [])
    assert series_title(found.series).isprintable()


def test_commits_are_cut_as_far_as_they_differ() -> None:
    alike = ["a" * 40, "a" * 9 + "b" * 31]
    assert short_commits(alike) == ["a" * 10, "a" * 9 + "b"]
    assert short_commits([commit_hash(0)]) == [told_commit(0)]
    assert short_commits([]) == []


@pytest.mark.parametrize("median_ns", [0.0, float("nan"), float("inf"), -1.0])
def test_what_no_clock_gives_is_no_value(tmp_path: Path, median_ns: float) -> None:
    rows = [*launches(0, 10.0), *launches(1, 10.0, median_ns=median_ns)]
    assert [each.point.value for each in told(tmp_path, launches=rows).commits] == [10.0, None]


def test_growth_from_nothing_has_no_percentage(tmp_path: Path) -> None:
    found = told(tmp_path, "size", sizes=[size(0, 0), size(1, 5)])
    assert f"up from 0 from commit {told_commit(1)} on" in series_sentence(found)
