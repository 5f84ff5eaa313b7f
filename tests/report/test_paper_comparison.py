"""Tables 6 to 10: our counts and latencies beside the paper's cells, none bent."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import cache

import pytest

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.models.complexity import count_spec
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


def test_figures_of_our_own_networks_stand_beside_the_papers_where_they_were_evaluated() -> None:
    figures = {"mbv3_small_100_pose": {"ap": 50.25, "ap50": 80.0}, "other": {"ap": 1.0}}
    table = paper_comparison(9, [], counts, figures)
    found = {row["backbone"]: (row["ap"], row["ap50"], row["ap75"]) for row in read(table)}
    assert found.pop("MBV3-s") == ("50.25", "80.0", "")
    assert set(found.values()) == {("", "", "")}
    assert "of trained weights in MNN, fp32, on COCO val2017" in to_markdown(table)
    assert "ap" not in read(paper_comparison(9, [], counts, {"other": {"ap": 1.0}}))[0]
