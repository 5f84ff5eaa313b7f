"""What fails an arm, what spoils a block, and that slowness does neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.check.live.latency_change import change_of_outcome
from asymm_deploy.errors import ExitCode

NS = 10_000_000


Script = Callable[[Any], Any]


def test_an_allowed_flag_spoils_nothing(check: Any, told: Any) -> None:
    found = check(lambda launch: told(flags=("stolen-time",)), allow=("stolen-time",))
    assert (found.outcomes["net"].verdict, found.discarded) == ("pass", ())


def test_a_slow_launch_counts(check: Any, told: Any) -> None:
    found = check(lambda launch: told(ns=NS * (3 if (launch.arm, launch.count) == ("A", 5) else 1)))
    assert found.discarded == ()
    medians = [median for block in found.outcomes["net"].blocks for median in block.baseline]
    assert 3 * NS in medians


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"error": "no such operator"}, ExitCode.HARNESS, "no such operator"),
        ({"cpu": 0}, ExitCode.HARNESS, "wrong-core"),
    ],
)
def test_an_arm_that_can_not_be_timed_fails_and_the_others_go_on(
    check: Any, told: Any, answer: dict[str, Any], code: ExitCode, said: str
) -> None:
    def broken(launch: Any) -> Any:
        return told(**(answer if (launch.model, launch.arm) == ("one", "B") else {}))

    found = check(broken, "one", "two")
    change = change_of_outcome("one", found.outcomes["one"])
    assert (change.verdict, change.exit_code) == ("failed", code)
    assert "The candidate failed" in change.why
    assert said in change.why
    assert found.outcomes["two"].verdict == "pass"
    assert len([x for x in check.device.launched if x.model == "one"]) <= 3


def test_an_output_that_changes_between_launches_fails_its_arm(check: Any, told: Any) -> None:
    # Each arm by itself: two versions of a model need not agree.
    assert check(lambda x: told(output=x.arm.lower())).outcomes["net"].verdict == "pass"
    found = check(lambda x: told(output="b" if (x.arm, x.count) == ("A", 3) else "a"), fresh=True)
    change = change_of_outcome("net", found.outcomes["net"])
    assert (change.verdict, change.exit_code) == ("failed", ExitCode.NUMERICS)
    assert "output-mismatch" in change.why
