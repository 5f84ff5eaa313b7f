"""Both arms are timed until there is a verdict; what is finished is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench import store
from asymm_deploy.check.live.latency_change import change_of_outcome
from asymm_deploy.check.live.time_pairs import CheckResumed
from asymm_deploy.errors import HarnessError, UsageError

NS = 10_000_000


Script = Callable[[Any], Any]
Slower = Callable[[float, Any], Script]


@pytest.mark.parametrize(
    ("share", "verdict", "launches"),
    [(0.0, "pass", 32), (0.02, "pass", 32), (0.05, "regressed", 64), (-0.05, "improved", 32)],
)
def test_a_difference_without_noise_is_settled_at_the_first_look(
    slower: Slower, check: Any, told: Any, share: float, verdict: str, launches: int
) -> None:
    found = check(slower(share, told))
    assert found.outcomes["net"].verdict == verdict
    assert len(check.device.launched) == launches
    change = change_of_outcome("net", found.outcomes["net"])
    assert change.baseline == pytest.approx(10)
    assert change.candidate == pytest.approx(10 * (1 + share))
    assert change.change_percent == pytest.approx(100 * share)


def test_several_models_are_interleaved_block_by_block(
    slower: Slower, check: Any, told: Any
) -> None:
    found = check(slower(0.0, told), "one", "two")
    assert [launch.model for launch in check.device.launched[:12]] == (
        ["one"] * 4 + ["two"] * 4 + ["one"] * 4
    )
    assert {outcome.verdict for outcome in found.outcomes.values()} == {"pass"}


def test_the_launches_of_both_series_are_returned(slower: Slower, check: Any, told: Any) -> None:
    first, second = check(slower(0.05, told)).launches["net"]
    assert len(first.baseline) == len(second.candidate) == 16
    assert not set(first.baseline) & set(second.baseline)


@pytest.mark.parametrize(
    "loss", [HarnessError("the phone is gone", "plug it in"), KeyboardInterrupt()]
)
def test_after_a_loss_the_same_command_goes_on_with_the_next_block(
    slower: Slower, check: Any, told: Any, loss: BaseException
) -> None:
    def until_lost(launch: Any) -> Any:
        if len(check.device.launched) == 14:
            raise loss
        return told(ns=NS * 1.02 if launch.arm == "B" else NS)

    with suppress(KeyboardInterrupt, HarnessError):
        check(until_lost)
        pytest.fail("it went on")
    assert not check.device.is_held
    found = check(slower(0.02, told))
    # Three blocks of four were finished; the two launches of the fourth are done again.
    assert len(check.device.launched) == 32 - 12
    assert check.events[0] == CheckResumed(12)
    assert found.outcomes["net"].verdict == "pass"
    assert change_of_outcome("net", found.outcomes["net"]).change_percent == pytest.approx(2)


def test_what_is_finished_is_not_timed_again_unless_it_is_asked_for(
    slower: Slower, check: Any, told: Any
) -> None:
    check(slower(0.05, told))
    again = check(slower(0.0, told))
    assert check.device.launched == []
    assert again.outcomes["net"].verdict == "regressed"
    fresh = check(slower(0.0, told), fresh=True)
    assert fresh.outcomes["net"].verdict == "pass"
    assert len(check.device.launched) == 32
    check(slower(0.05, told))
    assert check.device.launched == []  # the fresh ones are in use


def test_other_circumstances_are_timed_anew(slower: Slower, check: Any, told: Any) -> None:
    check(slower(0.0, told))
    check(slower(0.0, told), runs=4)
    assert len(check.device.launched) == 32


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda line: line.replace(b"10000000,", b"-10000000,", 1), "-10000000 ns"),
        (lambda line: line.replace(b"10000000,", b"NaN,", 1), "damaged in line 1"),
        (lambda line: line.replace(b"[10000000,", b"[", 1), "2 samples of 3 runs"),
        (lambda line: line.replace(b"[10000000,", b"[1" + b"0" * 400 + b",", 1), "a run of 10+"),
        (lambda line: line.replace(b'"init_ns":5', b'"init_ns":-5', 1), "an init_ns of -50"),
        (lambda line: line.replace(b'_mb":50', b'_mb":-50', 1), "a peak_memory_mb of -50"),
        (lambda line: line.replace(b'"exit_code":0', b'"exit_code":77', 1), "an exit_code of 77"),
    ],
)
def test_launches_that_can_not_have_been_measured_are_refused(
    slower: Slower, check: Any, told: Any, tmp_path: Path, edit: Callable[[bytes], bytes], said: str
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / store.NAME
    path.write_bytes(edit(path.read_bytes()))
    with pytest.raises(UsageError, match=said):
        check(slower(0.0, told))
