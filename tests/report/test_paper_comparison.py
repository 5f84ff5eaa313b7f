"""Tables 6 to 10 and Figure 1: our counts and latencies beside the paper's cells, none bent."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import cache

import pytest

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.models.complexity import count_spec
from asymm_deploy.report.figure1 import figure1
from asymm_deploy.report.paper import printed_table
from asymm_deploy.report.paper_comparison import LAYOUTS, paper_comparison
from asymm_deploy.report.report_table import ReportTable, to_csv, to_markdown

MakeRow = Callable[..., RowSummary]


@cache
def counts(model: str) -> tuple[int, int]:
    cost = count_spec(names.parse(model))
    return cost.madds, cost.params


def read(table: ReportTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(table))))


def printed(number: int) -> list[dict[str, str]]:
    frame = printed_table(number)
    return [dict(zip(frame.columns, cells, strict=True)) for cells in frame.to_numpy()]


@pytest.mark.parametrize("number", LAYOUTS)
def test_every_cell_of_the_paper_is_there_as_printed(number: int) -> None:
    lines = read(paper_comparison(number, [], counts))
    papers = printed(number)

    assert len(lines) == len(papers) == len(names.table_models(number))
    for ours, p in zip(lines, papers, strict=True):
        shown = {
            name: ours[name if name not in p or f"paper_{name}" not in ours else f"paper_{name}"]
            for name in p
        }
        assert shown == p


@pytest.mark.parametrize("number", LAYOUTS)
def test_the_rows_name_the_networks_that_they_count(number: int) -> None:
    families = {"AsymmNet": "asymmnet", "MBV3": "mbv3"}
    for model, p in zip(names.table_models(number), printed(number), strict=True):
        if "backbone" in p and p["backbone"].partition("-")[0] in families:
            family, _, scale = p["backbone"].partition("-")
            spec = names.parse(model)
            assert (spec.family, spec.scale) == (
                families[family],
                {"s": "small", "L": "large"}[scale],
            )


@pytest.mark.parametrize("number", LAYOUTS)
def test_our_counts_are_the_networks_own_and_nothing_unmeasured_is_claimed(number: int) -> None:
    for model, ours in zip(
        names.table_models(number), read(paper_comparison(number, [], counts)), strict=True
    ):
        madds, params = counts(model)
        if number == 10:
            assert float(ours["madds_g"]) == pytest.approx(madds / 1e9, rel=1e-5)
        else:
            assert float(ours["madds_m"]) == pytest.approx(madds / 1e6, rel=1e-5)
        assert float(ours["params_m"]) == pytest.approx(params / 1e6, rel=1e-5)
        assert (ours["latency_ms"], ours["valid"]) == ("", "")
        assert not {name for name in ours if "percent" in name and not name.startswith("paper_")}


def test_the_columns_of_table_6_are_the_contracts() -> None:
    assert list(read(paper_comparison(6, [], counts))[0]) == [
        *("scale", "asymmetry_rate", "madds_m", "params_m", "latency_ms", "paper_top1_percent"),
        *("paper_madds_m", "paper_params_m", "valid"),
    ]


@pytest.mark.parametrize("number", LAYOUTS)
def test_in_print_the_papers_figures_are_called_the_papers(number: int) -> None:
    heading = to_markdown(paper_comparison(number, [], counts)).splitlines()[4]
    cells = [cell.strip() for cell in heading.strip("|").split("|")]
    assert [cell for cell in cells if cell.startswith("paper ")] == [
        f"paper {heading}" for _, heading in LAYOUTS[number].results
    ]
    ours = [cell for cell in cells if not cell.startswith("paper ")]
    assert len(ours) == len(set(ours))


def test_accuracies_of_faces_are_under_the_papers_own_headings() -> None:
    assert [heading for _, heading in LAYOUTS[7].results[:5]] == [
        *("LFW (%)", "CALFW (%)", "CPLFW (%)", "AgeDB-30 (%)", "VGGFace2 (%)")
    ]


def test_a_row_that_was_timed_has_its_latency_and_flags(row: MakeRow) -> None:
    rows = [row("mobilefacenet", 7.0), row("mbv3_small_100_face", 3.0, flags=("hot",))]
    table = paper_comparison(7, rows, counts)

    timed = {x["backbone"]: (x["latency_ms"], x["valid"]) for x in read(table) if x["valid"]}
    assert timed == {"MobileFaceNet": ("7.0", "true"), "MBV3-s": ("3.0", "false")}
    text = to_markdown(table)
    assert "- hot: the device was too warm." in text
    assert "3 of 5 models have not been timed" in text


def test_figure_1_has_seven_blocks_at_both_scales() -> None:
    lines = read(figure1([], counts))

    assert [line["model"] for line in lines] == list(names.figure_models(1))
    assert len({line["block"] for line in lines}) == 7
    assert [line["scale"] for line in lines] == ["Large"] * 7 + ["Small"] * 7
    assert {line["model"].split("_")[0]: line["figure"] for line in lines} == {
        "bottleneck": "1(a)",
        "mbv3": "1(b), 2(a)",
        "sandglass": "1(c)",
        "shuffle": "1(d)",
        "ghost": "1(e)",
        "asymmnet": "1(f), 2(c)",
        "pruned": "2(b)",
    }
    assert all(line["latency_ms"] == line["valid"] == "" for line in lines)


def test_a_block_is_measured_against_the_inverted_residual_of_its_scale(row: MakeRow) -> None:
    rows = [
        row("mbv3_large_100", 10.0),
        row("ghost_large_100", 12.0),
        row("mbv3_small_100", 4.0, flags=("hot",)),
        row("ghost_small_100", 5.0),
    ]
    found = {line["model"]: line for line in read(figure1(rows, counts))}

    assert found["ghost_large_100"]["latency_vs_inverted_residual"] == "1.2"
    # A ratio to a row that nobody vouches for would look as good as the row.
    assert found["ghost_small_100"]["latency_vs_inverted_residual"] == ""
    per_kmadd = 12.0e6 / (counts("ghost_large_100")[0] / 1e3)
    assert float(found["ghost_large_100"]["ns_per_kmadd"]) == pytest.approx(per_kmadd, rel=1e-4)
