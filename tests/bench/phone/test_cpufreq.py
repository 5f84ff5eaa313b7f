"""Clocks are read right, and the fastest core is found; what is unclear is unknown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.phone import cpufreq
from asymm_deploy.bench.phone.cpufreq import FrequencyPolicy

SD855 = Path(__file__).parents[2] / "data" / "phones" / "sd855"
FOLDER = "/sys/devices/system/cpu/cpufreq"


def text_of(name: str) -> str:
    return (SD855 / name).read_bytes().decode()


def grep(*rows: tuple[int, str, int]) -> str:
    """What grep -H prints of policies: number, cores, clock."""
    return "".join(
        f"{FOLDER}/policy{policy}/related_cpus:{cpus}\n"
        f"{FOLDER}/policy{policy}/cpuinfo_max_freq:{clock}\n"
        f"{FOLDER}/policy{policy}/scaling_max_freq:{clock}\n"
        for policy, cpus, clock in rows
    )


def best(text: str) -> int | None:
    return cpufreq.best_core(cpufreq.policies(text), None)


@pytest.mark.parametrize(
    ("policy", "count", "top"), [(0, 18, 1785600), (4, 17, 2419200), (7, 20, 2841600)]
)
def test_the_clocks_of_a_phone(policy: int, count: int, top: int) -> None:
    text = text_of(f"policy{policy}_frequencies.txt")
    found = cpufreq.frequencies(text)
    assert len(found) == count
    assert max(found) == top
    assert cpufreq.frequencies(text.replace("\n", "\r\n")) == found


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("2841600\n", 2841600),
        ("2841600\r\n", 2841600),
        ("noise\n2841600", 2841600),
        ("0\n", None),
        ("-1\n", None),
        ("<unknown>\n", None),
        ("300000\n2841600\n", None),
        ("٢٨٤\n", None),
        ("9" * 30, None),
        ("cat: /sys/x: Permission denied\n", None),
        ("", None),
    ],
)
def test_a_clock_is_one_number_or_unknown(text: str, clock: int | None) -> None:
    assert cpufreq.khz(text) == clock


def test_clocks_that_can_not_be_read_are_none() -> None:
    assert cpufreq.frequencies("cat: policy7: Permission denied\n") == ()


def test_time_in_state_is_read_and_printed_tables_come_back() -> None:
    text = "825600 1200\r\n2841600 231451\r\nnoise here\r\n1 2 3\r\n"
    assert cpufreq.time_in_state(text) == {825600: 1200, 2841600: 231451}


@given(st.dictionaries(st.integers(1, 10**8), st.integers(0, 10**15)))
def test_a_printed_time_in_state_comes_back(table: dict[int, int]) -> None:
    text = "".join(f"{clock} {ticks}\n" for clock, ticks in table.items())
    assert cpufreq.time_in_state(text) == table


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ({1: 5, 2: 10}, {1: 5, 2: 20}, 1.0),
        ({1: 5, 2: 10}, {1: 8, 2: 11}, 0.25),
        ({1: 5, 2: 10}, {1: 9, 2: 10}, 0.0),
        ({1: 5, 2: 10}, {1: 5, 2: 10}, None),
        ({1: 5, 2: 10}, {1: 4, 2: 20}, None),
        ({1: 5, 2: 10}, {2: 20}, None),
        ({2: 10}, {1: 5, 2: 20}, None),
        ({1: 5}, {1: 9}, None),
        ({}, {}, None),
    ],
)
def test_the_share_at_the_top_clock_is_told_only_where_the_counters_tell(
    before: dict[int, int], after: dict[int, int], share: float | None
) -> None:
    assert cpufreq.share_at_top(before, after, 2) == share


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_policies_of_a_phone(end: str) -> None:
    found = cpufreq.policies(text_of("policies.txt").replace("\n", end))
    assert found == (
        FrequencyPolicy("policy0", (0, 1, 2, 3), 1785600, 1785600),
        FrequencyPolicy("policy4", (4, 5, 6), 2419200, 2419200),
        FrequencyPolicy("policy7", (7,), 2841600, 2841600),
    )


def test_a_limited_clock_stands_beside_the_hardwares() -> None:
    text = text_of("policies.txt").replace("max_freq:2841600", "max_freq:1401600", 2)
    text = text.replace("cpuinfo_max_freq:1401600", "cpuinfo_max_freq:2841600")
    assert cpufreq.policies(text)[-1] == FrequencyPolicy("policy7", (7,), 2841600, 1401600)


@pytest.mark.parametrize(
    "text",
    [
        grep((0, "0 1 2 3", 1785600), (4, "4 5 6", 2419200), (7, "7", 2841600)),  # 855
        grep((0, "0 1 2 3", 1785600), (4, "4 5 6", 2419200), (7, "7", 2956800)),  # 855+
        grep((0, "0 1 2 3", 1804800), (4, "4 5 6", 2419200), (7, "7", 2841600)),  # 865
    ],
)
def test_the_prime_core_is_the_one_with_the_highest_clock(text: str) -> None:
    assert best(text) == 7
    assert best("".join(reversed(text.splitlines(keepends=True)))) == 7


def test_without_a_prime_core_it_is_the_first_of_the_best() -> None:
    assert best(grep((0, "0 1 2 3", 1900800), (4, "4 5 6 7", 2803200))) == 4
    assert best(grep((0, "4 5 6 7", 2803200), (4, "0 1 2 3", 1900800))) == 4


def test_of_equals_it_is_the_policy_with_the_highest_number() -> None:
    assert best(grep((0, "0", 2000000), (10, "10 11", 2000000), (4, "4", 2000000))) == 10


def test_only_allowed_cores_are_chosen() -> None:
    policies = cpufreq.policies(text_of("policies.txt"))
    assert cpufreq.best_core(policies, range(8)) == 7
    assert cpufreq.best_core(policies, {0, 1, 5, 6}) == 5
    assert cpufreq.best_core(policies, ()) is None
    assert cpufreq.best_core((), None) is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_policy_that_can_not_be_read_is_not_passed_over(end: str) -> None:
    denied = "".join(
        f"grep: {FOLDER}/policy7/{file}: Permission denied{end}"
        for file in ("related_cpus", "cpuinfo_max_freq", "scaling_max_freq")
    )
    text = grep((0, "0 1 2 3", 1785600), (4, "4 5 6", 2419200)) + denied
    assert cpufreq.policies(text)[-1] == FrequencyPolicy("policy7", (), None, None)
    assert best(text) is None


def test_a_clock_that_is_not_known_leaves_the_choice_open_where_it_matters() -> None:
    text = text_of("policies.txt").replace("policy7/cpuinfo_max_freq:2841600", "")
    policies = cpufreq.policies(text)
    assert cpufreq.best_core(policies, None) is None
    assert cpufreq.best_core(policies, {0, 1, 2, 3, 4, 5, 6}) == 4


def test_a_folder_without_policies_has_none() -> None:
    text = f"grep: {FOLDER}/policy*/related_cpus: No such file or directory\n"
    assert cpufreq.policies(text) == ()
    assert best(text) is None


PARSERS: list[Callable[[str], object]] = [
    cpufreq.khz,
    cpufreq.frequencies,
    cpufreq.time_in_state,
    best,
]
pieces = st.sampled_from(
    [*text_of("policies.txt").splitlines(keepends=True), "Cpus_allowed_list:", "0-", "9" * 5000]
)
anything = st.one_of(
    st.text(st.characters()),
    st.lists(st.one_of(pieces, st.text(st.characters(), max_size=5)), max_size=20).map("".join),
)


@pytest.mark.parametrize("parser", PARSERS)
@given(text=anything)
def test_no_text_makes_a_parser_raise(parser: Callable[[str], object], text: str) -> None:
    parser(text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("unit", ["0 ", "0-1023,", "\n", " ", "9", "1 1\n", FOLDER])
def test_megabytes_are_no_trouble(parser: Callable[[str], object], unit: str) -> None:
    parser(unit * (5 * 2**20 // len(unit)))
