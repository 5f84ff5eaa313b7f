"""A hard-sigmoid becomes one operator, where it is one and of a type that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.export.passes.hard_sigmoid import FuseHardSigmoid

Apply = Callable[..., Any]


def graph(
    body: str, kind: str = "float", constants: str = "", shape: str = "[2,3]", out: str = "[2,3]"
) -> str:
    constants = constants or (
        f"{kind} zero = {{0}}, {kind} one = {{1}}, {kind} three = {{3}}, {kind} five = {{5}}, "
        f"{kind} six = {{6}}, {kind} sixth = {{0.16666667}}"
    )
    return f"g ({kind}{shape} x) => ({kind}{out} y) <{constants}> {{ {body} }}"


@pytest.mark.parametrize(
    "body",
    [
        "p = Add (x, three) q = Clip (p, zero, six) y = Div (q, six)",
        "p = Add (three, x) q = Clip (p, zero, six) y = Mul (q, sixth)",
        "p = Add (x, three) q = Clip (p, zero, six) y = Mul (sixth, q)",
    ],
)
def test_however_it_is_spelt_out(apply: Apply, body: str) -> None:
    assert apply(graph(body), FuseHardSigmoid()).kinds == {"HardSigmoid": 1}


@pytest.mark.parametrize(
    "body",
    [
        "p = Add (x, five) q = Clip (p, zero, six) y = Div (q, six)",
        "p = Add (x, three) q = Clip (p, one, six) y = Div (q, six)",
        "p = Add (x, three) q = Clip (p, zero, five) y = Div (q, six)",
        "p = Add (x, three) q = Clip (p, zero, six) y = Div (q, five)",
        "p = Add (x, three) q = Clip (p, zero, six) y = Div (six, q)",
        "p = Add (x, three) q = Clip (p, zero, six) y = Sub (q, six)",
        "p = Add (x, three) q = Clip (p, zero, six) y = Add (q, sixth)",
        "p = Sub (x, three) q = Clip (p, zero, six) y = Div (q, six)",
        "p = Add (x, three) q = Clip (p, zero) y = Div (q, six)",
        "p = Add (x, three) q = Clip (p, zero, six) r = Div (q, six) y = Mul (r, q)",
    ],
)
def test_what_only_looks_like_one_stays(apply: Apply, body: str) -> None:
    passed = apply(graph(body), FuseHardSigmoid())
    assert not passed.result.modified
    assert "HardSigmoid" not in passed.kinds


def test_a_constant_that_adds_axes_is_not_a_scalar(apply: Apply) -> None:
    body = "p = Add (x, three) q = Clip (p, zero, six) y = Div (q, six)"
    constants = "float three = {3}, float zero = {0}, float six = {6}"
    for name in ("three", "six"):
        wide = constants.replace(f"float {name}", f"float[1,1,1] {name}")
        if name == "six":  # Clip takes a scalar alone
            wide = wide + ", float limit = {6}"
        text = body.replace("zero, six", "zero, limit") if name == "six" else body
        given = graph(text, constants=wide, out="[1,2,3]")
        assert not apply(given, FuseHardSigmoid()).result.modified
    narrow = constants.replace("float three", "float[1,1] three")
    assert apply(graph(body, constants=narrow), FuseHardSigmoid()).kinds == {"HardSigmoid": 1}


def test_integers_round_and_have_no_such_operator(apply: Apply) -> None:
    body = "p = Add (x, three) q = Clip (p, zero, six) y = Div (q, six)"
    constants = "int32 zero = {0}, int32 three = {3}, int32 six = {6}"
    assert not apply(graph(body, "int32", constants), FuseHardSigmoid()).result.modified


def test_half_precision_has_it(apply: Apply) -> None:
    body = "p = Add (x, three) q = Clip (p, zero, six) y = Div (q, six)"
    constants = "float16 zero = {0}, float16 three = {16896}, float16 six = {17920}"  # their bits
    given = graph(body, "float16", constants)
    assert apply(given, FuseHardSigmoid(), proven=False).kinds == {"HardSigmoid": 1}


def test_double_precision_stays_since_onnx_runtime_lacks_it(apply: Apply) -> None:
    body = "p = Add (x, three) q = Clip (p, zero, six) y = Div (q, six)"
    assert not apply(graph(body, "double"), FuseHardSigmoid()).result.modified


def test_an_initializer_that_the_caller_may_replace_is_no_constant(apply: Apply) -> None:
    body = "p = Add (x, three) q = Clip (p, zero, six) y = Div (q, six)"
    text = f"""g (float[2,3] x, float three) => (float[2,3] y)
               <float three = {{3}}, float zero = {{0}}, float six = {{6}}> {{ {body} }}"""
    assert not apply(text, FuseHardSigmoid()).result.modified
