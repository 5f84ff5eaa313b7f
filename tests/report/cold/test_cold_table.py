"""cold.csv has what its contract names, and the table for people says what was cold."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.cold.cold_records import ColdRow
from asymm_deploy.bench.cold.cold_rows import latest_cold_rows
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curves import lines_of_curves
from asymm_deploy.errors import NumericsError
from asymm_deploy.report.cold.cold_picture import cold_picture
from asymm_deploy.report.cold.cold_table import cold_remarks, short_cold_table, write_cold_csv
from asymm_deploy.report.cold.stage_memory_picture import stage_memory_picture
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page import verify_page
from asymm_deploy.report.page.page_sources import sources_of
from asymm_deploy.report.page.write_page import PageRequest, made_page
from asymm_deploy.report.report_table import to_markdown
from tests.made_cold import cold_record, memory_record
from tests.made_curves import made_curve


def rows_of(good: LaunchRecord, **changes: object) -> list[ColdRow]:
    """Return the rows of two models: one as it should be, one with changes to its records."""
    other = msgspec.structs.replace(good, model="other", artifact_sha256="1" * 64)
    return latest_cold_rows([cold_record(good), memory_record(good), cold_record(other, **changes)])


def test_the_columns_are_those_of_the_contract(good: LaunchRecord, tmp_path: Path) -> None:
    write_cold_csv(tmp_path, rows_of(good))
    net, other = csv.DictReader(io.StringIO((tmp_path / "cold.csv").read_text()))
    stages = [
        f"{name}_{kind}ms"
        for name in ("read", "create", "first", "second", "steady", "cold")
        for kind in ("", "low_", "high_")
    ]
    assert list(net) == [
        *("model", "network", "scale", "multiplier", "device", "soc", "cpu", "precision"),
        *("threads", "engine", "engine_version", "launches", *stages),
        *("first_over_steady", "first_over_steady_low", "first_over_steady_high"),
        *("warm_read_ms", "engine_ms"),
        *("read_cpu_ms", "create_cpu_ms", "first_cpu_ms", "second_cpu_ms", "steady_cpu_ms"),
        *("memory_engine_mb", "memory_read_mb"),
        *("memory_created_mb", "memory_first_mb", "memory_second_mb", "memory_peak_mb"),
        *("memory_pss_mb", "cache", "major_faults", "output_error", "valid", "flags"),
    ]
    assert (net["read_ms"], net["create_ms"], net["cold_ms"]) == ("3.0", "20.0", "38.0")
    assert (net["memory_read_mb"], net["memory_peak_mb"]) == ("11.0", "16.0")
    assert (net["cache"], net["major_faults"], net["read_low_ms"]) == ("dropped", "0", "")
    assert other["memory_read_mb"] == ""


@pytest.mark.parametrize(
    ("resident", "faults", "told"),
    [
        (0, 0, ("was told to forget", "library was in memory")),
        (100, 0, ("no time of reading it from the disk",)),
        (None, 0, ("no time of reading it from the disk",)),
        (0, 7, ("not wholly in memory", "up to 7 times")),
        (0, 1, ("up to 1 time for",)),
    ],
)
def test_people_are_told_what_was_cold(
    good: LaunchRecord, resident: int | None, faults: int, told: tuple[str, ...]
) -> None:
    rows = rows_of(good, resident=resident, major_faults=faults)
    text = to_markdown(short_cold_table(rows))
    for words in told:
        assert words in text
        assert any(words in remark for remark in cold_remarks(rows))
    assert ("warm read" in text) == (resident != 0)


def test_of_models_that_did_not_start_there_is_no_remark_and_a_picture_without_bars(
    good: LaunchRecord,
) -> None:
    failed = msgspec.structs.replace(good, error="no model", flags=("failed",), samples_ns=())
    rows = latest_cold_rows([cold_record(good, launch=failed, stages=None, pages=None)])
    assert cold_remarks(rows) == []
    picture = cold_picture(rows)
    assert picture is not None
    assert picture.spec == {}
    assert picture.sentence == "1 model did not start."
    assert cold_picture([]) is None


def test_bars_are_the_stages_and_one_of_memory_has_another_colour(good: LaunchRecord) -> None:
    picture = cold_picture(rows_of(good, resident=5))
    assert picture is not None
    bars = next(iter(picture.spec["datasets"].values()))
    shown = {(each["key"], each["stage"]): each["ms"] for each in bars}
    assert shown["net", "read the file"] == 3
    assert shown["other", "read it, from memory"] == 3
    assert shown["net", "first run"] == 15
    assert "first run takes" in picture.sentence


def test_memory_is_shown_of_the_models_whose_memory_was_read(good: LaunchRecord) -> None:
    rows = rows_of(good)
    picture = stage_memory_picture(rows)
    assert picture is not None
    assert picture.keys == ("net",)
    assert picture.sentence == "By its second run net has added 4.0 MB to a process of 10.0 MB."
    assert picture.table.rows == (("net", 10.0, 11.0, 12.0, 13.0, 14.0, 16.0, 13.0),)
    assert stage_memory_picture([row for row in rows if row.model == "other"]) is None


def test_a_page_of_cold_starts_alone_says_what_its_launches_say(
    good: LaunchRecord, tmp_path: Path
) -> None:
    lines = b"".join(
        msgspec.json.encode(record) + b"\n" for record in (cold_record(good), memory_record(good))
    )
    asked = PageRequest("results", None, RowFilter(), "2026-01-01T00:00:00+00:00")
    page = made_page(sources_of({"cold.jsonl": lines}, Path("results")), asked, "'draws'")
    path = tmp_path / "page.html"
    path.write_text(page)
    assert "1 model was started cold with MNN on here" in page
    assert "0 rows and 2 launches" in "\n".join(verify_page.verified(path).lines)
    at = {name: getattr(good, name) for name in ("device", "engine", "precision", "threads")}
    both = {"cold.jsonl": lines, "sustained.jsonl": lines_of_curves([made_curve([20.0] * 9, **at)])}
    page_of_both = made_page(sources_of(both, Path("results")), asked, "'draws'")
    assert "cold with MNN; 1 model was followed second by second on here" in page_of_both
    path.write_text(page.replace(">38.00<", ">18.00<"))
    with pytest.raises(NumericsError, match="the page says '18"):
        verify_page.verified(path)
