"""MobileFaceNet is Table 1 of arXiv:1804.07573, typed here again as its columns."""

from __future__ import annotations

from asymm_deploy.models.families.mobilefacenet import mobilefacenet_spec
from asymm_deploy.models.tasks import EmbeddingHead


def test_the_blocks_are_the_tables() -> None:
    spec = mobilefacenet_spec()
    outs = [*[64] * 5, *[128] * 10]

    assert (spec.stem, spec.after_stem, spec.act) == (64, "depthwise", "PR")
    assert [row.out for row in spec.rows] == outs
    assert [index for index, row in enumerate(spec.rows) if row.stride == 2] == [0, 5, 12]
    inputs = [64, *outs[:-1]]
    assert [row.expanded // given for row, given in zip(spec.rows, inputs, strict=True)] == [
        *([2] * 5 + [4] + [2] * 6 + [4] + [2] * 2)
    ]
    assert {(row.kernel, row.act, row.se) for row in spec.rows} == {(3, "PR", False)}


def test_it_ends_in_an_embedding_of_a_face_of_112_pixels() -> None:
    spec = mobilefacenet_spec()

    assert (spec.name, spec.input_shape) == ("mobilefacenet", (1, 3, 112, 112))
    assert (spec.task, spec.last, spec.head) == (EmbeddingHead(), None, None)
    side = 112 // spec.stem_stride
    for row in spec.rows:
        side //= row.stride
    assert side == EmbeddingHead().map_size
