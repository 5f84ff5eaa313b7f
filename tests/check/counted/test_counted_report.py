"""The exact gate from two folders to its report: counts decide, and nothing is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import artifact
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord
from asymm_deploy.check.check_request import CheckRequest
from asymm_deploy.check.counted.counted_report import compare_counted
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError

Export = Callable[..., Path]
Record = Callable[..., CostRecord]
Compare = Callable[..., GateReport]


@pytest.fixture
def compare(tmp_path: Path, counter: Any, notes: Any) -> Compare:
    """Compare old and new; ``more`` goes into the request."""

    def run(
        records: dict[str, CostRecord], kept: Sequence[CostRecord] = (), **more: Any
    ) -> GateReport:
        made = counter(records)
        named: dict[str, Any] = {
            "baseline": tmp_path / "old",
            "candidate": tmp_path / "new",
            "device": "a76",
        }
        request = CheckRequest(**named | more)
        return compare_counted(request, GatePolicy(), kept, lambda: made, notes)

    return run


def instructions(report: GateReport) -> dict[str, Change]:
    return {change.model: change for change in report.changes if change.metric == "instructions"}


def test_the_counts_of_each_model_decide(compare: Compare, export: Export, record: Record) -> None:
    for model in ("body", "head"):
        export(model, b"1", "old")
        export(model, b"2", "new")
    report = compare(
        {
            "old/body": record(),
            "new/body": record(1_000_500),
            "old/head": record(),
            "new/head": record(1_100_000),
        }
    )
    assert (report.mode, report.device, report.verdict, report.exit_code) == (
        "counted",
        "a76",
        "regressed",
        1,
    )
    assert instructions(report)["body"].verdict == "pass"
    assert instructions(report)["head"].verdict == "regressed"
    assert not any(change.metric == "latency" for change in report.changes)
    assert {"mnn_size", "madds", "l2_misses", "l3_misses"} <= {c.metric for c in report.changes}
    said = " ".join(report.circumstances)
    assert "emulated cortex-a76 (QEMU 7.2.22), fp32" in said
    assert "1 % more instructions are allowed, and 5 % more misses" in said


def test_the_same_file_is_said_and_not_counted(
    compare: Compare, export: Export, record: Record
) -> None:
    export("net", b"1", "old")
    export("net", b"1", "new")
    report = compare({})
    assert (report.verdict, report.exit_code, report.device) == ("same", 0, "none")
    assert instructions(report)["net"].why == "The same file in both: nothing was counted."
    again = compare({"old/net": record(), "new/net": record()}, same_file=True)
    assert (again.verdict, instructions(again)["net"].change_percent) == ("pass", 0)


def test_models_of_one_folder_only_are_an_error_unless_that_is_fine(
    compare: Compare, export: Export, record: Record
) -> None:
    export("net", b"1", "old")
    export("net", b"2", "new")
    export("added", b"2", "new")
    records = {"old/net": record(), "new/net": record()}
    with pytest.raises(UsageError, match="added only in"):
        compare(records)
    assert "Ignored: added only in" in " ".join(compare(records, ignore_missing=True).notes)


def test_results_without_models_are_refused(
    compare: Compare, export: Export, tmp_path: Path
) -> None:
    export("net", b"1", "old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "runs.jsonl").touch()
    with pytest.raises(UsageError, match="new has only results, and counts are made of models"):
        compare({})


def test_a_file_that_is_not_what_was_exported_has_failed(
    compare: Compare, export: Export, tmp_path: Path
) -> None:
    export("net", b"1", "old")
    export("net", b"2", "new")
    (tmp_path / "new" / "net" / "model.mnn").write_bytes(b"3")
    report = compare({})
    assert (report.verdict, report.exit_code) == ("failed", 3)
    assert instructions(report)["net"].why.startswith("The candidate failed: ")


def test_a_wrong_output_is_exit_code_5(compare: Compare, export: Export, record: Record) -> None:
    export("net", b"1", "old")
    export("net", b"2", "new")
    wrong = record(flags=("output-mismatch",), valid=False)
    report = compare({"old/net": record(), "new/net": wrong})
    assert (report.verdict, report.exit_code) == ("failed", 5)
    assert "In the candidate the output differs" in instructions(report)["net"].why


def test_outputs_that_nobody_verified_are_named(
    compare: Compare, export: Export, record: Record
) -> None:
    export("net", b"1", "old")
    export("net", b"2", "new")
    report = compare({"old/net": record(flags=("unverified",)), "new/net": record()})
    assert report.exit_code == 0
    assert "Outputs without a reference, so not verified: net." in report.notes


def test_counts_that_the_baseline_kept_are_used(
    compare: Compare, export: Export, record: Record, tmp_path: Path
) -> None:
    export("net", b"1", "old")
    export("net", b"2", "new")
    known = artifact.exported(tmp_path / "old" / "net", "mnn").sha256
    kept = [record(500_000, artifact_sha256=known)]
    report = compare({"new/net": record()}, kept)
    assert instructions(report)["net"].baseline == 500_000
    assert "Counts that the baseline kept, by the same emulator: net." in report.notes


@pytest.mark.parametrize("of", ["another file", "another input", "another precision", "a failure"])
def test_counts_of_anything_else_are_made_again(
    compare: Compare, export: Export, record: Record, tmp_path: Path, of: str
) -> None:
    export("net", b"1", "old")
    export("net", b"2", "new")
    known = artifact.exported(tmp_path / "old" / "net", "mnn").sha256
    differing: dict[str, dict[str, Any]] = {
        "another file": {"artifact_sha256": "0" * 64},
        "another input": {"artifact_sha256": known, "inputs_sha256": "0" * 64},
        "another precision": {"artifact_sha256": known, "precision": "fp16"},
        "a failure": {"artifact_sha256": known, "counts": None, "error": "lost"},
    }
    report = compare({"old/net": record(), "new/net": record()}, [record(5, **differing[of])])
    assert instructions(report)["net"].baseline == 1_000_000


def test_counts_of_another_emulator_are_made_again_and_that_is_said(
    compare: Compare, export: Export, record: Record, key: CostKey, tmp_path: Path
) -> None:
    export("net", b"1", "old")
    export("net", b"2", "new")
    known = artifact.exported(tmp_path / "old" / "net", "mnn").sha256
    other = msgspec.structs.replace(key, emulator="8.2.2")
    kept = [record(5, artifact_sha256=known, key=other)]
    report = compare({"old/net": record(), "new/net": record()}, kept)
    assert instructions(report)["net"].baseline == 1_000_000
    (said,) = (note for note in report.notes if "another emulator" in note)
    assert "emulator: 8.2.2 and 7.2.22" in said
    assert "counted again: net" in said
