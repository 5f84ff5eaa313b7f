"""A network that amplifies rounding is not called wrong, and no other one may differ as much."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from asymm_deploy import cli
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import NumericsError
from asymm_deploy.export.inputs import parity_probes
from asymm_deploy.export.proof.parity import FP32_TOLERANCE
from asymm_deploy.export.proof.reference import Reference, doubled_results
from asymm_deploy.export.proof.stage import MOST_ROUNDING, prove_stage
from asymm_deploy.models.complexity import count

X = TensorSpec("input", (1, 4))
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


class Cancelling(nn.Module):
    """Adds a large number and takes it away again, which leaves few digits."""

    def __init__(self, large: float) -> None:
        super().__init__()
        self.large = large
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(x)
        return (y + self.large) - self.large


def reference(module: nn.Module) -> Any:
    torch.manual_seed(0)
    probes = parity_probes([X])
    with torch.no_grad():
        results: list[list[Any]] = [
            [module(torch.from_numpy(probe.arrays["input"])).numpy()] for probe in probes
        ]
    return Reference(
        (X,),
        (TensorSpec("output", (1, 4)),),
        probes,
        results,
        count(module, torch.zeros(1, 4)),
        "PyTorch",
        "source",
        exact=lambda: doubled_results(module, (X,), probes),
    )


def off_by(of: Any, share: float) -> list[list[Any]]:
    """Its results, of which one number is off by a share of their deviation."""
    wrong = [[sample[0].astype(np.float64)] for sample in of.results]
    wrong[-1][0][0, 0] += share * np.std([sample[0] for sample in of.results])
    return wrong


def test_what_cancels_loses_digits_in_the_reference_too() -> None:
    assert max(reference(Cancelling(0.0)).rounding) < 1e-6
    (rounding,) = reference(Cancelling(1e3)).rounding
    assert 1e-5 < rounding < 1e-3


def test_a_stage_may_differ_by_a_few_times_the_references_own_rounding() -> None:
    of = reference(Cancelling(1e3))
    (rounding,) = of.rounding
    assert rounding > FP32_TOLERANCE / 4

    assert prove_stage("onnx", of, off_by(of, 3.5 * rounding)).report.tolerance > FP32_TOLERANCE
    with pytest.raises(NumericsError):
        prove_stage("onnx", of, off_by(of, 6 * rounding))


def test_without_such_rounding_the_tolerance_stays() -> None:
    of = reference(Cancelling(0.0))

    proof = prove_stage("onnx", of, off_by(of, 0.9 * FP32_TOLERANCE))
    assert proof.report.tolerance == FP32_TOLERANCE
    with pytest.raises(NumericsError, match="1e-04 allowed"):
        prove_stage("onnx", of, off_by(of, 1.2 * FP32_TOLERANCE))


def test_no_rounding_is_leave_to_be_wrong() -> None:
    of = reference(Cancelling(1e6))
    assert max(of.rounding) > MOST_ROUNDING

    with pytest.raises(NumericsError):
        prove_stage("onnx", of, off_by(of, 1.1 * MOST_ROUNDING))


def test_the_mobilenext_of_the_documentation_is_exported_and_timed_and_counts_as_published(
    tmp_path: Path,
) -> None:
    shutil.copy(EXAMPLES / "mobilenext.py", tmp_path / "mobilenext_example.py")
    said = StringIO()
    arguments = ["mobilenext_example:mobilenext", "--input-shape", "1,3,224,224"]
    few = ("--runs", "1", "--launches", "1", "--warmup", "0", "--format", "csv")
    with chdir(tmp_path), redirect_stdout(said), redirect_stderr(said):
        code = cli.run(["bench", *arguments, *few])
    assert code in (0, 4), said.getvalue()  # 4: the machine was not quiet
    assert "output-mismatch" not in said.getvalue()
    folder = tmp_path / "artifacts" / "mobilenext_example.mobilenext"
    assert f"{json.loads((folder / 'manifest.json').read_text())['params_m']:.2f}" == "3.24"
