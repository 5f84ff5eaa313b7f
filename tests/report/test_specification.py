"""Tables 3 and 4: the networks as built, beside the paper's rows."""

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
from asymm_deploy.report.specification import table3, table4


@cache
def counted(model: str) -> Complexity:
    return count_spec(parse(model))


def counts(model: str) -> tuple[int, int]:
    return counted(model).madds, counted(model).params


def read(table: ReportTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(table))))


def test_table_3_is_built_as_printed() -> None:
    assert {line["row"]: line["differs"] for line in read(table3()) if line["differs"]} == {}


def test_table_4_differs_only_in_the_convolution_after_pooling() -> None:
    lines = {line["row"]: line for line in read(table4())}

    differing = {row: line["differs"] for row, line in lines.items() if line["differs"]}
    assert differing == {"15": "out", "16": "input"}
    assert (lines["15"]["out"], lines["15"]["paper_out"]) == ("1280", "1024")
    assert "prints 1024 channels" in to_markdown(table4())
    assert "prints 1024 channels" not in to_markdown(table3())


@pytest.mark.parametrize("number", [3, 4])
def test_the_papers_cells_are_as_printed(number: int) -> None:
    lines = read(table3() if number == 3 else table4())
    for ours, p in zip(lines, printed_table(number).to_dict("records"), strict=True):
        assert {name: ours["row" if name == "row" else f"paper_{name}"] for name in p} == p
