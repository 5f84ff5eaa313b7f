"""A classifier behind pooling becomes convolutions; other linear layers stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.export.passes.classifier import ClassifierInMaps

Apply = Callable[..., Any]

W = "float[3,2] w = {1, 2, 3, 4, 5, 6}"
BIAS = "float[3] c = {0.5, 1.5, 2.5}"
GEMM = "y = Gemm <transB = 1> (f, w, c)"


def graph(
    body: str, constants: str = f"{W}, {BIAS}", batch: int = 1, out: str = "", pooled: str = "1,1"
) -> str:
    out = out or f"float[{batch},3] y"
    return f"g (float[{batch},2,{pooled}] x) => ({out}) <{constants}> {{ {body} }}"


@pytest.mark.parametrize(
    "view",
    ["f = Flatten (x)", "f = Squeeze (x, axes)", "f = Reshape (x, shape)"],
)
def test_a_gemm_of_pooled_maps(apply: Apply, view: str) -> None:
    more = "int64[2] axes = {2, 3}, int64[2] shape = {1, -1}"
    passed = apply(graph(f"{view} {GEMM}", f"{W}, {BIAS}, {more}"), ClassifierInMaps())
    assert passed.kinds == {"Conv": 1, "Flatten": 1}


@pytest.mark.parametrize(
    ("gemm", "constants"),
    [
        ("y = Gemm (f, w, c)", f"float[2,3] w = {{1, 2, 3, 4, 5, 6}}, {BIAS}"),
        ("y = Gemm <transB = 1> (f, w)", W),
        ("y = Gemm <transB = 1> (f, w, c)", f"{W}, float c = {{0.5}}"),
        ("y = Gemm <transB = 1> (f, w, c)", f"{W}, float[1] c = {{0.5}}"),
        ("y = Gemm <transB = 1> (f, w, c)", f"{W}, float[1,1] c = {{0.5}}"),
        ("y = Gemm <transB = 1> (f, w, c)", f"{W}, float[1,3] c = {{0.5, 1.5, 2.5}}"),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_weights_and_bias_in_every_form(
    apply: Apply, gemm: str, constants: str, batch: int
) -> None:
    given = graph(f"f = Flatten (x) {gemm}", constants, batch)
    assert apply(given, ClassifierInMaps()).kinds == {"Conv": 1, "Flatten": 1}


def test_a_bias_of_the_right_shape_is_taken_as_it_is(apply: Apply) -> None:
    passed = apply(graph(f"f = Flatten (x) {GEMM}"), ClassifierInMaps())
    assert {i.name for i in passed.model.graph.initializer} == {"c", "y_kernels"}


@pytest.mark.parametrize("bias", ["float[3,1] c = {1, 2, 3}", "float[3,3] c = {1,2,3,4,5,6,7,8,9}"])
def test_a_bias_by_sample_stays(apply: Apply, bias: str) -> None:
    # Three samples and three classes: its size alone doesn't tell.
    given = graph(f"f = Flatten (x) {GEMM}", f"{W}, {bias}", batch=3)
    assert not apply(given, ClassifierInMaps()).result.modified


@pytest.mark.parametrize(
    "gemm",
    [
        "y = Gemm <transB = 1, alpha = 2.0> (f, w, c)",
        "y = Gemm <transB = 1, beta = 0.5> (f, w, c)",
        "v = Neg (w) y = Gemm <transB = 1> (f, v, c)",
        "d = Neg (c) y = Gemm <transB = 1> (f, w, d)",
        "g2 = Gemm <transB = 1> (f, w, c) t = ReduceSum <keepdims = 0> (f) y = Add (g2, t)",
    ],
)
def test_other_gemms_stay(apply: Apply, gemm: str) -> None:
    assert not apply(graph(f"f = Flatten (x) {gemm}"), ClassifierInMaps()).result.modified


def test_transposed_samples_stay(apply: Apply) -> None:
    given = graph(
        "f = Flatten (x) y = Gemm <transA = 1> (f, w)",
        "float[2,3] w = {1, 2, 3, 4, 5, 6}",
        batch=2,
    )
    assert not apply(given, ClassifierInMaps()).result.modified


def test_a_linear_layer_over_a_whole_map_stays(apply: Apply) -> None:
    given = graph(
        f"f = Flatten (x) {GEMM}",
        "float[3,4] w = {1,2,3,4,5,6,7,8,9,10,11,12}, float[3] c = {1,2,3}",
        pooled="1,2",
    )
    assert not apply(given, ClassifierInMaps()).result.modified


def test_another_view_of_pooled_maps_stays(apply: Apply) -> None:
    given = graph(
        "f = Flatten <axis = 2> (x) y = Gemm (f, w)",
        "float[1,3] w = {1, 2, 3}",
        out="float[2,3] y",
    )
    assert not apply(given, ClassifierInMaps()).result.modified


def test_double_precision_stays_since_onnx_runtime_has_no_convolution_for_it(apply: Apply) -> None:
    given = graph("f = Flatten (x) y = Gemm <transB = 1> (f, w)", W)
    assert apply(given, ClassifierInMaps()).result.modified
    assert not apply(given.replace("float", "double"), ClassifierInMaps()).result.modified


def test_a_bias_does_not_broadcast_before_opset_7(apply: Apply) -> None:
    given = graph("f = Flatten (x) y = Gemm <transB = 1> (f, w, c)")
    passed = apply(given, ClassifierInMaps(), opset=6, infer=False, proven=False)
    assert passed.result.unmet == "the model has opset 6; ClassifierInMaps needs 7"


def test_a_flat_view_that_is_an_output_stays(apply: Apply) -> None:
    given = graph(f"f = Flatten (x) {GEMM}", out="float[1,3] y, float[1,2] f")
    assert not apply(given, ClassifierInMaps()).result.modified


@pytest.mark.parametrize(
    "activation",
    ["Relu (g1)", "HardSwish (g1)", "LeakyRelu <alpha = 0.2> (g1)", "Clip (g1, low, high)"],
)
def test_two_layers_with_an_activation_between_stay_in_maps(apply: Apply, activation: str) -> None:
    more = "float[2,3] v = {1, 2, 3, 4, 5, 6}, float low = {-1}, float high = {5}"
    given = graph(
        f"f = Flatten (x) g1 = Gemm <transB = 1> (f, w, c) a = {activation} "
        "y = Gemm <transB = 1> (a, v)",
        f"{W}, {BIAS}, {more}",
        out="float[1,2] y",
    )
    passed = apply(given, ClassifierInMaps())
    assert passed.kinds == {"Conv": 2, "Flatten": 1, activation.split(maxsplit=1)[0]: 1}
    assert passed.result.rewritten == 3


def test_an_activation_over_all_features_stays(apply: Apply) -> None:
    given = graph("f = Flatten (x) y = Softmax (f)", out="float[1,2] y")
    assert not apply(given, ClassifierInMaps()).result.modified


def test_weights_of_the_outer_graph_serve_in_both_branches(apply: Apply) -> None:
    passed = apply(
        f"""g (float[1,2,1,1] x) => (float[1,3] y) <float zero = {{0}}, {W}, {BIAS}> {{
          s = ReduceSum <keepdims = 0> (x) d = Greater (s, zero)
          y = If (d) <
            then_branch = t () => (float[1,3] a)
              {{ f = Flatten (x) a = Gemm <transB = 1> (f, w, c) }},
            else_branch = e () => (float[1,3] b)
              {{ k = Flatten (x) r = Relu (k) b = Gemm <transB = 1> (r, w, c) }}
          >
        }}""",
        ClassifierInMaps(),
    )
    assert passed.kinds["Conv"] == 2
    assert {i.name for i in passed.model.graph.initializer} == {"zero", "c"}
