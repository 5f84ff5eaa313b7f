"""A mean over the whole map becomes global pooling; any other mean stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.export.passes.global_pooling import PoolGlobally

Apply = Callable[..., Any]


def graph(body: str, out: str, constants: str = "", kind: str = "float") -> str:
    constants = constants and f"<{constants}>"
    return f"g ({kind}[2,4,3,5] x) => ({kind}[{out}] y) {constants} {{ {body} }}"


@pytest.mark.parametrize(
    ("body", "out", "kinds"),
    [
        ("y = ReduceMean <axes = [2,3]> (x)", "2,4,1,1", {"GlobalAveragePool": 1}),
        ("y = ReduceMean <axes = [-1,-2], keepdims = 1> (x)", "2,4,1,1", {"GlobalAveragePool": 1}),
        (
            "y = ReduceMean <axes = [3,2], keepdims = 0> (x)",
            "2,4",
            {"GlobalAveragePool": 1, "Flatten": 1},
        ),
        ("y = AveragePool <kernel_shape = [3,5]> (x)", "2,4,1,1", {"GlobalAveragePool": 1}),
        (
            'y = AveragePool <kernel_shape = [3,5], auto_pad = "VALID", strides = [2,2]> (x)',
            "2,4,1,1",
            {"GlobalAveragePool": 1},
        ),
    ],
)
def test_means_over_the_map(apply: Apply, body: str, out: str, kinds: dict[str, int]) -> None:
    assert apply(graph(body, out), PoolGlobally()).kinds == kinds


@pytest.mark.parametrize(
    ("body", "out"),
    [
        ("y = ReduceMean <axes = [2]> (x)", "2,4,1,5"),
        ("y = ReduceMean <axes = [1,2,3]> (x)", "2,1,1,1"),
        ("y = ReduceMean (x)", "1,1,1,1"),
        ("y = ReduceMax <axes = [2,3]> (x)", "2,4,1,1"),
        ("y = AveragePool <kernel_shape = [3,4]> (x)", "2,4,1,2"),
        ("y = AveragePool <kernel_shape = [3,5], pads = [1,0,1,0]> (x)", "2,4,3,1"),
        ('y = AveragePool <kernel_shape = [3,5], auto_pad = "SAME_UPPER"> (x)', "2,4,3,5"),
    ],
)
def test_other_means_stay(apply: Apply, body: str, out: str) -> None:
    assert not apply(graph(body, out), PoolGlobally()).result.modified


def test_axes_as_an_input(apply: Apply) -> None:
    body, axes = "y = ReduceMean (x, axes)", "int64[2] axes = {-1, 2}"
    passed = apply(graph(body, "2,4,1,1", axes), PoolGlobally(), opset=18)
    assert passed.kinds == {"GlobalAveragePool": 1}
    assert not passed.model.graph.initializer


def test_axes_that_are_computed_stay(apply: Apply) -> None:
    body = "d = Shape (x) n = Slice (d, from, to) axes = Sub (n, n2) y = ReduceMean (x, axes)"
    constants = "int64[1] from = {2}, int64[1] to = {4}, int64[2] n2 = {1, 2}"
    # n is (3, 5), and the axes 2 and 3 come of it, which only shape inference could know.
    given = graph(body, "2,4,1,1", constants)
    assert not apply(given, PoolGlobally(), opset=18).result.modified


def test_doubles_stay_since_onnx_runtime_has_no_pooling_for_them(apply: Apply) -> None:
    given = graph("y = ReduceMean <axes = [2,3]> (x)", "2,4,1,1", kind="double")
    assert not apply(given, PoolGlobally()).result.modified


def test_an_unknown_or_other_shape_stays(apply: Apply) -> None:
    for shape in ("[n,4,3,h]", "[2,4,3]", ""):
        text = f"g (float{shape} x) => (float y) {{ y = ReduceMean <axes = [-1,-2]> (x) }}"
        passed = apply(text, PoolGlobally(), proven=False)
        assert (passed.result.modified, passed.result.unmet) == (False, None)


def test_an_output_of_undeclared_shape_is_no_hindrance(apply: Apply) -> None:
    text = "g (float[2,4,3,5] x) => (float y) { y = ReduceMean <axes = [2,3]> (x) }"
    assert apply(text, PoolGlobally(), infer=False).kinds == {"GlobalAveragePool": 1}


def test_a_captured_map_is_pooled_in_the_body(apply: Apply) -> None:
    passed = apply(
        """g (float[2,4,3,5] x) => (float[2,4,1,1] y) <float zero = {0}> {
          h = Sin (x) s = ReduceSum <keepdims = 0> (x) c = Greater (s, zero)
          y = If (c) <
            then_branch = t () => (float[2,4,1,1] a) { a = ReduceMean <axes = [2,3]> (h) },
            else_branch = e () => (float[2,4,1,1] b) { b = ReduceMax <axes = [2,3]> (h) }
          >
        }""",
        PoolGlobally(),
    )
    assert passed.kinds["GlobalAveragePool"] == 1
