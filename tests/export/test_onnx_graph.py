"""An ONNX file is read, described and run; what it gives is in the graph's order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.onnx_graph import first_line, run_onnx

HEADER = '<ir_version: 8, opset_import: ["" : 17]> '


def graph(text: str) -> bytes:
    serialised: bytes = onnx.parser.parse_model(HEADER + text).SerializeToString()
    return serialised


def test_every_sample_has_its_outputs_in_the_graphs_order() -> None:
    model = graph("g (float[1,2] x) => (float[1,2] b, float[1,2] a) { b = Neg(x) a = Add(x, x) }")
    samples: list[Arrays] = [
        {"x": np.full((1, 2), i, np.float32), "unused": np.ones(1)} for i in (1, 2, 3)
    ]

    assert [[float(a[0, 0]) for a in outputs] for outputs in run_onnx(model, samples)] == [
        [-1.0, 2.0],
        [-2.0, 4.0],
        [-3.0, 6.0],
    ]


def test_an_output_that_a_graph_names_twice_comes_twice() -> None:
    model = graph("g (float[1,2] x) => (float[1,2] y, float[1,2] y) { y = Neg(x) }")
    ((first, second),) = run_onnx(model, [{"x": np.ones((1, 2), np.float32)}])

    np.testing.assert_array_equal(first, second)


def test_a_file_and_its_bytes_are_one(tmp_path: Path) -> None:
    model = graph("g (float[1,2] x) => (float[1,2] y) { y = Exp(x) }")
    (tmp_path / "model.onnx").write_bytes(model)
    samples: list[Arrays] = [{"x": np.ones((1, 2), np.float32)}]

    (((from_file,),), ((from_bytes,),)) = (
        run_onnx(tmp_path / "model.onnx", samples),
        run_onnx(model, samples, optimised=False),
    )
    np.testing.assert_array_equal(from_file, from_bytes)


def test_what_can_not_run_is_told_in_the_engines_words() -> None:
    model = graph("g (float[1,2] x) => (float[1,2] y) { y = NoSuchOperator(x) }")

    with pytest.raises(ConversionError) as caught:
        run_onnx(model, [{"x": np.ones((1, 2), np.float32)}])
    assert caught.value.what.startswith("ONNX Runtime can't run the graph: [ONNXRuntimeError]")
    assert "NoSuchOperator" in caught.value.what


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  first \nsecond"), "first"),
        (ValueError(), "ValueError"),
        ("x" * 400, "x" * 300),
    ],
)
def test_a_message_is_one_line_that_says_something(error: object, line: str) -> None:
    assert first_line(error) == line
