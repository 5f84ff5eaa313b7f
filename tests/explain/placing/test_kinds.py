"""Squeeze-excite and attention are known by their structure, whatever their names."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.explain.explanation import Kind
from asymm_deploy.explain.placing.kinds import NodeKinds
from asymm_deploy.explain.placing.onnx_view import OnnxView

SHAPES = {"w": (4, 4, 1, 1), "v": (4, 4, 1, 1), "d": (4, 1, 3, 3), "c": (8, 4, 3, 3), "m": (4, 4)}
IMAGE = {"x": (1, 4, 8, 8)}


def kinds(body: str, **shapes: tuple[int, ...]) -> dict[str, Kind]:
    """Return the kind of the node that makes each tensor."""
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[1,4,8,8] x) => (float y) {{{body}}}'
    model = onnx.parser.parse_model(text)
    for name, shape in SHAPES.items():
        tensor = onnx.numpy_helper.from_array(np.ones(shape, np.float32), name)
        model.graph.initializer.append(tensor)
    for name, value in (("three", 3.0), ("six", 6.0), ("zero", 0.0)):
        tensor = onnx.numpy_helper.from_array(np.array(value, np.float32), name)
        model.graph.initializer.append(tensor)
    found = NodeKinds(OnnxView(model), {**IMAGE, **shapes})
    return {node.output[0]: found.of(node) for node in model.graph.node}


GATED = "p = {pool}(x) a = Conv(p, w) b = {act}(a) e = Conv(b, v) {gate} y = Mul({order})"


@pytest.mark.parametrize("pool", ["GlobalAveragePool", "ReduceMean<axes=[2,3]>"])
@pytest.mark.parametrize(
    "gate",
    [
        "g = Sigmoid(e)",
        "g = HardSigmoid(e)",
        "s = Add(e, three) r = Clip(s, zero, six) g = Div(r, six)",
    ],
)
@pytest.mark.parametrize("order", ["x, g", "g, x"])
def test_a_pool_two_products_and_a_bounded_factor_are_a_squeeze_excite(
    pool: str, gate: str, order: str
) -> None:
    found = kinds(GATED.format(pool=pool, act="Relu", gate=gate, order=order))
    assert set(found.values()) == {"squeeze-excite"}


def test_its_activation_may_be_a_product_itself() -> None:
    found = kinds(
        "p = GlobalAveragePool(x) a = Conv(p, w) s = Sigmoid(a) b = Mul(a, s) e = Conv(b, v) "
        "g = Sigmoid(e) y = Mul(x, g)"
    )
    assert set(found.values()) == {"squeeze-excite"}


@pytest.mark.parametrize(
    "body",
    [
        "g = Sigmoid(x) y = Mul(x, g)",  # SiLU
        "a = Conv(x, w) b = Relu(a) e = Conv(b, v) g = Sigmoid(e) y = Mul(x, g)",  # no pool
        "p = GlobalAveragePool(x) e = Conv(p, w) g = Sigmoid(e) y = Mul(x, g)",  # one product
        "p = GlobalAveragePool(x) a = Conv(p, w) b = Relu(a) e = Conv(b, v) y = Mul(x, e)",
        "z = Relu(x) p = GlobalAveragePool(z) a = Conv(p, w) b = Relu(a) e = Conv(b, v) "
        "g = Sigmoid(e) y = Mul(x, g)",  # of another tensor
    ],
)
def test_what_lacks_a_part_of_it_is_none(body: str) -> None:
    assert "squeeze-excite" not in kinds(body).values()


def test_the_products_around_a_softmax_are_attention_with_what_lies_between() -> None:
    found = kinds(
        "q = Reshape(x, q_) k = Transpose(q) s = MatMul(q, k) t = Div(s, six) u = Softmax(t) "
        "o = MatMul(u, q) y = MatMul(o, m)"
    )
    assert [found[name] for name in "stuo"] == ["attention"] * 4
    assert (found["y"], found["k"]) == ("fully connected", "layout")


def test_a_softmax_at_the_end_of_a_classifier_is_an_activation() -> None:
    assert kinds("s = MatMul(x, m) y = Softmax(s)") == {"s": "fully connected", "y": "activation"}


def test_convolutions_are_told_by_kernel_groups_and_plane() -> None:
    found = kinds(
        "a = Conv(x, w) b = Conv<group=4>(x, d) f = Conv(x, c) p = GlobalAveragePool(x) "
        "y = Conv(p, w) e = Relu(x) h = Add(x, a) j = Concat<axis=1>(a, x) k = Floor(x)"
        "l = LayerNormalization(x, m) n = Frob(x)",
        p=(1, 4, 1, 1),
    )
    assert [found[name] for name in "abfpyehjkln"] == [
        *("pointwise", "depthwise", "convolution", "pooling", "fully connected", "activation"),
        *("elementwise", "concat copy", "elementwise", "normalisation", "other"),
    ]
