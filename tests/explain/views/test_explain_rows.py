"""Rows have the columns of the contract, add up, and hold any name in CSV and in JSON."""

from __future__ import annotations

import csv
import json
import math

import msgspec
import pytest

from asymm_deploy.explain.explanation import EXPLAIN_COLUMNS, Explanation, OperatorError
from asymm_deploy.explain.views import explain_rows
from asymm_deploy.explain.views.explain_rows import (
    KIND_COLUMNS,
    MODULE_COLUMNS,
    explain_csv,
    explain_json,
    kind_rows_of,
    module_rows_of,
    operator_rows_of,
)
from asymm_deploy.safe import csv_cell


def of_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_a_row_of_an_operator_has_the_columns_of_the_contract(explained: Explanation) -> None:
    rows = operator_rows_of(explained)
    assert all(tuple(row) == EXPLAIN_COLUMNS for row in rows)
    assert rows[3] == {
        "model": "net",
        "device": "host",
        "precision": "fp32",
        "index": 3,
        "module": "blocks.0.project.conv",
        "node": "/blocks/0/project/conv/Conv",
        "operator": "Convolution",
        "kind": "pointwise",
        "output_shape": "1x16x8x8",
        "madds_m": 40.0,
        "time_ms": 1.5,
        "share_percent": 37.5,
        "gmacs": pytest.approx(26.667),
        "moved_mb": 1.000003,
        "intensity": 40.0,
        "peak_percent": 53.33,
        "insn_m": None,
        "snr_db": 117.0,
        "error_over_deviation": 4e-6,
        "own_snr_db": 130.0,
        "own_error_over_deviation": 2e-7,
        "own_limit": 1e-4,
        "accused": False,
    }


def summed(rows: list[explain_rows.ExplainRow], column: str) -> float:
    """Return the sum of a column of numbers."""
    cells = [row[column] for row in rows]
    return sum(cell for cell in cells if isinstance(cell, int | float))


def test_shares_of_every_view_add_up_to_a_hundred(
    explained: Explanation, counted: Explanation
) -> None:
    for whole in (explained, counted):
        for rows in (operator_rows_of(whole), module_rows_of(whole, 2), kind_rows_of(whole)):
            assert summed(rows, "share_percent") == pytest.approx(100, abs=0.01)
            assert summed(rows, "madds_m") == pytest.approx(75)
    for rows in (module_rows_of(explained, 2), kind_rows_of(explained)):
        assert summed(rows, "madds_percent") == pytest.approx(100, abs=0.01)
        assert summed(rows, "operators") == 6


def test_what_is_unknown_is_empty_in_csv_and_null_in_json(counted: Explanation) -> None:
    rows = operator_rows_of(counted)
    (first, *_) = of_csv(explain_csv(rows, EXPLAIN_COLUMNS))
    assert (first["time_ms"], first["gmacs"], first["own_limit"], first["accused"]) == ("",) * 4
    assert (first["insn_m"], first["share_percent"]) == ("1.000000", "4.762")
    assert json.loads(explain_json(rows))[0]["time_ms"] is None


def test_the_accused_is_marked_in_every_view(faulty: Explanation) -> None:
    def accused(rows: list[explain_rows.ExplainRow], column: str) -> list[object]:
        return [row[column] for row in rows if row["accused"]]

    assert accused(operator_rows_of(faulty), "index") == [3]
    assert accused(module_rows_of(faulty, 2), "module") == ["blocks.0"]
    assert accused(kind_rows_of(faulty), "kind") == ["pointwise"]
    assert tuple(module_rows_of(faulty, 2)[0]) == MODULE_COLUMNS
    assert tuple(kind_rows_of(faulty)[0]) == KIND_COLUMNS


NAMES = ('=cmd|"/C calc"!A0', 'a,"b"\nc', "\u202egnp.exe", "</script>", "\ud800half", "x\0y", "")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_one_cell(name: str, explained: Explanation) -> None:
    odd = msgspec.structs.replace(explained.operators[0], module=name, node=name)
    whole = msgspec.structs.replace(explained, model=name, operators=(odd,))
    rows = operator_rows_of(whole)
    assert json.loads(explain_json(rows))[0]["node"] == name
    text = explain_csv(rows, EXPLAIN_COLUMNS)
    cells = list(csv.reader(text.splitlines(keepends=True)))
    assert [len(row) for row in cells] == [len(EXPLAIN_COLUMNS)] * 2
    assert cells[1][0] == csv_cell(name)


@pytest.mark.parametrize("error", [math.inf, math.nan])
def test_an_error_that_is_no_number_is_one_in_files(error: float, explained: Explanation) -> None:
    own = OperatorError(snr_db=-error, over_deviation=error)
    odd = msgspec.structs.replace(explained.operators[0], own=own)
    again = msgspec.json.decode(msgspec.json.encode(odd), type=type(odd))
    assert again == odd
    assert again.accused
