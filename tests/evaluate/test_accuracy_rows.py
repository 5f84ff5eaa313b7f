"""Only what can be an accuracy, of trained weights, gets into a table."""

from __future__ import annotations

import pytest

from asymm_deploy.evaluate.accuracy import ACCURACY_COLUMNS
from asymm_deploy.evaluate.accuracy_rows import trained_top1


@pytest.mark.parametrize("cell", ["nan", "inf", "-5", "100.1", "x", ""])
def test_what_is_no_percentage_is_refused(cell: str) -> None:
    row = dict.fromkeys(ACCURACY_COLUMNS, "") | {
        "model": "net",
        "variant": "fp32",
        "engine": "mnn",
        "precision": "fp32",
        "images": "9",
        "top1_low_percent": "40",
        "top1_high_percent": "60",
        "weights": "trained",
        "classes": "1000",
    }
    assert trained_top1([row | {"top1_percent": "50"}], 1000)["net"].percent == 50
    with pytest.raises(ValueError, match=r"percentage|could not convert"):
        trained_top1([row | {"top1_percent": cell}], 1000)
