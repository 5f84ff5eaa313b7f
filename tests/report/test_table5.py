"""Table 5: the paper's rows and columns, ours beside the paper's, nothing claimed unmeasured."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.bench.judge import rows as stats
from asymm_deploy.bench.records import LaunchRecord, PairedRatio, RowSummary
from asymm_deploy.models import names
from asymm_deploy.report.paper import printed_table
from asymm_deploy.report.report_table import to_csv, to_html, to_markdown
from asymm_deploy.report.table5 import table5

MakeRow = Callable[..., RowSummary]
Cells = dict[tuple[str, str, str], dict[str, str]]

HEADER = (
    "multiplier,scale,network,top1_percent,madds_m,params_m,latency_ms,latency_vs_mbv3,"
    "paper_top1_percent,paper_madds_m,paper_params_m,paper_latency_ms,paper_latency_vs_mbv3,valid"
)


def counts(_model: str) -> tuple[int, int]:
    return 216_918_096, 6_076_608


def read(*rows: RowSummary) -> Cells:
    lines = csv.DictReader(io.StringIO(to_csv(table5(rows, counts))))
    return {(line["multiplier"], line["scale"], line["network"]): line for line in lines}


def test_the_columns_are_the_contracts() -> None:
    assert to_csv(table5([], counts)).splitlines()[0] == HEADER


def test_the_rows_and_the_papers_figures_are_the_papers(row: MakeRow) -> None:
    printed = printed_table(5).to_dict("records")
    written = read(row())

    assert list(written) == [(p["multiplier"], p["scale"], p["network"]) for p in printed]
    for cells, p in zip(written.values(), printed, strict=True):
        for name in ("top1_percent", "madds_m", "params_m", "latency_ms"):
            assert cells[f"paper_{name}"] == p[name]


@pytest.mark.parametrize(
    ("scale", "network", "ratio"),
    [
        ("Large", "AsymmNet", 1.163),
        ("Large", "Pruned", 0.837),
        ("Large", "MBV3", 1.0),
        ("Small", "AsymmNet", 1.089),
        ("Small", "Pruned", 0.967),
    ],
)
def test_the_papers_ratios_follow_from_its_latencies(
    scale: str, network: str, ratio: float
) -> None:
    cell = read()["1.0", scale, network]["paper_latency_vs_mbv3"]

    assert round(float(cell), 3) == ratio


def test_what_is_not_measured_is_empty_validity_too() -> None:
    empty = ("top1_percent", "latency_ms", "latency_vs_mbv3", "valid")

    assert {cells[name] for cells in read().values() for name in empty} == {""}


def test_each_latency_stands_in_its_models_row_with_its_ratio(
    table5_launches: list[LaunchRecord],
) -> None:
    written = list(read(*stats.latest_rows(table5_launches)).values())

    assert [float(cells["latency_ms"]) for cells in written] == list(range(1, 31))
    bases = [3 * (index // 3) + 3 for index in range(30)]
    assert [float(cells["latency_vs_mbv3"]) for cells in written] == pytest.approx(
        [ms / base for ms, base in enumerate(bases, start=1)], rel=1e-5
    )
    assert {cells["valid"] for cells in written} == {"true"}


def test_a_latency_is_the_mean_over_all_runs(launch: Callable[..., LaunchRecord]) -> None:
    launches = [
        launch(samples_ns=(1_000_000, 2_000_000)),
        launch(samples_ns=(9_000_000,), launch=1),
    ]
    ours = read(stats.summarise(launches))["1.0", "Large", "AsymmNet"]

    assert ours["latency_ms"] == "4.0"


def test_ratios_are_empty_where_mbv3_is_missing(row: MakeRow) -> None:
    ours = read(row(), row("mbv3_large_075"), row("mbv3_small_100"))["1.0", "Large", "AsymmNet"]

    assert (ours["latency_ms"], ours["latency_vs_mbv3"]) == ("10.0", "")


def test_a_valid_row_has_no_ratio_to_an_invalid_one(row: MakeRow) -> None:
    rows = [row(ms=30), row("mbv3_large_100", 20, flags=("hot",)), row("pruned_large_100", 10)]
    written = read(*rows)

    assert written["1.0", "Large", "AsymmNet"]["latency_vs_mbv3"] == ""
    assert written["1.0", "Large", "AsymmNet"]["valid"] == "true"
    text = to_markdown(table5(rows, counts))
    assert "the row of MBV3 is not valid: asymmnet_large_100, pruned_large_100." in text


def test_an_invalid_row_has_its_ratio_and_is_marked(row: MakeRow) -> None:
    rows = [row(ms=30, flags=("hot",)), row("mbv3_large_100", 20)]
    ours = read(*rows)["1.0", "Large", "AsymmNet"]

    assert (ours["latency_vs_mbv3"], ours["valid"]) == ("1.5", "false")
    (line,) = [line for line in to_markdown(table5(rows, counts)).splitlines() if "30.00" in line]
    assert [cell.strip() for cell in line.split("|")[-3:-1]] == ["NO", "hot"]
    assert '<tr class="invalid">' in to_html(table5(rows, counts))


def test_a_failed_row_has_no_latency_but_says_why(row: MakeRow) -> None:
    rows = [row(samples_ns=(), error="no memory", flags=("failed",)), row("mbv3_large_100")]
    ours = read(*rows)["1.0", "Large", "AsymmNet"]

    assert (ours["latency_ms"], ours["latency_vs_mbv3"], ours["valid"]) == ("", "", "false")
    assert "- asymmnet_large_100 failed: no memory\n" in to_markdown(table5(rows, counts))


def test_counts_are_ours_and_not_the_papers() -> None:
    ours = read()["1.0", "Large", "AsymmNet"]

    assert (ours["madds_m"], ours["params_m"]) == ("216.918", "6.07661")


def test_people_read_whose_figures_they_see(row: MakeRow) -> None:
    text = to_markdown(table5([row()], counts))
    header = next(line for line in text.splitlines() if line.startswith("|"))
    headings = [heading.strip() for heading in header.strip("|").split("|")]

    assert sum(heading.startswith("paper ") for heading in headings) == 5
    assert "MNN on a Snapdragon 855, fp32, one thread" in text
    assert "- 29 of 30 models have not been timed." in text
    assert "Device: pixel (chip), core 7" in text


def test_nothing_of_ours_hides_that_nothing_was_measured() -> None:
    assert "No latency has been measured." in to_markdown(table5([], counts))


def in_turns(row: RowSummary, **fields: object) -> RowSummary:
    partner = str(fields.pop("partner", "mbv3_large_100"))
    known = {"ratio": 1.1, "low": 1.08, "high": 1.12, "by_wall": 1.1, "launches": 8, "made": 8}
    ratio = PairedRatio(partner=partner, **known | fields)  # type: ignore[arg-type]
    return msgspec.structs.replace(row, paired=(ratio,))


def test_ratios_in_turns_stand_behind_the_other_columns(row: MakeRow) -> None:
    found = in_turns(row())
    assert to_csv(table5([found], counts)).splitlines()[0] == (
        f"{HEADER},vs_mbv3_paired,vs_mbv3_low,vs_mbv3_high"
    )
    written = read(found)
    cells = written.pop(("1.0", "Large", "AsymmNet"))
    names = ("vs_mbv3_paired", "vs_mbv3_low", "vs_mbv3_high")
    assert [cells[name] for name in names] == ["1.1", "1.08", "1.12"]
    assert {cells[name] for cells in written.values() for name in names} == {""}
    text = to_markdown(table5([found], counts))
    assert "| vs MBV3 in turns |" in text.replace("  ", "")
    assert "- vs MBV3 in turns: 8 launches, each of a network and its MBV3" in text
    assert "by processor time, with" in text


def test_they_are_there_without_any_latency_of_mbv3(row: MakeRow) -> None:
    cells = read(in_turns(row()))["1.0", "Large", "AsymmNet"]
    assert (cells["latency_vs_mbv3"], cells["vs_mbv3_paired"]) == ("", "1.1")


def test_ratios_to_other_models_are_no_column(row: MakeRow) -> None:
    rows = [
        in_turns(row(), partner="pruned_large_100"),
        in_turns(row("mbv3_large_100"), partner="a"),
    ]
    assert to_csv(table5(rows, counts)).splitlines()[0] == HEADER
    assert "in turns" not in to_markdown(table5(rows, counts))


@pytest.mark.parametrize("model", names.table_models(5))
def test_the_mbv3_in_turns_is_that_of_the_other_ratio(model: str, row: MakeRow) -> None:
    base = names.mbv3_of(model)
    if base is None:
        assert model.startswith("mbv3_")
        return
    (cells,) = [
        x for x in read(row(model, 30), row(base, 20)).values() if x["latency_ms"] == "30.0"
    ]
    assert cells["latency_vs_mbv3"] == "1.5"


def test_what_does_not_count_and_what_the_clocks_say_is_noted(row: MakeRow) -> None:
    spoilt = {"launches": 6, "flags": ("split-pairs",)}
    text = to_markdown(table5([in_turns(row(), by_wall=1.05, **spoilt)], counts))
    assert "asymmnet_large_100 in turns: 6 of 8 launches count; the others: split-pairs (" in text
    assert "asymmnet_large_100 in turns: 1.050 by wall time: other programs took time" in text


def test_a_ratio_of_wall_times_says_so(row: MakeRow) -> None:
    first = in_turns(row(), by_wall=None)
    other = in_turns(row("pruned_large_100"))
    assert "over pairs of runs, by wall time, with" in to_markdown(table5([first], counts))
    text = to_markdown(table5([first, other], counts))
    assert "by processor time (wall time: asymmnet_large_100), with" in text


def test_a_pair_that_failed_has_no_ratio_and_its_reason(row: MakeRow) -> None:
    none = dict.fromkeys(("ratio", "low", "high", "by_wall"))
    failed = in_turns(row(), **none, launches=0, made=1, flags=("failed",), reason="no memory")
    assert read(failed)["1.0", "Large", "AsymmNet"]["vs_mbv3_paired"] == ""
    text = to_markdown(table5([failed], counts))
    assert "in turns: 0 of 1 launch count; the others: no memory." in text
