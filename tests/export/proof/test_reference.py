"""What a definition computes: the names of its outputs, what proves nothing, and its rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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
        (lambda x: 0 * x + 1, NumericsError, "the outputs hardly depend on the input: .*0.05"),
        (lambda x: x / 0, NumericsError, "gives NaN or infinity for the uniform input"),
        (lambda x: x @ x, UsageError, "nets:net fails on inputs of shape 1,4: mat1 and mat2"),
        (lambda x: 3, UsageError, "the module returns no tensor"),
    ],
)
def test_a_definition_that_proves_nothing_is_refused(
    function: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        reference.reference_of_module(REQUEST, Made(function))


def test_outputs_must_vary_by_a_twentieth_with_the_input() -> None:
    same = reference.reference_of_module(REQUEST, Made(lambda x: x)).common_results
    values = np.stack([outputs[0].astype(np.float64) for outputs in same])
    pattern = torch.tensor([-1.0, 1.0, -1.0, 1.0])
    large = float(np.sqrt(np.mean(values.var(axis=0)))) * pattern  # a spread of 1 over its factor

    varying = reference.reference_of_module(REQUEST, Made(lambda x: x + large / 0.06))
    assert parity.spread(varying.common_results) == pytest.approx(0.06, rel=0.1)
    with pytest.raises(NumericsError, match=r"they vary by 4\.\de-02 of their size"):
        reference.reference_of_module(REQUEST, Made(lambda x: x + large / 0.043))


def test_a_module_that_knows_float32_alone_has_no_rounding() -> None:
    weight = torch.eye(4)
    made = reference.reference_of_module(REQUEST, Made(lambda x: x @ weight))

    assert list(made.rounding()) == []
