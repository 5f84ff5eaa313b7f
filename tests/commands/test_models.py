"""The list of the paper's networks."""

from __future__ import annotations

import csv
import io
import json

import pytest

from asymm_deploy import cli


def test_models_prints_csv_with_integers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["models", "asymmnet_large_100", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    row = next(row for row in rows if row["name"] == "asymmnet_large_100")
    assert list(row) == ["name", "input_shape", "madds", "params"]
    assert (int(row["madds"]), int(row["params"])) == (216_918_096, 6_076_608)


@pytest.mark.parametrize("pattern", ["small_035", "*small_035"])
def test_a_pattern_is_a_part_of_the_name_or_a_glob(
    pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["models", pattern, "--format", "json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert "asymmnet_small_035" in names
    assert all("small_035" in name for name in names)


def test_people_see_thousands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["models", "asymmnet_large_100"]) == 0
    assert "216,918,096" in capsys.readouterr().out
