"""Numbers have their units, the gravest rows come first, and what says nothing is left out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.check.findings import Change, DiscardedBlock, GateReport, Unit
from asymm_deploy.check.outputs import words

Make = Callable[..., Change]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", ""),
        (1234.5678, "ms", "1234.568 ms"),
        (1234567.0, "bytes", "1,234,567 bytes"),
        (1234567.0, "count", "1,234,567"),
        (61.25, "MiB", "61.2 MiB"),
    ],
)
def test_an_amount_has_its_unit(value: float | None, unit: Unit, text: str) -> None:
    assert words.amount(value, unit) == text


def test_a_change_has_its_interval_if_there_is_one(change: Make) -> None:
    assert words.change_text(change(percent=5.23)) == "+5.2 % [+4.7, +5.7]"
    assert words.change_text(change(percent=-5.0, low_percent=None)) == "-5.0 %"
    assert words.change_text(change(percent=-5.0, high_percent=None)) == "-5.0 %"
    assert words.change_text(change(percent=None)) == ""


def test_a_row_names_its_metric_unless_that_is_latency(change: Make) -> None:
    assert words.subject(change("net")) == "net"
    assert words.subject(change("net", "init")) == "net, init time"


def test_what_was_accepted_says_so_and_why(change: Make) -> None:
    wanted = change(verdict="regressed", accepted="a larger head")
    assert words.verdict_text(wanted) == "accepted"
    assert words.why_text(wanted) == "It says so. Accepted: a larger head"
    assert words.verdict_text(change(verdict="regressed")) == "regressed"
    assert words.why_text(change()) == "It says so."


def test_rows_are_the_gravest_first_in_the_order_of_the_models(
    report: GateReport, change: Make
) -> None:
    mixed = msgspec.structs.replace(
        report,
        changes=(
            change("a"),
            change("b", verdict="regressed"),
            change("c", verdict="failed"),
            change("d", verdict="regressed"),
            change("e", "madds"),
            change("f", "madds", accepted="wanted"),
            change("g", "madds", "improved"),
        ),
    )
    assert [row.model for row in words.rows_to_show(mixed)] == ["c", "b", "d", "g", "a", "f"]
    assert words.unseen(mixed) == "1 more passed: MAdds."


def test_what_is_left_out_is_named_once_each(report: GateReport, change: Make) -> None:
    quiet = [change(model, metric) for model in "ab" for metric in ("params", "mnn_size")]
    many = msgspec.structs.replace(report, changes=tuple(quiet))
    assert words.unseen(many) == "4 more passed: file size, params."
    assert words.unseen(msgspec.structs.replace(report, changes=(change(),))) is None


def test_the_headline_counts_every_verdict(report: GateReport, change: Make) -> None:
    wanted = change(verdict="regressed", accepted="wanted")
    some = msgspec.structs.replace(report, changes=(change(), wanted, change(), change()))
    assert words.headline(some) == "pass (3 pass, 1 accepted)"
    assert words.headline(msgspec.structs.replace(report, changes=())) == "pass"


def test_what_does_not_count_is_one_line_per_cause(report: GateReport) -> None:
    def lost(model: str, block: int, side: str, cause: str) -> DiscardedBlock:
        reason = f"{side}: {cause}"
        return DiscardedBlock(model=model, block=block, reason=reason, side=side, cause=cause)

    tries = [lost("net", n // 3, "baseline" if n % 3 else "candidate", "hot") for n in range(18)]
    more = [lost("other", n, "baseline", "bimodal") for n in (7, 0, 2, 1)]
    live = msgspec.structs.replace(report, discarded=(*tries, *more))
    assert words.discards(live) == [
        "18 tries of 6 blocks do not count: hot. net: candidate 0-5, baseline 0-5.",
        "4 blocks do not count: bimodal. other: baseline 0-2, 7.",
    ]
    recorded = msgspec.structs.replace(live, mode="recorded", discarded=(more[0],))
    assert words.discards(recorded) == ["1 launch does not count: bimodal. other: baseline 7."]
    first = [lost("net", 0, f"commit {n}", "hot") for n in range(3)]
    recorded = msgspec.structs.replace(recorded, discarded=tuple(first))
    assert words.discards(recorded)[0].startswith("3 launches do not count: hot. net: commit 0 0, ")
    many = [lost(f"net{n}", n, "baseline", "hot") for n in range(1000)]
    (line,) = words.discards(msgspec.structs.replace(report, discarded=tuple(many)))
    assert line.startswith("1000 blocks do not count: hot. net0: baseline 0; net1: baseline 1; ")
    assert line.endswith("; and 992 more.")


def test_remarks_are_what_is_left_out_the_notes_and_the_discarded_blocks(
    report: GateReport,
) -> None:
    assert words.remarks_beneath(report) == [
        "1 more passed: MAdds.",
        "Something to know.",
        "1 block does not count: stolen-time. slow: 3.",
    ]
    assert words.comparison_setting(report) == (
        "baseline base, candidate new",
        "device Pixel 4, live comparison, 2026-11-23T09:00:00.123+02:00",
        "core 7, fp32, 1 thread",
    )
