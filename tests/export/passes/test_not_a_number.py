"""IsNaN becomes a comparison with itself, in which NaN alone is unequal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.mnn import run_mnn, to_mnn
from asymm_deploy.export.passes import fuse
from asymm_deploy.export.passes.not_a_number import CompareForNan

Apply = Callable[..., Any]


@pytest.mark.parametrize("kind", ["float", "double"])
def test_nan_alone_is_found(apply: Apply, kind: str) -> None:
    given = f"""g ({kind}[2,3] x) => (bool[2,3] y, {kind}[2,3] z) <{kind} zero = {{0}}> {{
      r = Sqrt (x)  y = IsNaN (r)  z = Where (y, zero, r) }}"""
    passed = apply(given, CompareForNan())
    assert passed.kinds == {"Sqrt": 1, "Equal": 1, "Not": 1, "Where": 1}


def test_infinity_is_a_number(apply: Apply) -> None:
    given = """g (float[4] x) => (bool[4] y) <float zero = {0}> {
      r = Div (x, zero)  y = IsNaN (r) }"""
    assert apply(given, CompareForNan()).kinds == {"Div": 1, "Equal": 1, "Not": 1}


def test_one_in_a_body_is_replaced(apply: Apply) -> None:
    given = """g (float[2] x) => (bool[2] y) <float zero = {0}> {
      s = ReduceSum <keepdims = 0> (x)  c = Greater (s, zero)
      y = If (c) <
        then_branch = t () => (bool[2] a) { q = Sqrt (x)  a = IsNaN (q) },
        else_branch = e () => (bool[2] b) { b = IsNaN (x) }
      >
    }"""
    assert apply(given, CompareForNan()).result.rewritten == 2


def test_floating_point_numbers_are_not_compared_before_opset_11(apply: Apply) -> None:
    given = "g (float[2] x) => (bool[2] y) { y = IsNaN (x) }"
    passed = apply(given, CompareForNan(), opset=10, proven=False)
    assert passed.result.unmet == "the model has opset 10; CompareForNan needs 11"


def test_mnn_takes_it_and_gives_rows_without_anything_the_same_value(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
      g (float[2,4] x, float[2,4] mask) => (float[2,4] y) <float zero = {0}> {
        masked = Add (x, mask)  s = Softmax (masked)  nan = IsNaN (s)  y = Where (nan, zero, s) }"""
    model = ir.from_proto(onnx.parser.parse_model(text))
    fuse(model)
    ir.save(model, tmp_path / "model.onnx")
    to_mnn(tmp_path / "model.onnx", tmp_path / "model.mnn")
    x = np.array([[0.0, 1.0, 2.0, 3.0]] * 2, np.float32)
    mask = np.array([[0, 0, 0, -np.inf], [-np.inf] * 4], np.float32)
    ((found,),) = run_mnn(
        tmp_path / "model.mnn",
        [{"x": x, "mask": mask}],
        (TensorSpec("y", (2, 4)),),
        tmp_path,
        inputs=(),
    )
    np.testing.assert_allclose(found[0], [0.09003057, 0.24472848, 0.66524094, 0], atol=1e-6)
    np.testing.assert_array_equal(found[1], np.zeros(4))
