"""A flag decides whether a row is valid and what the process ends with; --allow takes it back."""

from __future__ import annotations

import pytest

from asymm_deploy.bench import flags
from asymm_deploy.errors import ExitCode, UsageError


def test_the_names_are_those_of_the_contract() -> None:
    assert set(flags.FLAGS) == {
        *(
            "wrong-core",
            "wrong-precision",
            "fell-back",
            "output-mismatch",
            "below-floor",
            "bimodal",
        ),
        *(
            "launch-spread",
            "stolen-time",
            "split-pairs",
            "throttled",
            "capped-clock",
            "hot",
            "battery-low",
        ),
        *("power-save", "screen-off", "unpinned", "unverified", "failed", "tolerance-raised"),
        *("unwatched", "not-ready", "no-arm64", "busy", "no-space"),
        *("repeated-samples", "no-variance", "not-prime-core", "variant"),
        *("warm-cache", "slower", "late"),
    }


def test_what_could_only_not_be_seen_leaves_a_row_valid() -> None:
    harmless = {name for name in flags.FLAGS if flags.leave_valid([name], [])}
    assert harmless == {
        *("unpinned", "unverified", "unwatched", "tolerance-raised", "variant"),
        *("warm-cache", "slower", "late"),
    }


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([], ExitCode.OK),
        (["unpinned", "unverified"], ExitCode.OK),
        (["launch-spread"], ExitCode.UNSTABLE),
        (["wrong-core", "launch-spread"], ExitCode.HARNESS),
        (["wrong-core", "output-mismatch"], ExitCode.NUMERICS),
        (["failed"], ExitCode.HARNESS),
    ],
)
def test_the_worst_flag_gives_the_exit_code(names: list[str], code: ExitCode) -> None:
    assert flags.exit_code_for(names, allowed=[]) is code


def test_a_failed_row_ends_with_its_own_code() -> None:
    assert flags.exit_code_for(["failed"], [], ExitCode.CONVERSION) is ExitCode.CONVERSION


def test_what_is_allowed_neither_invalidates_nor_sets_the_exit_code() -> None:
    names = ["bimodal", "stolen-time"]
    assert not flags.leave_valid(names, ["bimodal"])
    assert flags.leave_valid(names, ["bimodal", "stolen-time"])
    assert flags.exit_code_for(names, ["bimodal", "stolen-time"]) is ExitCode.OK


def test_an_unknown_name_to_allow_is_an_error_that_knows_the_nearest() -> None:
    with pytest.raises(UsageError, match="'stolentime'") as caught:
        flags.check_allowed(["stolentime"])
    assert "stolen-time" in caught.value.hint


def test_a_name_like_no_flag_is_answered_with_all_of_them() -> None:
    with pytest.raises(UsageError) as caught:
        flags.check_allowed(["x"])
    assert caught.value.hint == f"the flags are: {', '.join(flags.FLAGS)}"


def test_names_are_given_once_and_the_gravest_first() -> None:
    names = ["hot", "unpinned", "failed", "hot", "bimodal"]
    assert flags.gravest_first(names) == ("failed", "bimodal", "hot", "unpinned")
    assert flags.check_allowed(names) == flags.gravest_first(names)
    assert flags.gravest_first([]) == ()


def test_a_failure_that_is_allowed_sets_no_exit_code() -> None:
    assert flags.exit_code_for(["failed"], ["failed"], ExitCode.CONVERSION) is ExitCode.OK
    assert flags.exit_code_for(["hot"], [], ExitCode.CONVERSION) is ExitCode.UNSTABLE
