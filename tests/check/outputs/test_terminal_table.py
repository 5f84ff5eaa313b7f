"""What a person finds in the log: the verdict, what it rests on, and nothing that is a command."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import terminal_table


def test_the_verdict_and_the_gravest_rows_come_first(report: GateReport) -> None:
    lines = terminal_table.rendered(report).splitlines()
    assert lines[0] == (
        "failed (1 failed, 1 regressed, 1 unstable, 1 inconclusive, 1 improved, 2 pass, 1 accepted)"
    )
    models = [line.split()[0] for line in lines[4:11]]
    assert models == ["lost", "slow", "wanted,", "jumpy", "unclear", "quick", "steady"]


def test_a_row_has_both_values_the_change_with_its_interval_the_verdict_and_why(
    report: GateReport,
) -> None:
    row = next(
        line for line in terminal_table.rendered(report).splitlines() if line.startswith("slow")
    )
    assert row.split("  ", 1)[1].split() == [
        *("10.000", "ms", "10.800", "ms", "+8.0", "%", "[+7.5,", "+8.5]"),
        *("regressed", "It", "says", "so."),
    ]


def test_what_passed_besides_latency_is_a_sentence_and_what_is_accepted_says_why(
    report: GateReport,
) -> None:
    text = terminal_table.rendered(report)
    assert "1 more passed: MAdds." in text
    assert "steady, MAdds" not in text
    assert "wanted, file size" in text
    assert "It says so. Accepted: a larger head" in text


def test_notes_discards_and_circumstances_stand_beneath(report: GateReport) -> None:
    beneath = terminal_table.rendered(report).split("\n\n")[2:]
    assert "Something to know." in beneath[0]
    assert "1 block does not count: stolen-time. slow: 3." in beneath[0]
    assert "core 7, fp32, 1 thread" in beneath[1]
    assert "baseline base, candidate new" in beneath[1]


def test_unknown_values_stay_empty(report: GateReport) -> None:
    row = next(
        line for line in terminal_table.rendered(report).splitlines() if line.startswith("lost")
    )
    assert row.split() == ["lost", "10.000", "ms", "failed", "It", "says", "so."]


def test_no_name_is_a_command_to_a_terminal_or_to_githubs_runner(
    report: GateReport, change: Callable[..., Change], hostile: str
) -> None:
    evil = msgspec.structs.replace(
        report,
        changes=(change(hostile, verdict="regressed", why=hostile, accepted=hostile),),
        notes=(hostile,),
        device=hostile,
        circumstances=(hostile,),
        baseline=hostile,
    )
    text = terminal_table.rendered(evil)
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert "##[" not in text
    text.encode()


def test_a_report_without_any_comparison_is_still_one(report: GateReport) -> None:
    assert terminal_table.rendered(msgspec.structs.replace(report, changes=())).startswith("pass\n")
