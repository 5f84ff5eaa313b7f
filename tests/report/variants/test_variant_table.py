"""From a folder's records to the rows of variants.csv: each of its own file, or empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from asymm_deploy.bench.emulated.counts import CostRecord, Counts
from asymm_deploy.bench.records import PairedRatio, RowSummary
from asymm_deploy.evaluate.accuracy import ACCURACY_COLUMNS
from asymm_deploy.report.variants.variant_facts import (
    VariantFacts,
    VariantFile,
    VariantRecords,
    facts_of,
)
from asymm_deploy.report.variants.variant_table import (
    VARIANTS_COLUMNS,
    variant_rows,
    variants_text,
)
from asymm_deploy.text import ListRow
from tests.made_costs import KEY
from tests.made_explanations import explained_net

MakeRow = Callable[..., RowSummary]
SHA = "ab" * 32
FILE = VariantFile(
    model="net", variant="w8", artifact="net@w8", sha256=SHA, size=563_000, weights="trained"
)
COUNTS = Counts(
    insn=1_645_678,
    **dict.fromkeys(
        ("fma", "vector", "load", "store", "branch", "integer", "load_bytes", "store_bytes"), 0
    ),
)
COST = CostRecord(
    model="net@w8",
    artifact_sha256=SHA,
    inputs_sha256=None,
    precision="fp32",
    key=KEY,
    counts=COUNTS,
    operators=(),
    output_sha256=None,
    relative_error=None,
    flags=(),
    valid=True,
)


def accuracy(**changes: str) -> ListRow:
    known = {
        "model": "net",
        "variant": "w8",
        "engine": "mnn",
        "device": "host",
        "precision": "fp32",
        "images": "719",
        "top1_percent": "99.000",
        "top1_low_percent": "98.000",
        "top1_high_percent": "99.500",
        "agreement_percent": "99.500",
        "compared_with": "torch",
        "became_wrong": "2",
        "became_right": "1",
        "mcnemar_p": "1",
        "weights": "trained",
    }
    return dict.fromkeys(ACCURACY_COLUMNS, "") | known | changes


def records(row: MakeRow) -> VariantRecords:
    explained = msgspec.structs.replace(
        explained_net(), model="net@w8", artifact_sha256=SHA, device="pixel"
    )
    ratio = PairedRatio(partner="net", ratio=1.004, low=0.999, high=1.009, launches=8, made=8)
    timed = row("net@w8", 1.0, artifact_sha256=SHA)
    return VariantRecords(
        rows=[msgspec.structs.replace(timed, paired=(ratio,), peak_memory_mb=45.25)],
        costs=[COST],
        explained=[explained],
        accuracies=[accuracy()],
    )


def is_bare(found: VariantFacts) -> bool:
    return (found.top1, found.changed, found.row, found.pair, found.counted, found.explained) == (
        None,
    ) * 6


def test_what_was_measured_of_a_file_is_found_and_of_another_file_nothing(row: MakeRow) -> None:
    found = facts_of(FILE, "pixel", records(row))
    assert found.top1 is not None
    assert (found.top1.percent, found.top1.images) == (99.0, 719)
    assert found.pair is not None
    assert found.insn == 1_645_678
    assert found.row is not None
    assert found.explained is not None
    other = replace(FILE, sha256="cd" * 32, variant="w4")
    assert is_bare(facts_of(other, "pixel", records(row)))
    missing = replace(FILE, missing="no")
    assert is_bare(facts_of(missing, "pixel", records(row)))


def test_what_is_of_another_device_or_not_valid_is_left_out(row: MakeRow) -> None:
    elsewhere = facts_of(FILE, "other", records(row), lane_device="a76")
    assert elsewhere.insn == 1_645_678
    assert is_bare(replace(elsewhere, counted=None))
    wrong = msgspec.structs.replace(COST, flags=("output-mismatch",), valid=False)
    assert facts_of(FILE, "pixel", VariantRecords(costs=[wrong])).insn is None
    failed = msgspec.structs.replace(explained_net(), model="net@w8", artifact_sha256=SHA)
    failed = msgspec.structs.replace(failed, device="pixel", error="no")
    assert facts_of(FILE, "pixel", VariantRecords(explained=[failed])).explained is None
    half = replace(FILE, unmeasured="not here")
    assert is_bare(replace(facts_of(half, "pixel", records(row)), counted=None))


def rows_of(row: MakeRow) -> list[ListRow]:
    base = VariantFacts(
        file=replace(FILE, variant="fp32", artifact="net", size=1_889_000), device="pixel"
    )
    gone = VariantFacts(
        file=replace(FILE, variant="int8", size=None, missing="not | made"), device="pixel"
    )
    return variant_rows(base, [base, facts_of(FILE, "pixel", records(row)), gone], None)


def test_a_row_has_every_column_and_what_is_unknown_is_empty(row: MakeRow) -> None:
    rows = rows_of(row)
    assert all(tuple(each) == VARIANTS_COLUMNS for each in rows)
    known: dict[str, Any] = dict(rows[1])
    assert [known[name] for name in ("file_mb", "top1_percent", "ratio", "insn_m")] == [
        *("0.563", "99.000", "1.0040", "1.645678"),
    ]
    assert [known[name] for name in ("latency_median_ms", "ci_low_ms", "peak_memory_mb")] == [
        *("1", "", "45.2"),
    ]
    assert rows[2]["weights"] == rows[2]["file_mb"] == ""


def test_people_get_a_table_and_a_line_for_each(row: MakeRow) -> None:
    text = variants_text(rows_of(row), "table")
    assert "99.00 (98.00-99.50)" in text
    assert "ms on pixel" in text
    assert "SQNR" not in text, "nothing stands in that column"
    assert text.endswith("\nint8: not | made\n")
    listed = variants_text(rows_of(row), "markdown")
    assert "| w8" in listed
    assert "- **int8**: not &#124; made" in listed
    assert variants_text(rows_of(row), "csv").startswith("model,variant,device,")
