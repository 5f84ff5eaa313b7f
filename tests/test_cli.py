"""The small commands: what they print where, and what they say to mistakes."""

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


def test_describe_adds_up_and_keeps_stdout_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["describe", "mbv3_small_035", "--format", "json"]) == 0
    layers = json.loads(capsys.readouterr().out)
    assert sum(layer["madds"] for layer in layers) == 14_777_992
    assert cli.run(["describe", "mbv3_small_035"]) == 0
    assert "depthwise 19.5 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exprt"], "export"),
        (["models", "--fromat", "csv"], "--format"),
        (["models", "--format", "xml"], "xml"),
        (["describe"], "missing argument"),
        (["describe", "asymmnet_large_1OO"], "three or more digits"),
        (["bench", "asymmnet_small_035", "--cpu", "first"], "no core"),
        (["report", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_exits_2_and_says_what_to_try(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert "hint: " in printed.err
    assert said in printed.err


def test_version_and_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("asymm-deploy ")
    cli.run([])
    assert "Usage:" in "".join(capsys.readouterr())
