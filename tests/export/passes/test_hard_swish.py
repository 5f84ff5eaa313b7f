"""A hard-swish becomes one operator, from a spelt-out gate or from HardSigmoid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.export.passes.hard_swish import FuseHardSwish

Apply = Callable[..., Any]

CONSTANTS = "float zero = {0}, float three = {3}, float six = {6}, float sixth = {0.16666667}"
GATE = "p = Add (x, three) q = Clip (p, zero, six)"


def graph(body: str, outputs: str = "float[2,3] y") -> str:
    return f"g (float[2,3] x) => ({outputs}) <{CONSTANTS}> {{ {body} }}"


@pytest.mark.parametrize(
    "body",
    [
        f"{GATE} m = Mul (x, q) y = Div (m, six)",
        f"{GATE} m = Mul (q, x) y = Mul (m, sixth)",
        "h = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x) y = Mul (x, h)",
        "h = HardSigmoid <alpha = 0.16666667> (x) y = Mul (h, x)",
    ],
)
def test_however_it_is_spelt_out(apply: Apply, body: str) -> None:
    assert apply(graph(body), FuseHardSwish()).kinds == {"HardSwish": 1}


@pytest.mark.parametrize(
    "body",
    [
        "h = HardSigmoid <alpha = 0.2> (x) y = Mul (x, h)",
        "h = HardSigmoid <alpha = 0.16666667, beta = 0.4> (x) y = Mul (x, h)",
        "h = HardSigmoid (x) y = Mul (x, h)",
        "h = HardSigmoid <alpha = 0.16666667> (x) n = Neg (x) y = Mul (n, h)",
        "h = HardSigmoid <alpha = 0.16666667> (x) y = Mul (h, h)",
        "h = HardSigmoid <alpha = 0.16666667> (x) m = Mul (x, h) y = Add (m, h)",
        f"{GATE} m = Mul (x, q) y = Div (six, m)",
        f"{GATE} m = Mul (x, q) d = Div (m, six) y = Add (d, m)",
    ],
)
def test_what_only_looks_like_one_stays(apply: Apply, body: str) -> None:
    assert not apply(graph(body), FuseHardSwish()).result.modified


def test_a_gate_that_is_an_output_stays(apply: Apply) -> None:
    body = "h = HardSigmoid <alpha = 0.16666667> (x) y = Mul (x, h)"
    passed = apply(graph(body, "float[2,3] y, float[2,3] h"), FuseHardSwish())
    assert not passed.result.modified


@pytest.mark.parametrize("kind", ["int32", "double"])
def test_types_that_onnx_runtime_lacks_it_in_stay(apply: Apply, kind: str) -> None:
    constants = f"{kind} zero = {{0}}, {kind} three = {{3}}, {kind} six = {{6}}"
    body = f"{GATE} m = Mul (x, q) y = Div (m, six)"
    given = f"g ({kind}[2,3] x) => ({kind}[2,3] y) <{constants}> {{ {body} }}"
    assert not apply(given, FuseHardSwish()).result.modified
