"""Table 1: the split of each network as we count it, beside the paper's."""

from __future__ import annotations

import csv
import io
from functools import cache

import pytest

from asymm_deploy.models.complexity import count_spec
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.names import parse
from asymm_deploy.report.paper import printed_table
from asymm_deploy.report.report_table import ReportTable, to_csv, to_markdown
from asymm_deploy.report.table1 import table1


@cache
def counted(model: str) -> Complexity:
    return count_spec(parse(model))


def counts(model: str) -> tuple[int, int]:
    return counted(model).madds, counted(model).params


def read(table: ReportTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(table))))


def test_table_1_stands_beside_the_papers_and_each_split_is_whole() -> None:
    kinds = ("depthwise_percent", "pointwise_percent", "vanilla_percent")
    for ours, p in zip(read(table1(counted)), printed_table(1).to_dict("records"), strict=True):
        assert ours["network"] == p["network"]
        assert sum(float(ours[kind]) for kind in kinds) == pytest.approx(100, abs=0.001)
        assert [ours[f"paper_{kind}"] for kind in kinds] == [p[kind] for kind in kinds]


@pytest.mark.parametrize(
    ("index", "expected"),
    # The paper prints 6.2 / 84.4 / 9.4 for MobileNetV2.
    [(0, (3.1, 95.0, 1.9)), (1, (6.9, 89.5, 3.6)), (2, (8.5, 89.0, 2.5))],
)
def test_table_1_is_the_split_of_each_network(index: int, expected: tuple[float, ...]) -> None:
    shares = list(read(table1(counted))[index].values())[1:4]

    assert tuple(round(float(share), 1) for share in shares) == expected


def test_table_1_says_that_mobilenetv2_differs() -> None:
    assert "split of MobileNetV2 does not follow" in to_markdown(table1(counted))
