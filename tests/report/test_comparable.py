"""Latencies of several devices, engines, precisions or threads never share a column unnoticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError
from asymm_deploy.report.comparable import RowFilter, fitting, one_setting

MakeRow = Callable[..., RowSummary]

OTHERS = [
    ({"device": "phone"}, RowFilter(device="phone")),
    ({"engine": "onnxruntime"}, RowFilter(engine="onnxruntime")),
    ({"precision": "fp16"}, RowFilter(precision="fp16")),
    ({"threads": 2}, RowFilter(threads=2)),
]


def test_rows_of_one_setting_need_no_choice(row: MakeRow) -> None:
    rows = [row("a"), row("b")]

    assert one_setting(fitting(rows, RowFilter())) == rows


@pytest.mark.parametrize(("change", "choice"), OTHERS)
def test_rows_of_two_settings_are_refused_with_both_named(
    row: MakeRow, change: dict[str, object], choice: RowFilter
) -> None:
    rows = [row("a"), row("b", **change)]

    with pytest.raises(UsageError) as error:
        one_setting(rows)
    assert "pixel, mnn, fp32, 1 thread; " in error.value.what
    assert str(*change.values()) in error.value.what.partition("; ")[2]
    assert "--device, --engine, --precision or --threads" in error.value.hint
    assert one_setting(fitting(rows, choice)) == [rows[1]]


def test_a_choice_that_fits_nothing_is_an_error_that_says_what_there_is(row: MakeRow) -> None:
    with pytest.raises(UsageError) as error:
        fitting([row(), row(threads=4)], RowFilter(device="tablet"))
    assert error.value.hint == (
        "the results have: pixel, mnn, fp32, 1 thread; pixel, mnn, fp32, 4 threads"
    )


def test_nothing_fits_where_there_is_nothing(row: MakeRow) -> None:
    assert fitting([], RowFilter(device="tablet")) == []


def test_builds_of_one_engine_share_no_column(row: MakeRow) -> None:
    rows = [row("a"), row("b", engine_version="3.6.1 linux-arm64 glibc")]
    with pytest.raises(UsageError, match="mnn linux-arm64 glibc, fp32") as caught:
        one_setting(rows)
    assert "each build of the runner into a folder of its own" in caught.value.hint
    assert len(one_setting([row("a"), row("b", engine_version="3.6.2")])) == 2
