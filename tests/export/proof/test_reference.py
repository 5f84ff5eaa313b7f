"""What a definition computes: the names of its outputs, what proves nothing, and its rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest
import torch
from torch import Tensor, nn

from asymm_deploy.errors import NumericsError, UsageError
from asymm_deploy.export.proof import parity, reference
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.input_shape import InputShape
from asymm_deploy.models.source import CallableModule

INPUTS = (InputShape(None, (1, 4)),)
REQUEST = ExportRequest(CallableModule("nets", "net", INPUTS), Path())


class Made(nn.Module):
    """A module that computes what it is given."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def test_nested_outputs_are_laid_flat_in_order() -> None:
    module = Made(lambda x: {"a": 2 * x, "b": [x + 1, (x[:, :2],)]})
    made = reference.reference_of_module(REQUEST, module)

    assert [spec.shape for spec in made.outputs] == [(1, 4), (1, 4), (1, 2)]
    assert [spec.name for spec in made.outputs] == ["a", "b_0", "b_1_0"]
    x = made.samples[0]["input"].astype(np.float32)
    np.testing.assert_array_equal(made.results[0][0], 2 * x)
    np.testing.assert_array_equal(made.results[0][2], x[:, :2])


def test_the_large_inputs_results_are_no_common_ones() -> None:
    made = reference.reference_of_module(REQUEST, Made(lambda x: x))
    names = [probe.name for probe in made.probes]

    assert names.count("large") == 1
    common = [made.results[i] for i, name in enumerate(names) if name != "large"]
    assert len(made.common_results) == len(names) - 1
    assert all(a[0] is b[0] for a, b in zip(made.common_results, common, strict=True))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (
            lambda x: x / 0,
            NumericsError,
            "no made-up input gives finite .*: the uniform input gives",
        ),
        (lambda x: x @ x, UsageError, "nets:net fails on inputs of shape 1,4: mat1 and mat2"),
        (lambda x: 3, UsageError, "the module returns no tensor"),
    ],
)
def test_a_definition_that_proves_nothing_is_refused(
    function: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        reference.reference_of_module(REQUEST, Made(function))


NEG = onnx.parser.parse_model(
    '<ir_version: 8, opset_import: ["" : 17]>'
    "g (float[1,4] x) => (float[1,4] output) { output = Neg(x) }"
)


def test_limits_are_tighter_where_outputs_vary_by_less_than_a_twentieth() -> None:
    same = reference.reference_of_module(REQUEST, Made(lambda x: x)).common_results
    values = np.stack([outputs[0].astype(np.float64) for outputs in same])
    pattern = torch.tensor([-1.0, 1.0, -1.0, 1.0])
    large = float(np.sqrt(np.mean(values.var(axis=0)))) * pattern  # a spread of 1 over its factor

    varying = reference.reference_of_module(REQUEST, Made(lambda x: x + large / 0.06))
    assert parity.spread(varying.common_results) == pytest.approx(0.06, rel=0.1)
    assert varying.tightening(0) == 1.0
    assert reference.require_spread(varying, NEG) == []

    little = reference.reference_of_module(REQUEST, Made(lambda x: x + large / 0.005))
    assert little.tightening(0) == pytest.approx(0.1, rel=0.1)
    (told,) = reference.require_spread(little, NEG)
    assert "by 5.0e-03 of their size only: the limits are 10 times tighter" in told


@pytest.mark.parametrize("function", [lambda x: 0 * x + 1, lambda x: 1e-5 * x + torch.arange(4)])
def test_outputs_that_hardly_vary_with_the_input_prove_nothing(function: Any) -> None:
    made = reference.reference_of_module(REQUEST, Made(function))
    with pytest.raises(NumericsError, match="the outputs hardly depend on the input: they vary by"):
        reference.require_spread(made, NEG)


def test_a_module_that_knows_float32_alone_has_no_rounding() -> None:
    weight = torch.eye(4)
    made = reference.reference_of_module(REQUEST, Made(lambda x: x @ weight))

    assert list(made.rounding) == []


def test_where_the_large_input_alone_is_finite_its_results_are_what_there_is() -> None:
    made = reference.reference_of_module(REQUEST, Made(lambda x: x))
    large = [i for i, probe in enumerate(made.probes) if probe.name == "large"]
    alone = replace(
        made,
        probes=tuple(made.probes[i] for i in large),
        results=[made.results[i] for i in large],
    )
    assert alone.common_results == alone.results


class Mixed(nn.Module):
    """A layer in half precision between others in single precision."""

    def __init__(self) -> None:
        super().__init__()
        self.half_layer = nn.Linear(4, 8).half()
        self.layer = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(self.half_layer(x.half()).float())
        return y


def test_a_module_partly_in_half_precision_rounds_as_such() -> None:
    made = reference.reference_of_module(REQUEST, Mixed().eval())
    assert made.half
    (rounding,) = made.rounding
    assert 1e-5 < rounding < 1e-2
