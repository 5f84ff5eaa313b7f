"""ResNet-50 is the column of Table 1 in arXiv:1512.03385, typed here again, with v1b's strides."""

from __future__ import annotations

from asymm_deploy.models.families.resnet import resnet50_v1b_spec


def test_the_blocks_are_the_tables() -> None:
    spec = resnet50_v1b_spec()

    assert [row.out for row in spec.rows] == [*([256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3)]
    assert [4 * row.expanded for row in spec.rows] == [row.out for row in spec.rows]
    assert [index for index, row in enumerate(spec.rows) if row.stride == 2] == [3, 7, 13]
    assert {(row.kernel, row.act, row.se) for row in spec.rows} == {(3, "RE", False)}


def test_it_begins_with_7x7_and_max_pooling_and_ends_in_1000_classes() -> None:
    spec = resnet50_v1b_spec()

    assert (spec.stem, spec.stem_kernel, spec.after_stem) == (64, 7, "maxpool")
    assert (spec.stem_stride, spec.classes, spec.last, spec.head) == (4, 1000, None, None)
