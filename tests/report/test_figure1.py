"""Figure 1: the blocks in one skeleton, each against the inverted residual of its scale."""

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
from asymm_deploy.report.report_table import ReportTable, to_csv

MakeRow = Callable[..., RowSummary]


@cache
def counts(model: str) -> tuple[int, int]:
    cost = count_spec(names.parse(model))
    return cost.madds, cost.params


def read(table: ReportTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(table))))


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
