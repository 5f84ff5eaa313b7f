"""What ``--device`` means in a lab, and which phones it picks."""

from __future__ import annotations

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.lab.client.choose_phones import chosen_phones, kinds_of, phone_kind, usable_phones
from asymm_deploy.lab.client.take_phones import PhonesWanted
from asymm_deploy.lab.roster import LabPhone, PhoneFacts, PhoneState


def phone(
    serial: str, host: str = "desk", soc: str | None = "SM8150", state: PhoneState = "free"
) -> LabPhone:
    facts = PhoneFacts(
        host, serial, soc, "Pixel 4", "flame", "arm64-v8a", "13", "build", "1", 1, "2026-01-01"
    )
    return LabPhone(f"{host}/{serial}", f"tcp://{host}:1", facts, state)


@pytest.mark.parametrize(
    "text",
    [
        *("any", "AUTO", "soc=SM8150", "soc=sm8150", "SOC = sm81*", "model=pixel 4,host=de?k"),
        *("serial=10.0.0.7:5555", "10.0.0.7:5555", "abi=arm64*,android=13", "product=flame"),
    ],
)
def test_a_phone_is_of_a_kind_if_all_of_it_holds_whatever_the_case(text: str) -> None:
    assert phone_kind(text).fits(phone("10.0.0.7:5555"))


@pytest.mark.parametrize(
    "text", ["soc=SM8550", "soc=SM8150,host=other", "serial=10.0.0", "10.0.0.8:5555", "model=pixel"]
)
def test_and_not_if_some_of_it_does_not(text: str) -> None:
    assert not phone_kind(text).fits(phone("10.0.0.7:5555"))


def test_what_a_phone_does_not_say_fits_nothing_but_anything() -> None:
    silent = phone("A", soc=None)
    assert not phone_kind("soc=SM*").fits(silent)
    assert phone_kind("soc=*").fits(silent)


def test_a_value_may_hold_a_comma_and_what_patterns_are_made_of() -> None:
    assert phone_kind("host=desk, left,soc=SM8150").fits(phone("A", host="desk, left"))
    assert phone_kind("serial=a[1]").fits(phone("a[1]"))
    assert phone_kind("serial=a,b=1,host=desk").fits(phone("a,b=1"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("host", "this machine"),
        ("Cortex-A76", "an emulated processor"),
        ("all", "how many"),
        ("", "empty"),
        ("soc=", "no value for soc"),
        ("chip=SM8150", "not told apart by chip"),
        ("soc=SM8150, chip=x", "not told apart by chip"),
        ("model=MI 9,hots=desk,soc=SM8150", "not told apart by hots"),
    ],
)
def test_what_is_no_phone_of_a_lab_is_refused_in_words(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        phone_kind(text)


def test_without_a_kind_any_phone_will_do_and_the_same_kind_twice_is_one() -> None:
    assert [kind.text for kind in kinds_of(())] == ["any"]
    assert len(kinds_of(["soc=A", "soc=A"])) == 1
    assert len(kinds_of(["any", "ANY", "auto"])) == 1
    assert len(kinds_of(["soc=A,host=b", "Host = B,SOC=a", "9A", "serial=9a"])) == 2


def chosen(kinds: list[str], count: int, phones: list[LabPhone], **held: int) -> list[str] | None:
    found = chosen_phones(kinds_of(kinds), count, phones, held)
    return None if found is None else [each.facts.serial for each in found]


def test_free_phones_come_first_and_before_them_those_with_launches_of_these_rows() -> None:
    phones = usable_phones([phone("A", state="busy"), phone("B"), phone("C", state="busy")])
    assert chosen(["any"], 1, phones) == ["B"]
    assert chosen(["any"], 1, phones, C=3) == ["C"]
    assert chosen(["any"], 2, phones, C=3, A=5) == ["A", "C"]
    assert chosen(["any"], 4, phones) is None


def test_a_phone_that_fits_two_kinds_is_left_to_the_one_that_needs_it() -> None:
    phones = [phone("A", host="left"), phone("B", host="right")]
    assert chosen(["any", "host=left"], 1, phones) == ["A", "B"]
    assert chosen(["host=left", "serial=A"], 1, phones) is None


def test_a_phone_on_two_hosts_is_one_phone_and_is_taken_where_it_is_free() -> None:
    places = usable_phones([phone("A", host="left", state="busy"), phone("A", host="right")])
    found = chosen_phones(kinds_of(["any"]), 1, places, {})
    assert found is not None
    assert [each.name for each in found] == ["right/A"]
    assert chosen(["any"], 2, places) is None
    there = chosen_phones(kinds_of(["host=left"]), 1, places, {})
    assert there == [places[1]], "and where it was asked for"
    assert chosen(["host=left", "host=right"], 1, places) is None


def test_phones_that_are_lost_or_have_no_name_to_print_are_not_there() -> None:
    assert usable_phones([phone("A", state="lost"), phone("a\x1b[2J"), phone("")]) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("sm8150", "no phone with serial number sm8150; did you mean soc=sm8150?"),
        ("Pixel*", "no phone with serial number Pixel*; did you mean model=Pixel*?"),
        ("desk", "no phone with serial number desk; did you mean host=desk?"),
        ("9A9", "no phone with serial number 9A9"),
        ("serial=desk", "no phone of serial=desk"),
        ("soc=SM9999", "no phone of soc=SM9999"),
    ],
)
def test_a_kind_without_its_traits_name_is_recognised(given: str, says: str) -> None:
    assert PhonesWanted(kinds_of([given])).lacking([phone("9A1")]) == f"the lab has {says}"
