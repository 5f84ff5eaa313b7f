"""Identity goes where nobody needs the second name, and stays where a graph would break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.export.passes.identities import RemoveIdentities

Apply = Callable[..., Any]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("i = Identity (x) y = Sin (i)", {"Sin": 1}),
        ("h = Sin (x) y = Identity (h)", {"Sin": 1}),
        ("h = Sin (x) i = Identity (h) j = Identity (i) y = Identity (j)", {"Sin": 1}),
        ("h = Sin (x) i = Identity (h) y = Add (i, h)", {"Sin": 1, "Add": 1}),
    ],
)
def test_inner_identities_go(apply: Apply, body: str, left: dict[str, int]) -> None:
    passed = apply(f"g (float[2] x) => (float[2] y) {{ {body} }}", RemoveIdentities())
    assert passed.kinds == left
    assert passed.model.graph.output[0].name == "y"


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("y = Identity (x)", "float[2] y"),
        ("y = Identity (k)", "float[2] y"),
        ("h = Sin (x) y = Identity (h)", "float[2] y, float[2] h"),
    ],
)
def test_those_that_name_an_input_a_constant_or_an_output_stay(
    apply: Apply, body: str, outputs: str
) -> None:
    given = f"g (float[2] x) => ({outputs}) <float[2] k = {{1, 2}}> {{ {body} }}"
    assert not apply(given, RemoveIdentities()).result.modified


def test_a_body_that_hands_on_a_captured_value_keeps_its_identity(apply: Apply) -> None:
    passed = apply(
        """g (float[2] x) => (float[2] y) <float zero = {0}> {
          h = Sin (x) s = ReduceSum <keepdims = 0> (x) c = Greater (s, zero)
          y = If (c) <
            then_branch = t () => (float[2] a) { a = Identity (h) },
            else_branch = e () => (float[2] b) { i = Identity (h) j = Cos (i) b = Identity (j) }
          >
        }""",
        RemoveIdentities(),
    )
    assert passed.result.rewritten == 2
    assert passed.kinds["Identity"] == 1
