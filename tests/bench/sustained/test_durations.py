"""Durations are read as people write them, and everything else is refused with an example."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.sustained.durations import duration_s, short_duration
from asymm_deploy.errors import UsageError


def taken(text: str) -> float:
    return duration_s("--for", text, 0.001, 8 * 3600, "why")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("30m", 1800), ("90s", 90), ("1h", 3600), ("33ms", 0.033), ("1.5h", 5400)),
        *(("30min", 1800), (" 2M ", 120), ("0.5s", 0.5)),
    ],
)
def test_a_number_and_its_unit(text: str, seconds: float) -> None:
    assert taken(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["30", "m", "", "-5s", "1h30m", "5 s", "٣s", "1e3s", "nan", "inf", "infs", "5d", "1,5s", "½s",
     "9" * 5000 + "s", "5s\n6s", "0x5s", ".5s", "5.s"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as error:
        taken(text)
    assert "is no duration" in error.value.what
    assert "30m" in error.value.hint


@pytest.mark.parametrize("text", ["9h", "0s", "0.5ms", "999999999999h"])
def test_one_out_of_range_is_refused_with_the_range(text: str) -> None:
    with pytest.raises(UsageError) as error:
        taken(text)
    assert text in error.value.what
    assert error.value.hint == "give 1ms to 8h: why"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1800, "30m"), (90, "90s"), (3600, "1h"), (0.033, "33ms"), (5400, "90m"), (1.5, "1.5s"),
     (0.0333, "33.3ms")],
)  # fmt: skip
def test_they_are_written_in_the_unit_that_they_fill(seconds: float, text: str) -> None:
    assert short_duration(seconds) == text
