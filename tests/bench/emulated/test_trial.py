"""Setup keeps an emulator only if that counts and computes a network whose numbers are known."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnx.parser
import pytest

from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.trial import (
    TRIAL_MADDS,
    TRIAL_MODEL,
    TRIAL_SHA256,
    trial_fault,
    trial_weight,
)
from asymm_deploy.files import sha256_of

if TYPE_CHECKING:
    from tests.bench.emulated.conftest import Bench

GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
trial (float[1,16,8,8] x) => (float[1,32,8,8] y)
{
  convolved = Conv(x, weight)
  y = Relu(convolved)
}
"""
CONVERT = """
import sys, _tools
_tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--bizCode", "x",
                   "--modelFile", sys.argv[1], "--MNNModel", sys.argv[2]])
"""
RANDOM_NAME = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_file_is_what_mnn_makes_of_the_network(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(GRAPH)
    model.graph.initializer.append(onnx.numpy_helper.from_array(trial_weight(), "weight"))
    onnx.save(model, tmp_path / "trial.onnx")
    made = tmp_path / "trial.mnn"
    command = [sys.executable, "-I", "-c", CONVERT, str(tmp_path / "trial.onnx"), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    nameless = [RANDOM_NAME.sub(b"", path.read_bytes()) for path in (made, TRIAL_MODEL)]
    assert nameless[0] == nameless[1]
    assert sha256_of(TRIAL_MODEL) == TRIAL_SHA256


def test_a_real_emulator_passes(emulator: Emulator) -> None:
    assert trial_fault(emulator) is None


@pytest.mark.parametrize(
    ("fma", "why"),
    [
        (0, "it counts 0 multiply-adds of vectors, and not 8,192"),
        (TRIAL_MADDS // 4 - 1, "it counts 8,191 multiply-adds"),
        (TRIAL_MADDS, "it counts 32,768 multiply-adds"),
    ],
)
def test_an_emulator_that_counts_wrong_is_not_kept(bench: Bench, fma: int, why: str) -> None:
    bench.qemu(fma=fma)
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert f"(version 7.2.22): {why}" in bench.said
    assert bench.left() == set()


def test_an_emulator_that_computes_wrong_is_not_kept(bench: Bench) -> None:
    bench.qemu(off=0.01)
    assert bench.run("setup", "--wheel", bench.wheel()) == 3
    assert "it computes something else than is right: output-mismatch" in bench.said
    assert bench.left() == set()


def test_an_emulator_of_another_version_is_tried_by_the_same_network(bench: Bench) -> None:
    bench.set_up()
    bench.qemu("7.2.30", fma=0)
    assert bench.run("setup") == 3
    assert "(version 7.2.30): it counts 0 multiply-adds" in bench.said
