"""What a model costs, layer by layer."""

from __future__ import annotations

import json

import pytest

from asymm_deploy import cli


def test_describe_adds_up_and_keeps_stdout_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["describe", "mbv3_small_035", "--format", "json"]) == 0
    layers = json.loads(capsys.readouterr().out)
    assert sum(layer["madds"] for layer in layers) == 14_777_992
    assert cli.run(["describe", "mbv3_small_035"]) == 0
    assert "depthwise 19.5 %" in capsys.readouterr().out
