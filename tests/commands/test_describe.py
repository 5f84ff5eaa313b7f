"""What a model costs, layer by layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asymm_deploy import cli


def test_describe_adds_up_and_keeps_stdout_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["describe", "mbv3_small_035", "--format", "json"]) == 0
    layers = json.loads(capsys.readouterr().out)
    assert sum(layer["madds"] for layer in layers) == 14_777_992
    assert cli.run(["describe", "mbv3_small_035"]) == 0
    assert "depthwise 19.5 %" in capsys.readouterr().out


CODE = """
import os, torch

class Own(BaseException):
    pass

def exits():
    os._exit(0)

def raises():
    raise Own("mine")

class ForwardExits(torch.nn.Module):
    def forward(self, x):
        os._exit(0)

class ForwardRaises(torch.nn.Module):
    def forward(self, x):
        raise Own("in forward")
"""


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("exits", 6, "ended without a result (exit code 0)"),
        ("ForwardExits", 6, "ended without a result (exit code 0)"),
        ("raises", 2, "described_traps:raises raised Own: mine"),
        ("ForwardRaises", 2, "described_traps:ForwardRaises raised Own: in forward"),
    ],
)
def test_a_users_code_that_ends_the_process_is_no_success(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    code: int,
    says: str,
) -> None:
    (tmp_path / "described_traps.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["describe", f"described_traps:{name}", "--input-shape", "1,4"]) == code
    assert says in capsys.readouterr().err
