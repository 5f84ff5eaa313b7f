"""Tables 1, 3 and 4: the networks as built, beside the paper's figures."""

from __future__ import annotations

import csv
import io
from functools import cache

import pytest

from asymm_deploy.models.complexity import count_spec
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.names import parse
from asymm_deploy.report.network_rows import built_rows
from asymm_deploy.report.paper import printed_table
from asymm_deploy.report.report_table import ReportTable, to_csv, to_markdown
from asymm_deploy.report.specification import table3, table4
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


@pytest.mark.parametrize(
    "model",
    ["asymmnet_large_100", "asymmnet_small_100", "asymmnet_large_100_r0", "asymmnet_small_035_r2"],
)
def test_the_rows_add_up_to_the_network(model: str) -> None:
    rows = built_rows(model)

    assert (sum(row.madds for row in rows), sum(row.params for row in rows)) == counts(model)


@pytest.mark.parametrize(
    "model", ["asymmnet_large_100_r0", "asymmnet_large_100", "asymmnet_large_100_r2"]
)
def test_p_is_what_the_spec_says_whatever_the_rate(model: str) -> None:
    spec = parse(model)
    blocks = [row for row in built_rows(model) if row.operator == "asymm-bneck"]
    channels = [int(row.input.rpartition("x")[2]) for row in blocks]

    for block, row, given in zip(blocks, spec.rows, channels, strict=True):
        expands = row.expanded > max(given, (spec.rate or 0) * given)
        assert block.expanded == (row.expanded if expands else given)
        assert (block.kernel, block.out, block.stride) == (row.kernel, row.out, row.stride)
