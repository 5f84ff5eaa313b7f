"""What a model's values become: the likeliest classes, and none where there is no number."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from asymm_deploy.evaluate.prediction import NO_CLASS, ImagePrediction, prediction_of


@pytest.mark.parametrize(
    ("values", "top5", "score"),
    [
        ([1.0, 3.0, 3.0], (1, 2, 0), 3.0),
        ([np.nan, -np.inf, 2.0], (2, 1), 2.0),
        ([np.inf, 1.0], (0, 1), None),
        ([np.nan, np.nan], (), None),
    ],
)
def test_nan_is_no_answer_and_what_is_kept_can_be_read_again(
    values: list[float], top5: tuple[int, ...], score: float | None
) -> None:
    found = prediction_of("cat/a.png", 0, np.array(values, np.float32))
    assert (found.top5, found.score) == (top5, score)
    assert found.top1 == (top5[0] if top5 else NO_CLASS)
    assert msgspec.json.decode(msgspec.json.encode(found), type=ImagePrediction) == found
