"""MobileNetV1 is Table 1 of arXiv:1704.04861, typed here again as its columns."""

from __future__ import annotations

import pytest

from asymm_deploy.models.families.mobilenetv1 import mobilenetv1_spec


def test_the_blocks_are_the_tables() -> None:
    spec = mobilenetv1_spec(100)

    assert spec.stem == 32
    assert [row.out for row in spec.rows] == [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    assert [row.stride for row in spec.rows] == [1, 2, 1, 2, 1, 2, *[1] * 5, 2, 1]
    assert [row.expanded for row in spec.rows] == [32, *(row.out for row in spec.rows[:-1])]
    assert {(row.kernel, row.act, row.se) for row in spec.rows} == {(3, "RE", False)}
    assert (spec.last, spec.head) == (None, None)


@pytest.mark.parametrize(
    ("percent", "stem", "last"), [(75, 24, 768), (50, 16, 512), (25, 8, 256), (1, 8, 10)]
)
def test_every_layer_thins_alike_but_none_below_8_channels(
    percent: int, stem: int, last: int
) -> None:
    spec = mobilenetv1_spec(percent)

    assert (spec.name, spec.width) == (f"mobilenetv1_{percent:03}", percent / 100)
    assert (spec.stem, spec.rows[-1].out) == (stem, last)
