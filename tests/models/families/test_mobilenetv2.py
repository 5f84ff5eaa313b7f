"""MobileNetV2 is Table 2 of arXiv:1801.04381, typed here again as its columns."""

from __future__ import annotations

import pytest

from asymm_deploy.models.families.mobilenetv2 import mobilenetv2_spec


def test_the_blocks_are_the_tables() -> None:
    spec = mobilenetv2_spec(100)
    outs = [16, *[24] * 2, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]

    assert (spec.stem, spec.last, spec.head) == (32, 1280, None)
    assert [row.out for row in spec.rows] == outs
    assert [index for index, row in enumerate(spec.rows) if row.stride == 2] == [1, 3, 6, 13]
    assert spec.rows[0].expanded == 32  # expansion factor 1
    assert [row.expanded for row in spec.rows[1:]] == [6 * out for out in outs[:-1]]
    assert {(row.kernel, row.act, row.se) for row in spec.rows} == {(3, "R6", False)}


@pytest.mark.parametrize(
    ("percent", "stem", "third", "last"),
    # 32, 24 and 1280 channels; to the nearest multiple of 8, but never by 10 % down.
    [(35, 16, 8, 1280), (50, 16, 16, 1280), (75, 24, 24, 1280), (140, 48, 32, 1792)],
)
def test_channels_are_rounded_as_published_and_the_last_convolution_never_thins(
    percent: int, stem: int, third: int, last: int
) -> None:
    spec = mobilenetv2_spec(percent)

    assert (spec.name, spec.width) == (f"mobilenetv2_{percent:03}", percent / 100)
    assert (spec.stem, spec.rows[1].out, spec.last) == (stem, third, last)
