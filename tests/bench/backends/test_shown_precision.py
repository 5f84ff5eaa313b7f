"""An output that is nearer to its reference than fp16 can be was computed in fp32."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.backends.shown_precision import with_shown_precision
from asymm_deploy.bench.records import LaunchRecord

TENTHS = np.arange(1, 9, dtype=np.float32) / 10
COUNTS = np.arange(3)


def shown(good: LaunchRecord, reference: Any, values: Any, **fields: Any) -> str | None:
    asked = {"backend": "vulkan", "precision": "fp16", "precision_in_force": "untold"}
    record = msgspec.structs.replace(good, **asked | fields)
    sent = {"y": np.asarray(values, "<f4").tobytes()}
    return with_shown_precision(record, {"y": reference}, sent).precision_in_force


@pytest.mark.parametrize(
    ("reference", "values", "precision"),
    [
        (TENTHS, TENTHS, "fp32"),
        (TENTHS, TENTHS * np.float32(1 + 2e-6), "fp32"),  # sums in another order
        (TENTHS, TENTHS.astype(np.float16), "untold"),
        (TENTHS, TENTHS * np.float32(1.01), "untold"),  # fp16 inside
        (np.array([1e6, 1], "f4"), [1e6, 1], "fp32"),  # fp16 has no such number
        (np.array([0, 1, 0.5], "f4"), [0, 1, 0.5], "untold"),  # fp16 has them all
        (COUNTS, COUNTS, "untold"),
        (TENTHS, TENTHS[:2], "untold"),
        (TENTHS, np.full(8, np.nan), "untold"),
        (np.array([], "f4"), [], "untold"),
    ],
    ids=["same", "order", "rounded", "inside", "huge", "exact", "counts", "size", "NaN", "empty"],
)
def test_only_what_fp16_cannot_hold_shows_fp32(
    good: LaunchRecord, reference: Any, values: Any, precision: str
) -> None:
    assert shown(good, reference, values) == precision


def test_where_fp32_was_asked_for_or_the_engine_tells_nothing_is_changed(
    good: LaunchRecord,
) -> None:
    assert shown(good, TENTHS, TENTHS, precision="fp32") == "untold"
    assert shown(good, TENTHS, TENTHS, precision_in_force="fp16") == "fp16"
