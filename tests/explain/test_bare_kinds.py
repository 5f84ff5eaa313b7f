"""What MNN's name of a type says of an operator: also whether it works in 8 bits."""

from __future__ import annotations

import pytest

from asymm_deploy.explain.bare_kinds import bare_operator


@pytest.mark.parametrize(
    ("told", "plain", "in_8_bits"),
    [
        ("Convolution [ DT_INT8 ] ", "Convolution", True),
        ("FloatToInt8 [ DT_INT8 ] ", "FloatToInt8", True),
        ("Int8ToFloat", "Int8ToFloat", False),
        ("Convolution", "Convolution", False),
    ],
)
def test_an_operator_in_8_bits_is_told_by_its_type(told: str, plain: str, in_8_bits: bool) -> None:
    found = bare_operator(0, "x", told)
    assert (found.type, found.in_8_bits) == (plain, in_8_bits)
