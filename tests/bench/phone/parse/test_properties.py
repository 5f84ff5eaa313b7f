"""Properties and settings are read whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.phone.parse.properties import properties, setting_value
from tests.bench.phone.parse.conftest import NOISE, PHONES, crlf, text_of


@pytest.mark.parametrize(
    ("phone", "model", "soc", "release"),
    [
        ("pixel4", "Pixel 4", "SM8150", "13"),
        ("mi9", "MI 9", None, "11"),
        ("oneplus7pro", "GM1911", "SM8150", "12"),
    ],
)
def test_properties_of_a_phone(phone: str, model: str, soc: str | None, release: str) -> None:
    text = text_of(PHONES / phone / "getprop.txt")
    found = properties(text)
    assert found["ro.product.model"] == model
    assert found.get("ro.soc.model") == soc
    assert found["ro.build.version.release"] == release
    assert found["ro.board.platform"] == "msmnile"
    assert properties(NOISE + crlf(text) + NOISE) == found


def test_a_propertys_value_may_hold_newlines_and_brackets() -> None:
    text = "[a]: [one\ntwo]\n[b]: [x] [y]]\n[c]: []\n[d]: [\n\n]\n[e]: [first]\nsecond]\n"
    assert properties(text) == {
        "a": "one\ntwo",
        "b": "x] [y]",
        "c": "",
        "d": "\n\n",
        "e": "first]\nsecond",
    }


def test_a_line_like_a_property_within_a_value_is_no_property() -> None:
    text = "[evil]: [\n[ro.soc.model]: [SM8150]\n"
    assert properties(text) == {"evil": "\n[ro.soc.model]: [SM8150"}


def test_a_property_that_was_cut_short_is_left_out() -> None:
    assert properties("[a]: [1]\n[ro.soc.model]: [SM81") == {"a": "1"}


# A value whose own line ends with a bracket before one that looks like a key can't be told apart.
values = st.text(st.characters(exclude_characters="[]\r", codec="utf-8"), max_size=50)


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,20}", fullmatch=True), values))
def test_printed_properties_come_back(expected: dict[str, str]) -> None:
    text = "".join(f"[{key}]: [{value}]\n" for key, value in expected.items())
    assert properties(text) == expected


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("3\n", "3"),
        ("null\n", None),
        ("", None),
        ("\n", None),
        ("WARNING: linker: x: unused DT entry\n0\n", "0"),
        ("cmd: Can't find service: settings\n", None),
        ("Exception occurred while executing\njava.lang.SecurityException\n", None),
    ],
)
def test_a_setting_is_one_line_or_unknown(said: str, value: str | None) -> None:
    assert setting_value(said) == value
    assert setting_value(crlf(said)) == value
