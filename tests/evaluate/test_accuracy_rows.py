"""Only what can be an accuracy, of trained weights, gets into a table."""

from __future__ import annotations

import pytest

from asymm_deploy.evaluate.accuracy import ACCURACY_COLUMNS
from asymm_deploy.evaluate.accuracy_rows import trained_top1

ROW = dict.fromkeys(ACCURACY_COLUMNS, "") | {
    "model": "net",
    "variant": "fp32",
    "engine": "mnn",
    "device": "host",
    "precision": "fp32",
    "images": "9",
    "top1_percent": "50",
    "top1_low_percent": "40",
    "top1_high_percent": "60",
    "weights": "trained",
    "classes": "1000",
}


@pytest.mark.parametrize("cell", ["nan", "inf", "-5", "100.1", "x", ""])
def test_what_is_no_percentage_is_refused(cell: str) -> None:
    assert trained_top1([ROW], 1000)["net"].percent == 50
    with pytest.raises(ValueError, match=r"percentage|could not convert"):
        trained_top1([ROW | {"top1_percent": cell}], 1000)


def test_what_a_sample_in_the_emulator_gives_is_in_no_table_and_a_phone_counts_only_alone() -> None:
    def percent(*devices: tuple[str, str, str]) -> float | None:
        rows = [
            ROW | {"device": device, "images": images, "top1_percent": cell}
            for device, images, cell in devices
        ]
        found = trained_top1(rows, 1000).get("net")
        return None if found is None else found.percent

    assert percent(("a76", "64", "41")) is None
    assert percent(("a76", "64", "41"), ("PHONE", "9", "42")) == 42
    assert percent(("OTHER", "99", "43"), ("PHONE", "9", "42")) == 43
    assert percent(("OTHER", "99", "43"), ("host", "9", "44"), ("PHONE", "9", "42")) == 44


def test_a_variant_or_another_precision_is_in_no_table() -> None:
    for other in ({"variant": "w8"}, {"precision": "fp16"}, {"engine": "torch"}):
        assert trained_top1([ROW | other], 1000) == {}
