"""Lines are whole or left out, and numbers are ASCII digits within their bounds."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.phone.parse.text_lines import MAX_CHARS, MAX_LINE, lines, number


def test_a_line_that_the_bound_cuts_is_not_read_in_part() -> None:
    text = "x\n" * (MAX_CHARS // 2 - 1) + "12345"
    assert list(lines(text))[-1] == "x"
    assert list(lines("12345"))[-1] == "12345"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
def test_ends_of_lines_are_taken_off(end: str) -> None:
    assert list(lines(f"a{end}{end}b c{end}")) == ["a", "", "b c"]


def test_a_line_longer_than_any_real_one_is_left_out() -> None:
    text = f"before\n{'x' * MAX_LINE}\n{'y' * (MAX_LINE + 1)}\nbehind\n"
    assert list(lines(text)) == ["before", "x" * MAX_LINE, "behind"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 2841600\n", 2841600),
        ("0", 0),
        ("9", 9),
        ("10", 10),
        ("-1", None),
        ("+1", None),
        ("1_0", None),
        ("٣", None),
        ("0x10", None),
        ("1.0", None),
        ("9" * 19, None),
        ("", None),
    ],
)
def test_a_number_is_ascii_digits(text: str, value: int | None) -> None:
    assert number(text) == value


def test_a_number_outside_its_bounds_is_none() -> None:
    assert [number(text, least=-5, most=9) for text in ("-6", "-5", "9", "10")] == [
        *(None, -5, 9, None)
    ]
