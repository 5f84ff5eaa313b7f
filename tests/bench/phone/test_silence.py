"""A phone that falls silent, with its connection intact, is waited for as long as patience says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.bench.phone import attached as attached_module
from asymm_deploy.bench.phone.attached import attached
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.errors import HarnessError
from tests.bench.phone.conftest import LAUNCHES, Bench
from tests.phone.faults import Fault, Hush, HushedLaunch, HushedPush, HushedShell, SlowLink
from tests.phone.phone import Phone
from tests.phone.profiles import PIXEL_4

LosePatience = Callable[[Fault, float], None]
ENOUGH_S = 55.0
"""For a whole bench on a busy machine; without patience, one silent command took 60 s."""


@pytest.mark.parametrize(
    "fault",
    [
        HushedShell(containing="getprop"),
        HushedShell(containing="mkdir /data/local/tmp/asymm-deploy.lock"),
        HushedShell(containing="while touch"),
        HushedShell(containing="-exec sha256sum"),
        HushedPush(after_bytes=100),
        HushedShell(containing="setsid sh -c"),
        HushedLaunch(launch=0),
    ],
    ids=["facts", "lock", "touching", "hashes", "push", "start", "launch"],
)
def test_a_phone_that_stays_silent_is_given_up_when_patience_is_over(
    bench: Bench, phone: Phone, fault: Fault, lose_patience: LosePatience
) -> None:
    lose_patience(phone.faults.add(fault), 1.5)
    started = time.monotonic()
    ended = bench()
    assert time.monotonic() - started < ENOUGH_S
    assert fault.happened == 1
    assert ended.code == 3
    assert f"error: {phone.serial} did not answer for 1.5 s, though adb lists it as a " in ended.err
    assert "hint: wake it" in ended.err
    assert "is back" not in ended.err
    assert ended.err.count("is gone") <= 1


def test_a_phone_that_falls_silent_at_the_end_keeps_nobody_waiting(
    bench: Bench, phone: Phone, lose_patience: LosePatience
) -> None:
    fault = phone.faults.add(HushedShell(containing="rm -f /data/local/tmp/asymm-deploy/stayon"))
    lose_patience(fault, 1.5)
    started = time.monotonic()
    ended = bench()
    assert time.monotonic() - started < ENOUGH_S
    assert ended.code == 0
    assert len(ended.finished) == LAUNCHES
    assert "could not be restored" in ended.err


@pytest.mark.parametrize(
    "fault",
    [
        HushedShell(containing="dumpsys battery", for_s=3.0),
        HushedPush(after_bytes=100, for_s=3.0),
        HushedLaunch(launch=1, for_s=3.0),
    ],
    ids=["readings", "push", "launch"],
)
def test_a_phone_that_answers_again_in_time_costs_no_launch(
    bench: Bench, phone: Phone, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = property(lambda link: 15.0 if link.losses else 2.0, lambda *_: None)
    monkeypatch.setattr(Link, "_answer_s", hasty, raising=False)
    phone.faults.add(fault)
    ended = bench()
    assert ended.code == 0, ended.err
    assert len(ended.finished) == LAUNCHES
    assert len(phone.launches) == LAUNCHES
    assert ended.err.count("is gone") == ended.err.count("is back") <= 1


@pytest.fixture
def asking(phone: Phone, new_link: Callable[..., Link], monkeypatch: pytest.MonkeyPatch) -> Link:
    """A link that soon asks whether the phone answers, and then gives it time."""
    really = Link._answers
    monkeypatch.setattr(Link, "_answers", lambda link, _within_s: really(link, 30.0))
    return new_link(phone, patience_s=8)


def test_a_command_that_is_silent_on_a_phone_that_answers_is_waited_for(
    asking: Link, told: list[str]
) -> None:
    assert asking.run_with_retries("sleep 4; echo out").stdout == b"out\n"
    assert told == []


def test_a_command_that_never_says_anything_is_told_from_a_phone_that_does_not(
    asking: Link, told: list[str]
) -> None:
    with pytest.raises(HarnessError, match=r"answers, but a command printed nothing for 1 s"):
        asking.run_with_retries("sleep 60", timeout_s=1)
    assert told == []


def test_a_push_over_a_slow_link_is_not_taken_for_silence(
    phone: Phone, new_link: Callable[..., Link], tmp_path: Path, told: list[str]
) -> None:
    phone.faults.add(SlowLink(bytes_per_s=100_000))
    (tmp_path / "net").write_bytes(b"x" * 300_000)
    new_link(phone, patience_s=10).push(tmp_path / "net", "/data/local/tmp/net")
    assert phone.path("/data/local/tmp/net").stat().st_size == 300_000
    assert told == []


@pytest.mark.usefixtures("adb_environment")
def test_devices_do_not_wait_for_a_silent_phone(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached_module, "_PATIENCE_S", 1.0)
    phone.faults.add(Hush())
    started = time.monotonic()
    told: list[str] = []
    (found,) = attached(told.append)
    assert time.monotonic() - started < 15
    assert found.state == "offline"
    assert "did not answer for 1 s" in found.to_do
    phone.faults.clear()


def test_a_phone_on_tcp_that_says_nothing_is_not_connected_to(
    bench: Bench, new_phone: Callable[..., Phone]
) -> None:
    silent = new_phone(PIXEL_4)
    silent.faults.add(Hush())
    started = time.monotonic()
    ended = bench("--patience", "2", device=silent.serial)
    print(ended.err)
    assert time.monotonic() - started < 60
    assert ended.code == 3
    silent.faults.clear()
