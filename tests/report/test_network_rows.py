"""A network's rows add up to it, and p is the spec's at every rate."""

from __future__ import annotations

import csv
import io
from functools import cache

import pytest

from asymm_deploy.models.complexity import count_spec
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.names import parse
from asymm_deploy.report.network_rows import built_rows
from asymm_deploy.report.report_table import ReportTable, to_csv


@cache
def counted(model: str) -> Complexity:
    return count_spec(parse(model))


def counts(model: str) -> tuple[int, int]:
    return counted(model).madds, counted(model).params


def read(table: ReportTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(table))))


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
