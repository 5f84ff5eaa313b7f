"""sustained.csv has its columns for good, and the table for people those that are known."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from msgspec import structs

from asymm_deploy.bench.sustained.sustained_rows import latest_curves, sustained_row
from asymm_deploy.report.sustained.sustained_table import (
    late_text,
    short_sustained,
    sustained_text,
    write_sustained,
)
from tests.made_curves import made_curve, made_reading

HEADER = (
    "model,device,soc,cpu,precision,threads,engine,engine_version,asked_s,every_ms,reached_s,runs,"
    "first_ms,sustained_ms,sustained_over_first,time_to_throttle_s,throttled_by,late_frames,"
    "skipped_frames,min_clock_khz,max_temperature_c,max_battery_c,max_thermal_status,valid,flags,"
    "late_by_waking"
)


def test_a_row_has_what_the_curve_comes_to(tmp_path: Path) -> None:
    readings = [made_reading()] * 50 + [made_reading(battery_c=36.5, clock_khz=1_401_600)] * 50
    curve = made_curve([20.0] * 50 + [24.0] * 50, readings, every_ms=40.0)
    path = write_sustained(tmp_path, [sustained_row(curve)])
    assert path.read_text().splitlines()[0] == HEADER
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "model": "net",
        "device": "phone",
        "soc": "SM8150",
        "cpu": "7",
        "precision": "fp32",
        "threads": "1",
        "engine": "mnn",
        "engine_version": "3.6.1",
        "asked_s": "100.0",
        "every_ms": "40.0",
        "reached_s": "100.0",
        "runs": "4600",
        "first_ms": "20.0",
        "sustained_ms": "24.0",
        "sustained_over_first": "1.2",
        "time_to_throttle_s": "50.0",
        "throttled_by": "slower",
        "late_frames": "0",
        "skipped_frames": "0",
        "min_clock_khz": "2841600",
        "max_temperature_c": "40.0",
        "max_battery_c": "36.5",
        "max_thermal_status": "0",
        "valid": "true",
        "flags": "",
        "late_by_waking": "0",
    }


def test_what_is_unknown_or_has_not_happened_is_empty() -> None:
    row = sustained_row(made_curve([20.0] * 20))
    text = sustained_text([row], "csv").splitlines()[1]
    assert text.endswith(",1000,20.0,20.0,1.0,,,,,2841600,,,,true,,")
    shown = [column.name for column in short_sustained([row]).columns]
    assert "max_battery_c" not in shown
    assert "device" not in shown
    assert shown[:3] == ["model", "asked_s", "every_ms"]


@pytest.mark.parametrize(
    ("late", "woken", "said"),
    [
        (300, 5, "net can't keep up with a frame every 40ms: 300 of 1,000 frames late, 0 of them"),
        (300, 299, "net was woken too late for a frame every 40ms: 300 of 1,000 frames late"),
        (300, 299, "skipped, 299 only because a run began late"),
        (300, None, "net can't keep up with a frame every 40ms: 300 of 1,000 frames late, 0 of"),
    ],
)
def test_late_frames_are_the_models_fault_or_that_of_waking(
    late: int, woken: int | None, said: str
) -> None:
    curve = made_curve([20.0] * 20, every_ms=40.0)
    curve.seconds[-1] = structs.replace(curve.seconds[-1], late=late, late_by_waking=woken)
    assert said in late_text(sustained_row(curve))


def test_one_that_did_not_reach_its_end_has_no_level_and_says_why() -> None:
    row = sustained_row(made_curve([20.0] * 30, for_s=100, is_whole=False))
    assert (row.first_ms, row.sustained_ms, row.valid) == (20.0, None, False)
    assert row.flags_text == "failed: the command that timed it stopped early"
    assert row.exit_code == 3
    assert "net: the command that timed it stopped early" in short_sustained([row]).footnotes


def test_the_last_whole_curve_of_a_setting_counts_or_else_the_last() -> None:
    old, new, cut = made_curve([20.0] * 9), made_curve([21.0] * 9), made_curve([9.0], for_s=9)
    cut.ended = None
    paced = made_curve([20.0] * 9, every_ms=33.0)
    longer = made_curve([20.0] * 10)
    assert latest_curves([old, new, cut]) == [new]
    assert latest_curves([cut, cut]) == [cut]
    assert latest_curves([cut, old]) == [old]
    assert latest_curves([old, paced, longer]) == [old, paced, longer]
