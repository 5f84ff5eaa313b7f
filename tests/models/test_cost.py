"""The least that a latency can be derived from: no fast algorithm multiplies less."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from asymm_deploy.models.complexity import count_spec
from asymm_deploy.models.cost import (
    Complexity,
    LayerCost,
    LayerKind,
    convolution_kind,
    least_multiplications,
    may_use_winograd,
)
from asymm_deploy.models.names import parse


def layer(
    kind: LayerKind,
    output_shape: tuple[int, ...],
    madds: int,
    *,
    size: int | None = None,
    stride: int = 1,
    dilation: int = 1,
    operator: str = "conv2d",
) -> Complexity:
    geometry = () if size is None else (size, size)
    cost = LayerCost(
        name="a",
        operator=operator,
        kind=kind,
        output_shape=output_shape,
        madds=madds,
        params=0,
        kernel=geometry,
        stride=(stride,) * len(geometry),
        dilation=(dilation,) * len(geometry),
        groups=output_shape[1] if kind == "depthwise" else 1,
    )
    return Complexity((cost,), params=0)


def test_winograd_saves_at_most_5_06_on_3x3() -> None:
    madds = 8 * 36 * 9 * 100

    assert least_multiplications(layer("depthwise", (1, 8, 60, 6), madds, size=3)) == (
        pytest.approx(madds * 64 / (36 * 9), rel=1e-4)
    )


@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 2, 1), (3, 1, 2), (1, 1, 1)])
def test_winograd_needs_stride_1_without_dilation(size: int, stride: int, dilation: int) -> None:
    cost = layer("depthwise", (1, 8, 60, 6), 99_999, size=size, stride=stride, dilation=dilation)

    assert least_multiplications(cost) == 99_999


def test_winograd_is_not_for_transposed_convolutions() -> None:
    cost = layer("depthwise", (1, 8, 9, 9), 999, size=3, operator="conv_transpose2d")

    assert least_multiplications(cost) == 999


def test_strassen_saves_an_eighth_for_each_halving() -> None:
    madds = 64 * 64 * 64

    # 64 -> 32 -> 16 -> 8 -> 4
    assert least_multiplications(layer("pointwise", (1, 64, 8, 8), madds, size=1)) == (
        madds * 7**4 // 8**4
    )


def test_strassen_is_nested_five_deep_at_most_and_never_below_vectors_of_4() -> None:
    def saved(side: int) -> float:
        cost = layer("pointwise", (1, side, side, 1), side**3, size=1)
        return least_multiplications(cost) / side**3

    assert [round(saved(side) ** -1 / (8 / 7), 3) for side in (7, 8)] == [0.875, 1.0]
    assert saved(128) == pytest.approx((7 / 8) ** 5, rel=1e-5)
    assert saved(512) == pytest.approx((7 / 8) ** 5, rel=1e-5)


def test_a_product_with_one_vector_cannot_be_halved() -> None:
    assert least_multiplications(layer("classifier", (1, 1000), 1_280_000)) == 1_280_000


def test_the_floor_of_a_network_is_below_its_madds_but_not_by_much() -> None:
    cost = count_spec(parse("asymmnet_large_100"))

    assert 0.4 * cost.madds < least_multiplications(cost) < cost.madds


def test_an_empty_network_has_no_floor_and_no_shares() -> None:
    nothing = Complexity((), params=0)

    assert least_multiplications(nothing) == nothing.madds == 0
    assert nothing.table1_percent() == (0, 0, 0)
    assert least_multiplications(layer("classifier", (0, 5), 0)) == 0


def test_table_1_counts_the_classifier_as_pointwise() -> None:
    shares = Complexity(
        layer("classifier", (1, 10), 300).layers + layer("depthwise", (1, 8, 1, 1), 100).layers,
        params=0,
    ).table1_percent()

    assert shares == (25, 75, 0)


def test_one_filter_channel_makes_a_convolution_depthwise() -> None:
    assert convolution_kind((1, 1), groups=8, in_channels=8) == "depthwise"
    assert convolution_kind((3, 3), groups=1, in_channels=1) == "vanilla"
    assert convolution_kind((1, 1), groups=1, in_channels=1) == "pointwise"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"kernel": (5, 5)}, True),
        ({"kernel": (1, 1), "kind": "pointwise"}, False),
        ({"kind": "depthwise", "groups": 8}, False),
        ({"stride": (2, 2)}, False),
        ({"dilation": (2, 2)}, False),
        ({"operator": "conv_transpose2d"}, False),
        ({"operator": "linear", "kind": "classifier", "kernel": (), "stride": ()}, False),
    ],
)
def test_winograds_tiles_are_for_plain_convolutions_alone(
    changes: dict[str, Any], expected: bool
) -> None:
    conv = LayerCost(
        name="conv",
        operator="conv2d",
        kind="vanilla",
        output_shape=(1, 8, 16, 16),
        madds=1,
        params=1,
        kernel=(3, 3),
        stride=(1, 1),
        dilation=(1, 1),
    )
    assert may_use_winograd(dataclasses.replace(conv, **changes)) is expected
