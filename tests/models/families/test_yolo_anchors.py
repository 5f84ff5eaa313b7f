"""The anchors and strides are the YOLOv3 paper's."""

from __future__ import annotations

from asymm_deploy.models.families.yolo_anchors import ANCHORS, STRIDES


def test_the_anchors_are_those_of_yolov3() -> None:
    # arXiv:1804.02767, section 2.3: the nine clusters on COCO, as it prints them.
    assert [side for scale in ANCHORS for anchor in scale for side in anchor] == [
        *(10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
    ]
    assert STRIDES == (8, 16, 32)  # the small ones are of the finest map
