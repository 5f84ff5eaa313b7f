"""The chip and the cores that may be used are read; what is unclear is unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.phone.parse import proc
from tests.bench.phone.parse.conftest import SD855, crlf, text_of


def test_the_chip_is_the_hardware_line() -> None:
    text = text_of(SD855 / "cpuinfo.txt")
    assert proc.soc(text) == "Qualcomm Technologies, Inc SM8150"
    assert proc.soc(crlf(text)) == "Qualcomm Technologies, Inc SM8150"
    assert proc.soc(text.replace("Hardware", "Software")) is None
    assert proc.soc("Hardware\t: \n") is None
    assert proc.soc("Hardware : a\x1b]0;b\x07\n") == "a\ufffd]0;b\ufffd"


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0-3,7", (0, 1, 2, 3, 7)),
        ("0 1 2 3 \r\n", (0, 1, 2, 3)),
        ("7\n", (7,)),
        ("4-4", (4,)),
        ("3-1", ()),
        ("0-99999999999", ()),
        ("0-", ()),
        ("-3", ()),
        ("0,,1", ()),
        ("٣", ()),
        ("all", ()),
        ("1," * 10**6, ()),
        ("", ()),
    ],
)
def test_a_list_of_cores(text: str, cores: tuple[int, ...]) -> None:
    assert proc.cpu_list(text) == cores


@given(st.sets(st.integers(0, 1023)))
def test_printed_cores_come_back(cores: set[int]) -> None:
    assert set(proc.cpu_list(",".join(map(str, cores)))) == cores


def test_the_cores_that_a_process_may_use() -> None:
    text = "Name:\tsh\nCpus_allowed:\tff\nCpus_allowed_list:\t0-5,7\nMems_allowed_list:\t0\n"
    assert proc.allowed_cpus(text) == (0, 1, 2, 3, 4, 5, 7)
    assert proc.allowed_cpus(text.replace("0-5,7", "")) is None
    assert proc.allowed_cpus("Cpus_allowed:\tff\n") is None
