"""What no rounding explains of an output is said: NaN, infinities, nothing but zeros."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.bench.backends.output_words import output_words, words_without_reference

REFERENCE = {"y": np.array([[1.0, -2.0, 0.5]], np.float32), "z": np.zeros(2, np.float32)}
GOOD = {"y": REFERENCE["y"].tobytes(), "z": bytes(8)}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        (
            {"y": np.array([9, 9, 9], "<f4").tobytes()},
            None,
        ),  # wrong, but that is its error's to say
        (
            {"y": np.array([1, np.nan, np.nan], "<f4").tobytes()},
            "NaN in 2 of 3 values of output 'y'",
        ),
        (
            {"y": np.array([1, -np.inf, 0], "<f4").tobytes()},
            "infinity in 1 of 3 values of output 'y'",
        ),
        ({"y": bytes(12)}, "output 'y' is all zeros"),
        ({"y": b""}, "output 'y' has 0 values, not 3"),
    ],
    ids=["good", "off", "NaN", "infinity", "zeros", "size"],
)
def test_each_output_is_looked_at(changed: dict[str, bytes], words: str | None) -> None:
    assert output_words(REFERENCE, GOOD | changed) == words


def test_what_is_missing_is_said_and_many_are_cut_short() -> None:
    many = {f"y{at}": np.ones(1, np.float32) for at in range(9)}
    assert output_words(many, {}) == (
        "output 'y0' is missing; output 'y1' is missing; output 'y2' is missing; "
        "and so on in 6 outputs more"
    )


def test_what_the_reference_has_too_is_nothing_to_say() -> None:
    odd = np.array([np.nan, np.inf], np.float32)
    assert output_words({"y": odd}, {"y": odd.tobytes()}) is None


def test_without_a_reference_the_same_is_said() -> None:
    assert words_without_reference(GOOD | {"z": b""}) is None
    spoilt = {"y": np.array([1, np.nan], "<f4").tobytes(), "z": bytes(8), "odd": bytes(5)}
    assert words_without_reference(spoilt) == (
        "NaN in 1 of 2 values of output 'y'; output 'z' is all zeros; "
        "output 'odd' has 1 values, not 1"
    )
