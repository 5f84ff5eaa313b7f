"""Every failure has a cause, a next step and a documented code; the gravest code wins."""

from __future__ import annotations

import pickle

import pytest

from asymm_deploy import errors
from asymm_deploy.errors import (
    ConversionError,
    DeployError,
    ExitCode,
    HarnessError,
    NumericsError,
    UsageError,
    worst,
)

CODES = {UsageError: 2, HarnessError: 3, NumericsError: 5, ConversionError: 6}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_kind_has_its_code(kind: type[DeployError], code: int) -> None:
    failure = kind("what", "hint")
    assert (failure.what, failure.hint, failure.exit_code) == ("what", "hint", code)
    assert str(failure) == "what"


def test_a_code_of_its_own_is_given_when_it_is_made() -> None:
    failure = HarnessError("what", "hint", exit_code=ExitCode.REGRESSION)
    assert failure.exit_code == ExitCode.REGRESSION
    assert HarnessError("what", "hint").exit_code == ExitCode.HARNESS


def test_a_failure_about_something_may_be_one_that_is_made_in_another_way() -> None:
    class OtherError(HarnessError):
        def __init__(self, what: str) -> None:
            super().__init__(what, "wait")
            self.number = 7

    about = OtherError("it is gone").about("net")
    assert isinstance(about, OtherError)
    assert (about.what, str(about), about.hint, about.number) == (
        "net: it is gone",
        "net: it is gone",
        "wait",
        7,
    )


def test_a_failure_about_something_is_another_one_of_the_same_kind() -> None:
    failure = NumericsError("it differs", "look", exit_code=ExitCode.UNSTABLE)
    about = failure.about("net")
    assert type(about) is NumericsError
    assert (about.what, about.hint, about.exit_code) == ("net: it differs", "look", 4)
    assert failure.what == "it differs"


@pytest.mark.parametrize("kind", CODES)
def test_a_failure_survives_the_way_to_another_process(kind: type[DeployError]) -> None:
    sent = pickle.loads(pickle.dumps(kind("what", "hint", exit_code=ExitCode.UNSTABLE)))
    assert (sent.what, sent.hint, sent.exit_code) == ("what", "hint", ExitCode.UNSTABLE)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((), 0),
        ((0, 0), 0),
        ((0, 4), 4),
        ((4, 2), 2),
        ((2, 3), 3),
        ((3, 6), 6),
        ((6, 5), 5),
        ((5, 0, 4), 5),
    ],
)
def test_the_gravest_code_wins_in_any_order(codes: tuple[int, ...], expected: int) -> None:
    given = [ExitCode(code) for code in codes]
    assert worst(given) == expected
    assert worst(given[::-1]) == expected


def test_every_code_is_documented() -> None:
    assert {code.value for code in errors.ExitCode} == {0, 1, 2, 3, 4, 5, 6, 130}
