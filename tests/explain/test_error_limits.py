"""A limit follows from what an operator computes with, and says why it is wide."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from asymm_deploy.engines.flat_table import Span
from asymm_deploy.engines.mnn_file import MnnConvolution
from asymm_deploy.explain.error_limits import own_limit, weight_bits
from asymm_deploy.explain.placing.placed_operator import PlacedOperator

PLACE = PlacedOperator(
    index=0,
    name="a",
    type="Convolution",
    kind="pointwise",
    module="a",
    node="/a/Conv",
    node_type="Conv",
    nodes=("Conv",),
    makes="a",
    int8=False,
    output_shapes=((1, 4),),
    input_shapes=((1, 4),),
    sources=(None,),
    references=(None,),
    unjudged=None,
    file_operator=0,
    whole=True,
)


def place(**changed: Any) -> PlacedOperator:
    return msgspec.structs.replace(PLACE, **changed)


def test_rounding_in_fp32_needs_no_reason() -> None:
    assert own_limit(PLACE, "fp32") == (1e-4, None)


@pytest.mark.parametrize(
    ("operator", "bits", "word"),
    [
        (place(nodes=("Mul", "Erf")), None, "erf-GELU"),
        (place(int8=True), None, "computed in 8 bits"),
        (place(type="Int8ToFloat"), None, "computed in 8 bits"),
        (place(int8=True, node_type="MaxPool"), None, "a pool"),
        (place(), 16, "in 16 bits"),
        (place(), 8, "weights in 8 bits"),
        (place(), 4, "weights in 4 bits"),
        (place(), 3, "fewer than 4"),
    ],
)
def test_whatever_costs_digits_has_a_wider_limit_and_its_reason(
    operator: PlacedOperator, bits: int | None, word: str
) -> None:
    found = own_limit(operator, "fp32", weight_bits=bits)
    assert found.largest > 1e-3
    assert found.reason is not None
    assert word in found.reason


def test_the_widest_limit_counts() -> None:
    assert own_limit(place(), "fp16", weight_bits=4) == own_limit(place(), "fp32", weight_bits=4)
    assert own_limit(place(), "fp16").reason == "fp16 arithmetic"


@pytest.mark.parametrize(
    ("size", "bits"), [(478, 8), (130, 4), (432, 16), (216 * 3 // 8 + 8 + 6, 3)]
)
def test_the_bits_of_weights_are_known_by_the_size_of_their_table(size: int, bits: int) -> None:
    """216 weights in 8 and 4 bits, as MNN's converter writes them."""
    assert weight_bits(convolution(size), 216) == bits


def test_weights_in_32_bits_are_not_encoded() -> None:
    assert weight_bits(convolution(None), 216) is None
    assert weight_bits(None, 216) is None


def convolution(encoded: int | None) -> MnnConvolution:
    return MnnConvolution(
        kernel=(3, 3),
        strides=(1, 1),
        dilations=(1, 1),
        pads=(0, 0),
        groups=1,
        outputs=8,
        relu=False,
        relu6=False,
        weight=None,
        bias=None,
        encoded=None if encoded is None else Span(0, encoded),
        scales=None,
    )
