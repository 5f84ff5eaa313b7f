"""Slopes by channel get the shape that MNN's converter knows; others stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.export.passes.channel_slopes import SlopesByChannel

Apply = Callable[..., Any]


def graph(slopes: str, shape: str = "2,3,4,5") -> str:
    return f"g (float[{shape}] x) => (float[{shape}] y) <{slopes}> {{ [act] y = PRelu (x, k) }}"


def test_an_axis_is_added_and_the_node_stays_itself(apply: Apply) -> None:
    passed = apply(graph("float[3,1,1] k = {0.1, 0.2, 0.3}"), SlopesByChannel())
    (slopes,) = passed.model.graph.initializer
    assert (slopes.name, list(slopes.dims)) == ("y_slopes", [1, 3, 1, 1])
    assert [node.name for node in passed.model.graph.node] == ["act"]


@pytest.mark.parametrize(
    ("slopes", "shape"),
    [
        ("float[1,3,1,1] k = {0.1, 0.2, 0.3}", "2,3,4,5"),
        ("float k = {0.1}", "2,3,4,5"),
        ("float[1,1,1] k = {0.1}", "2,3,4,5"),
        ("float[5] k = {0.1, 0.2, 0.3, 0.4, 0.5}", "2,3,4,5"),  # of the last axis
        ("float[3,1,1] k = {0.1, 0.2, 0.3}", "3,3,2"),  # of the first of three axes
    ],
)
def test_slopes_of_other_shapes_stay(apply: Apply, slopes: str, shape: str) -> None:
    assert not apply(graph(slopes, shape), SlopesByChannel()).result.modified


def test_slopes_that_two_nodes_share_are_kept_for_the_other(apply: Apply) -> None:
    given = """g (float[1,2,2,2] x) => (float[1,2,2,2] y) <float[2,1,1] k = {0.1, 0.2}> {
      r = PRelu (x, k)  m = Mul (r, k)  y = PRelu (m, k) }"""
    passed = apply(given, SlopesByChannel())
    assert passed.result.rewritten == 2
    assert {i.name for i in passed.model.graph.initializer} == {"k", "r_slopes", "y_slopes"}


def test_slopes_that_are_an_output_are_kept(apply: Apply) -> None:
    given = """g (float[1,2,2,2] x) => (float[1,2,2,2] y, float[2,1,1] k)
      <float[2,1,1] k = {0.1, 0.2}> { y = PRelu (x, k) }"""
    passed = apply(given, SlopesByChannel())
    assert {i.name for i in passed.model.graph.initializer} == {"k", "y_slopes"}


def test_slopes_of_the_outer_graph_serve_in_a_body(apply: Apply) -> None:
    given = """g (float[1,2,2,2] x) => (float[1,2,2,2] y)
      <float zero = {0}, float[2,1,1] k = {0.1, 0.2}> {
      s = ReduceSum <keepdims = 0> (x) c = Greater (s, zero)
      y = If (c) <
        then_branch = t () => (float[1,2,2,2] a) { a = PRelu (x, k) },
        else_branch = e () => (float[1,2,2,2] b) { b = Mul (x, k) }
      >
    }"""
    passed = apply(given, SlopesByChannel())
    assert passed.result.rewritten == 1
    assert {i.name for i in passed.model.graph.initializer} == {"zero", "k"}


def test_slopes_do_not_broadcast_before_opset_7(apply: Apply) -> None:
    passed = apply(graph("float[3,1,1] k = {1, 2, 3}"), SlopesByChannel(), opset=6, proven=False)
    assert passed.result.unmet == "the model has opset 6; SlopesByChannel needs 7"
