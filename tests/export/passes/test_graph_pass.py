"""A pass enters bodies, respects what they capture, says what it did, and checks itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import onnx
import onnx_ir as ir
import pytest
from onnx import parser
from onnx_ir.passes import PostconditionError

from asymm_deploy.export.passes import fuse
from asymm_deploy.export.passes.channel_slopes import SlopesByChannel
from asymm_deploy.export.passes.classifier import ClassifierInMaps
from asymm_deploy.export.passes.global_pooling import PoolGlobally
from asymm_deploy.export.passes.graph_pass import Build, GraphPass
from asymm_deploy.export.passes.hard_sigmoid import FuseHardSigmoid
from asymm_deploy.export.passes.hard_swish import FuseHardSwish
from asymm_deploy.export.passes.node_builder import NodeBuilder

Apply = Callable[..., Any]

CONSTANTS = "<float zero = {0.0}, float three = {3.0}, float six = {6.0}>"
POSITIVE = "s = ReduceSum <keepdims = 0> (x)  c = Greater (s, zero)"


def gate(x: str, into: str, tag: str = "") -> str:
    """A hard-sigmoid of ``x``, spelt out."""
    return (
        f"p{tag} = Add ({x}, three)  q{tag} = Clip (p{tag}, zero, six)  {into} = Div (q{tag}, six)"
    )


def branches(then: str, otherwise: str, before: str = "", after: str = "") -> str:
    """A graph with an If; the branches make ``a`` and ``b``, and ``after`` follows it."""
    return f"""g (float[2,3] x) => (float[2,3] y) {CONSTANTS} {{
      {before} {POSITIVE}
      {"z" if after else "y"} = If (c) <
        then_branch = t () => (float[2,3] a) {{ {then} }},
        else_branch = e () => (float[2,3] b) {{ {otherwise} }}
      >
      {after}
    }}"""


def test_both_branches_of_an_if_are_rewritten(apply: Apply) -> None:
    graph = branches(gate("x", "a", "1"), gate("x", "h", "2") + " b = Cos (h)")
    passed = apply(graph, FuseHardSigmoid())
    assert passed.result.rewritten == 2
    assert passed.kinds["HardSigmoid"] == 2
    assert passed.kinds["Clip"] == passed.kinds["Add"] == passed.kinds["Div"] == 0


def test_the_body_of_a_loop_is_rewritten(apply: Apply) -> None:
    body = gate("v", "h")
    graph = f"""g (float[2,3] x) => (float[2,3] y)
      <int64 rounds = {{3}}, bool yes = {{1}}, float zero = {{0.0}}, float three = {{3.0}},
       float six = {{6.0}}> {{
      y = Loop (rounds, yes, x) <body = l (int64 i, bool k, float[2,3] v) => (bool ko, float[2,3] w)
        {{ ko = Identity (k)  {body}  w = Sub (h, x) }}>
    }}"""
    passed = apply(graph, FuseHardSigmoid())
    assert passed.kinds == {"Loop": 1, "Identity": 1, "HardSigmoid": 1, "Sub": 1}


def test_a_body_within_a_body_is_rewritten(apply: Apply) -> None:
    inner = f"""n = If (c) <then_branch = t2 () => (float[2,3] a2) {{ {gate("x", "a2", "1")} }},
                            else_branch = e2 () => (float[2,3] b2) {{ b2 = Sin (x) }}>"""
    passed = apply(branches(inner + " a = Cos (n)", "b = Tanh (x)"), FuseHardSigmoid())
    assert passed.kinds["HardSigmoid"] == 1


@pytest.mark.parametrize("inner", ["p", "q"])
def test_a_use_in_a_body_counts_as_a_use(apply: Apply, inner: str) -> None:
    # The pattern is in the main graph; a branch captures a value from the middle of it.
    graph = branches(f"a = Sin ({inner})", "b = Cos (x)", gate("x", "h"), "y = Add (z, h)")
    passed = apply(graph, FuseHardSigmoid())
    assert (passed.result.modified, passed.result.unmet) == (False, None)
    assert passed.kinds["Clip"] == 1


def test_what_a_body_captures_is_still_there_when_the_rest_is_gone(apply: Apply) -> None:
    # The branch captures x and h, the ends of the pattern, not its inside.
    graph = branches("a = Add (x, h)", "b = Cos (h)", gate("x", "h"), "y = Add (z, h)")
    passed = apply(graph, FuseHardSigmoid())
    assert passed.kinds["HardSigmoid"] == 1
    assert passed.kinds["Clip"] == 0


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("p = Add (x, three)  q = Clip (p, zero, six)", "a = Div (q, six)"),
        ("p = Add (x, three)", "q = Clip (p, zero, six)  a = Div (q, six)"),
    ],
)
def test_a_pattern_that_crosses_into_a_body_is_left(
    apply: Apply, outside: str, inside: str
) -> None:
    # In a loop, what is computed once would be computed in every round.
    passed = apply(branches(inside, "b = Cos (x)", outside), FuseHardSigmoid())
    assert not passed.result.modified
    assert passed.kinds["Clip"] == 1


def test_the_output_of_a_body_keeps_its_name(apply: Apply) -> None:
    passed = apply(branches(gate("x", "a"), "b = Cos (x)"), FuseHardSigmoid())
    (branching,) = (n for n in passed.model.graph.node if n.op_type == "If")
    assert [a.g.output[0].name for a in branching.attribute] == ["a", "b"]
    assert "a" in passed.names


def test_inner_values_that_are_outputs_stay(apply: Apply) -> None:
    graph = f"g (float[2,3] x) => (float[2,3] y, float[2,3] q) {CONSTANTS} {{ {gate('x', 'y')} }}"
    assert not apply(graph, FuseHardSigmoid()).result.modified


def test_an_initializer_of_a_body_that_nothing_uses_any_longer_goes(apply: Apply) -> None:
    graph = f"""g (float[2,3] x) => (float[2,3] y) <float zero = {{0.0}}> {{
      {POSITIVE}
      y = If (c) <
        then_branch = t () => (float[2,3] a) <float three = {{3.0}}, float six = {{6.0}}>
          {{ {gate("x", "h")}  a = Mul (h, three) }},
        else_branch = e () => (float[2,3] b) {{ b = Cos (x) }}
      >
    }}"""
    passed = apply(graph, FuseHardSigmoid())
    (branching,) = (n for n in passed.model.graph.node if n.op_type == "If")
    assert [i.name for i in branching.attribute[0].g.initializer] == ["three"]
    assert [i.name for i in passed.model.graph.initializer] == ["zero"]


def test_new_names_give_way_to_those_in_use_in_any_body(apply: Apply) -> None:
    graph = """g (float[1,2,2,2] x) => (float[1,2,2,2] y)
      <float zero = {0.0}, float[2,1,1] k = {0.1, 0.2}> {
      r = PRelu (x, k)
      s = ReduceSum <keepdims = 0> (x)  c = Greater (s, zero)
      y = If (c) <
        then_branch = t () => (float[1,2,2,2] a) <float r_slopes = {2.0}> { a = Mul (r, r_slopes) },
        else_branch = e () => (float[1,2,2,2] b) { r_PRelu = Cos (r)  b = Sin (r_PRelu) }
      >
    }"""
    passed = apply(graph, SlopesByChannel())
    assert {i.name for i in passed.model.graph.initializer} == {"zero", "r_slopes_2"}


def test_a_node_of_which_another_output_is_used_stays(apply: Apply) -> None:
    # The shape of a view is computed along with something else.
    graph = """g (float[1,2,1,1] x) => (float[1,3] y, int64[2] rest)
      <float[1,2] f, int64[4] all = {1, 2, 7, 8}, float[2,3] w = {1, 2, 3, 4, 5, 6}> {
      shape, tail = Split <axis = 0> (all)
      f = Reshape (x, shape)  y = Gemm (f, w)  rest = Neg (tail)
    }"""
    passed = apply(graph, ClassifierInMaps())
    assert passed.kinds == {"Conv": 1, "Flatten": 1, "Split": 1, "Neg": 1}


def test_new_names_give_way_to_values_made_in_a_body(apply: Apply) -> None:
    graph = """g (float[1,2,2,2] x) => (float[1,2] y) <float zero = {0}> {
      r = ReduceMean <axes = [2,3], keepdims = 0> (x)
      s = ReduceSum <keepdims = 0> (x)  c = Greater (s, zero)
      y = If (c) <
        then_branch = t () => (float[1,2] a) { a = Sin (r) },
        else_branch = e () => (float[1,2] b)
          { r_GlobalAveragePool = Cos (r)  b = Sin (r_GlobalAveragePool) }
      >
    }"""
    assert "r_GlobalAveragePool_2" in apply(graph, PoolGlobally()).names


def test_nodes_without_a_name_stay_so_and_new_names_of_nodes_are_free(apply: Apply) -> None:
    # ONNX Runtime refuses two nodes of one name; nodes without any are fine.
    slopes = "<float[2,1,1] k = {0.1, 0.2}>"
    pools = "m = Sin (x)  [a] p = ReduceMean <axes = [2,3]> (m)  [a_GlobalAveragePool] q = Cos (p)"
    more = "r = ReduceMean <axes = [2,3]> (x)  t = ReduceMean <axes = [2,3]> (m)"
    sums = "u = Add (q, r)  y = Add (u, t)"
    graph = f"g (float[1,2,2,2] x) => (float[1,2,1,1] y) {slopes} {{ {pools} {more} {sums} }}"
    passed = apply(graph, PoolGlobally())
    named = [node.name for node in passed.model.graph.node if node.name]
    assert named == ["a_GlobalAveragePool_2", "a_GlobalAveragePool"]
    assert passed.kinds["GlobalAveragePool"] == 3


def test_an_older_opset_is_left_alone_and_the_result_says_why(apply: Apply) -> None:
    graph = f"g (float[2,3] x) => (float[2,3] y) {CONSTANTS} {{ {gate('x', 'h')} y = Mul (x, h) }}"
    for old in (11, 12, 13):
        passed = apply(graph, FuseHardSigmoid(), FuseHardSwish(), opset=old)
        assert passed.result.modified is False
        assert passed.result.unmet == f"the model has opset {old}; FuseHardSwish needs 14"
        assert passed.kinds == {"HardSigmoid": 1, "Mul": 1}
    assert apply(graph, FuseHardSigmoid(), FuseHardSwish(), opset=14).kinds == {"HardSwish": 1}


def test_a_model_without_standard_operators_is_left_alone() -> None:
    graph = "g (float[2] x) => (float[2] y) { y = other.F (x) }"
    text = f'<ir_version: 8, opset_import: ["other" : 1]> {graph}'
    model = ir.from_proto(parser.parse_model(text))
    for result in fuse(model):
        assert result.unmet == "the model imports no standard operators"
        assert not result.modified


def test_an_operator_of_the_same_name_in_another_domain_is_left(apply: Apply) -> None:
    slopes = "<float[2,1,1] k = {0.1, 0.2}>"
    graph = f"g (float[1,2,2,2] x) => (float[1,2,2,2] y) {slopes} {{ y = other.PRelu (x, k) }}"
    assert not apply(graph, SlopesByChannel(), proven=False).result.modified
    middle = "p = Add (x, three) q = other.Clip (p, zero, six) y = Div (q, six)"
    graph = f"g (float[2,3] x) => (float[2,3] y) {CONSTANTS} {{ {middle} }}"
    assert not apply(graph, FuseHardSigmoid(), proven=False).result.modified


def test_nothing_is_raised_where_shapes_and_types_are_unknown(apply: Apply) -> None:
    graph = branches(gate("x", "h", "1") + " a = Sin (h)", "b = ReduceMean <axes = [1]> (x)")
    apply(graph.replace("float[2,3] x", "float x"), FuseHardSigmoid(), infer=False, proven=False)


class _Relu(GraphPass):
    """Replaces every Relu, by what a test says."""

    first_opset: ClassVar[int] = 1

    def __init__(self, make: Callable[[ir.Node, NodeBuilder], list[ir.Node]]) -> None:
        self._make = make

    def plan(self, node: ir.Node) -> Build | None:
        if node.op_type != "Relu":
            return None
        return lambda new: self._make(node, new)


def relu() -> ir.Model:
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Relu (x) }'
    )
    model: ir.Model = ir.from_proto(parser.parse_model(text))
    return model


def test_a_pass_that_leaves_what_it_matches_is_a_fault() -> None:
    with pytest.raises(PostconditionError, match="has missed"):
        _Relu(lambda node, new: [new.node("Relu", node.inputs, (2,))])(relu())


def test_a_pass_that_changes_an_output_is_a_fault() -> None:
    def of_another_type(node: ir.Node, new: NodeBuilder) -> list[ir.Node]:
        node.outputs[0].type = ir.TensorType(ir.DataType.INT64)
        return [new.node("Sin", node.inputs, (2,))]

    with pytest.raises(PostconditionError, match="inputs or outputs"):
        _Relu(of_another_type)(relu())


def test_a_good_pass_of_that_kind_is_none() -> None:
    model = relu()
    result = _Relu(lambda node, new: [new.node("Sin", node.inputs, (2,))])(model)
    assert (result.modified, result.rewritten) == (True, 1)
    made = ir.to_proto(model).graph
    assert [(n.op_type, list(n.output)) for n in made.node] == [("Sin", ["y"])]
    assert isinstance(made, onnx.GraphProto)
