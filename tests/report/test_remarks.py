"""Below a table stands what its rows can't say: what is missing, why it failed, what flags mean."""

from __future__ import annotations

from collections.abc import Callable

from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report.remarks import flags_cell, footnotes, in_order, untimed

MakeRow = Callable[..., RowSummary]


def test_flags_that_were_allowed_say_so(row: MakeRow) -> None:
    found = row(flags=("hot", "unverified"), allowed=("hot",))

    assert flags_cell(found) == "hot (allowed), unverified"
    assert flags_cell(row()) == ""


def test_what_is_missing_is_counted_and_nothing_is_said_where_nothing_is(row: MakeRow) -> None:
    assert untimed([row(), row()], 5) == ["3 of 5 models have not been timed."]
    assert untimed([row()], 1) == []
    assert untimed([], 2) == ["2 of 2 models have not been timed."]


def test_each_flag_is_explained_once_in_the_order_of_gravity(row: MakeRow) -> None:
    rows = [
        row("a", flags=("unverified", "hot")),
        row("b", flags=("hot",)),
        row("c", samples_ns=(), error="no memory", flags=("failed",)),
        row("d"),
    ]

    assert footnotes(rows) == [
        "c failed: no memory",
        *(f"{name}: {FLAGS[name].meaning}." for name in ("failed", "hot", "unverified")),
    ]
    assert footnotes([row()]) == []


def test_rows_come_in_the_order_of_the_models_and_strangers_stay_out(row: MakeRow) -> None:
    rows = [row("b"), row("z"), row("a", 1.0), row("a", 2.0)]

    assert in_order(rows, ["a", "missing", "b"]) == [rows[3], rows[0]]
