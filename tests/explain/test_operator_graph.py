"""Every operator that MNN runs has its node, module and kind, and a tensor it is judged by."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.explain.explanation import Kind
from asymm_deploy.models.onnx_cost import count_graph


def test_every_operator_has_a_module_and_a_node_and_the_sum_of_madds_is_the_graphs(
    everything: Any,
) -> None:
    assert all(each.module is not None and each.node for each in everything.operators)
    assert sum(each.madds for each in everything.operators) == count_graph(everything.graph).madds


def test_what_has_no_tensor_of_its_own_is_judged_at_the_end_of_its_node(everything: Any) -> None:
    unjudged = defaultdict(list)
    for each in everything.operators:
        assert (each.own is None) == (each.unjudged is not None)
        if each.own is None:
            unjudged[each.node].append(each.unjudged)

    assert dict(unjudged) == {
        "/attend/bound/HardSigmoid": [
            "a part of HardSigmoid /attend/bound/HardSigmoid, judged at its end"
        ]
        * 2,
        "/grouped/Conv": ["a copy for Conv /grouped/Conv, judged there"] * 4,
    }


@pytest.mark.parametrize(
    ("module", "kinds"),
    [
        ("stem.0", {"convolution", "layout"}),
        ("stem.2", {"activation"}),
        ("bottleneck", {"pointwise", "depthwise", "concat copy", "elementwise"}),
        ("attend", {"squeeze-excite"}),
        ("grouped", {"convolution", "layout"}),
        ("up", {"convolution"}),
        ("pool", {"pooling"}),
        ("block.before", {"normalisation"}),
        ("block.qkv", {"fully connected", "layout"}),
        ("block.wide", {"fully connected", "layout"}),
        ("block.act", {"activation"}),
        ("classifier", {"fully connected", "layout"}),
    ],
)
def test_operators_are_of_their_modules_and_kinds(
    everything: Any, module: str, kinds: set[Kind]
) -> None:
    assert {each.kind for each in everything.within(module)} == kinds


def test_the_core_of_attention_is_known_by_its_structure(everything: Any) -> None:
    found = [each.node for each in everything.operators if each.kind == "attention"]
    assert found == ["/block/MatMul", "/block/Mul", "/block/Softmax", "/block/MatMul_1"]


def test_a_concat_is_the_copy_that_makes_its_tensor(everything: Any) -> None:
    copy = everything.named("/bottleneck/depthwise/Conv_output_0_raster_0")
    assert (copy.node, copy.node_type, copy.module) == (
        "/bottleneck/Concat",
        "Concat",
        "bottleneck",
    )
    assert (copy.output_shape, copy.bytes_moved) == ((1, 24, 8, 8), 4 * (8 + 8 + 24) * 64)


def test_an_activation_that_was_fused_is_judged_with_its_convolution(everything: Any) -> None:
    place = everything.run.placed[everything.named("/bottleneck/expand/Conv_output_0").index]
    assert place.nodes == ("Relu", "Conv")
    assert place.node == "/bottleneck/expand/Conv"
    assert place.references[0].tensor == "/bottleneck/Relu_output_0"


def test_an_operator_that_the_converter_moved_forward_is_judged_by_its_own_tensor(
    everything: Any,
) -> None:
    product = everything.within("block.wide")[-1]
    gelu = everything.named("/block/act/Mul_1_output_0")
    assert product.type == "Convolution"
    assert product.own.over_deviation < 1e-5
    assert (gelu.node, gelu.own_limit) == ("/block/act/Erf", 1e-2)
    assert "erf-GELU" in gelu.limit_reason
    assert 1e-5 < gelu.own.over_deviation < 5e-3


def test_a_group_of_a_convolution_is_judged_by_its_channels(everything: Any) -> None:
    groups = [x for x in everything.run.placed if "__group__" in x.name and x.type != "Raster"]
    assert [x.references[0].channels for x in groups] == [(0, 4), (4, 8), (8, 12), (12, 16)]
    assert [everything.operators[x.index].madds for x in groups] == [4608] * 4


def test_a_value_that_is_repeated_for_an_operator_is_judged_as_it_is(everything: Any) -> None:
    repeated = everything.run.placed[everything.named("/attend/Mul_output_0_raster_0").index]
    assert repeated.references[0].tensor == "/attend/bound/HardSigmoid_output_0"
    assert repeated.output_shapes == ((1, 8, 8, 8),)


PARTS = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1,2,3,3,3] x, float[1,4,1] p, float[1,1,5] q) => (float[1,1,3,3,3] y, float[1,4,5] z) {
  [volume] a = Conv<kernel_shape=[3,3,3], pads=[1,1,1,1,1,1]>(x, w)
  [plain] y = Exp(a)
  [low] b = Abs(p)
  [high] c = Exp(q)
  [both] z = Sub(b, c)
}"""


def test_what_is_repeated_on_both_sides_and_what_is_computed_in_parts(
    tmp_path: Path, judge: Any
) -> None:
    rng = np.random.default_rng(0)
    graph = onnx.parser.parse_model(PARTS)
    weight = rng.standard_normal((1, 2, 3, 3, 3)).astype(np.float32)
    graph.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    shapes = {"x": (1, 2, 3, 3, 3), "p": (1, 4, 1), "q": (1, 1, 5)}
    sample = {n: rng.standard_normal(shape).astype(np.float32) for n, shape in shapes.items()}
    found = judge(graph, graph, sample, tmp_path)

    assert [each.node for each in found.operators if each.accused] == []
    shared = [each.madds for each in found.operators if each.node == "volume" and each.madds]
    assert len(shared) > 1
    assert sum(shared) == sum(each.madds for each in found.operators) == 2 * 27 * 27
