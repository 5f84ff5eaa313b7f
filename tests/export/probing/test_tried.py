"""The bounds of what a definition accepts are found to the integer, and none is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.export.probing.tried import tried_domain


@given(high=st.integers(0, 2**31 - 1), low=st.integers(-(2**31), 0))
def test_the_bounds_are_exact(high: int, low: int) -> None:
    found = tried_domain("int32", lambda value: low <= value <= high, 0)
    assert (found.low, found.high, found.origin) == (low, high, "tried")


@given(high=st.integers(1, 2**20))
def test_an_input_that_takes_no_zero_begins_at_one(high: int) -> None:
    assert tried_domain("int64", lambda value: 1 <= value <= high, 1).low == 1
    assert tried_domain("int64", lambda value: 0 <= value <= high, 1).low == 0


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("int32", -(2**31), 2**31 - 1),
        ("int64", -(2**40), 2**40),
        ("uint32", 0, 2**32 - 1),
        ("uint64", 0, 2**40),
        ("int16", -(2**15), 2**15 - 1),
        ("uint8", 0, 255),
    ],
)
def test_what_is_always_accepted_reaches_the_ends_of_its_type(
    dtype: str, low: int, high: int
) -> None:
    found = tried_domain(dtype, lambda _value: True, 0)
    assert (found.low, found.high) == (low, high)


def test_larger_values_come_only_after_smaller_ones_were_accepted() -> None:
    tried: list[int] = []

    def accepts(value: int) -> bool:
        tried.append(value)
        return 0 <= value <= 97

    tried_domain("int64", accepts, 0)
    assert max(tried) == 256  # 2**31 elements would have exhausted the memory
    assert len(tried) < 20
