"""The skeleton scales as the paper counts it; a rate that does nothing is refused."""

from __future__ import annotations

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.models.families.asymmnet import (
    ASYMMNET_LARGE,
    ASYMMNET_SMALL,
    asymmnet_spec,
    expands,
    scaled,
    skeleton_spec,
)


@pytest.mark.parametrize(
    ("channels", "percent", "made"),
    # Up to the next multiple of 8, where MobileNetV3 takes the nearest.
    [(16, 100, 16), (16, 35, 8), (24, 35, 16), (40, 50, 24), (88, 35, 32), (960, 125, 1200)],
)
def test_channels_are_rounded_up_to_multiples_of_8(channels: int, percent: int, made: int) -> None:
    assert scaled(channels, percent) == made


@pytest.mark.parametrize(
    ("expanded", "channels", "rate", "room"),
    [(16, 16, 0, False), (17, 16, 0, True), (32, 16, 2, False), (33, 16, 2, True)],
)
def test_a_block_expands_where_it_has_channels_to_make(
    expanded: int, channels: int, rate: int, room: bool
) -> None:
    assert expands(expanded, channels, rate) is room


@pytest.mark.parametrize(
    ("scale", "rows", "side"), [("large", ASYMMNET_LARGE, 7), ("small", ASYMMNET_SMALL, 7)]
)
def test_the_strides_lead_from_112_pixels_to_7(
    scale: str, rows: tuple[object, ...], side: int
) -> None:
    spec = asymmnet_spec("large" if scale == "large" else "small", 100)
    at = 112
    for row in spec.rows:
        at //= row.stride

    assert (spec.rows, at) == (rows, side)


@pytest.mark.parametrize(("scale", "last"), [("large", 960), ("small", 576)])
def test_the_convolution_after_pooling_has_1280_channels_at_every_width(
    scale: str, last: int
) -> None:
    for percent in (35, 100, 125):
        spec = skeleton_spec("mbv3", "large" if scale == "large" else "small", percent)
        assert (spec.head, spec.last) == (1280, scaled(last, percent))
        assert spec.stem == scaled(16, percent)
        assert (spec.act, spec.classes, spec.input_shape) == ("HS", 1000, (1, 3, 224, 224))


def test_a_family_on_the_skeleton_differs_in_nothing_but_its_name_and_block() -> None:
    ours, pruned = asymmnet_spec("small", 75), skeleton_spec("pruned", "small", 75)

    assert (ours.name, pruned.name) == ("asymmnet_small_075", "pruned_small_075")
    assert (ours.rows, ours.stem, ours.last) == (pruned.rows, pruned.stem, pruned.last)
    assert (ours.rate, pruned.rate) == (1, None)


def test_a_rate_beyond_the_largest_is_refused() -> None:
    assert asymmnet_spec("small", 100, 5).name == "asymmnet_small_100_r5"
    with pytest.raises(UsageError, match="rate 6 leaves no block") as caught:
        asymmnet_spec("small", 100, 6)
    assert caught.value.hint == "the largest rate that works for asymmnet_small_100 is 5"
