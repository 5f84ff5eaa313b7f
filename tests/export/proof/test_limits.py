"""How far a timed output may be off: never so little that a correct network is called wrong."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import pytest

from asymm_deploy import cli

# One number behind convolutions that Winograd's may replace; and a vector of two that are close.
MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(16, 16, 3, padding=1))
        self.last = nn.Linear(16, outputs)
        with torch.no_grad():
            self.last.weight.copy_(self.last.weight[:1].expand(outputs, -1))
            self.last.bias.copy_(1e-4 * torch.arange(outputs))

    def forward(self, x):
        return self.last(self.body(x).mean((2, 3)))

def number():
    return Net(1)

def pair():
    return Net(2)
"""


@pytest.mark.parametrize("name", ["number", "pair"])
def test_what_is_exported_is_no_mismatch_when_it_is_timed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"nets_of_{name}.py").write_text(MODULE)
    few = ("--runs", "1", "--launches", "1", "--warmup", "0", "--format", "csv")
    with chdir(tmp_path):
        code = cli.run(["bench", f"nets_of_{name}:{name}", "--input-shape", "1,3,32,32", *few])
    printed = capsys.readouterr()
    assert code in (0, 4), printed.err  # 4: the machine was not quiet
    assert "output-mismatch" not in printed.out
    (path,) = (tmp_path / "artifacts").glob("*/manifest.json")
    (limit,) = json.loads(path.read_text())["output_limits"]
    assert 1e-3 < limit["deviation"] < 1
    assert 1e-4 <= limit["tolerance"] < 1e-2
