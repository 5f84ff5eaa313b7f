"""A phone is had as long as a lease is renewed, by one client at a time, and put back after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.phone.lock import taken_error
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.sustained.following import KillAfter
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.lab import phone_session
from asymm_deploy.lab.host_store import HostStore
from asymm_deploy.lab.phone_session import PhoneDesk, PhoneSession
from asymm_deploy.lab.session_messages import (
    CoresAsked,
    FactsAsked,
    FollowAsked,
    HoldAsked,
    LeaseEndedError,
    Opening,
    PhoneBusyError,
    RunAsked,
    RunnerAsked,
    SessionAnswer,
    SessionRequest,
    failure_of,
    packed,
    raised,
    request_in,
    unpacked,
)
from tests.bench.fake_device import Launch, Told
from tests.lab.client.conftest import FakePhone

A, B = 32 * "a", 32 * "b"
LIMITS = KillAfter(total_s=9, silent_s=9)


class Desk:
    """A desk with one phone, and what it is told."""

    def __init__(self, folder: Path, run: Callable[[], object]) -> None:
        self.activities: list[tuple[str, str]] = []
        self.idle = 0
        self.phone: FakePhone | None = None
        self._run = run
        self._store = HostStore(folder)
        self.desk = PhoneDesk(lambda *activity: self.activities.append(activity), self._is_idle)
        self.desk.offer("P1", self._make)

    def open(self, lease: str, serial: str = "P1") -> PhoneSession:
        opening = Opening(lease=lease, serial=serial, whom=f"{lease[0]}'s", options=PhoneOptions())
        return self.desk.open(opening, self._store)

    def _make(self, _options: object, _tell: object) -> Any:
        def script(_launch: Launch) -> Told:
            return Told()

        self.phone = FakePhone("P1", script)

        def run(_argv: object, *, timeout_s: float) -> Completed:
            assert timeout_s == 9
            self._run()
            return Completed(b"out", b"", 0)

        self.phone.run = run  # type: ignore[method-assign, assignment]
        return self.phone

    def _is_idle(self) -> None:
        self.idle += 1


@pytest.fixture
def hang() -> Callable[[], None]:
    def hang() -> None:
        while True:
            time.sleep(0.005)

    return hang


def said(session: PhoneSession, request: SessionRequest) -> SessionAnswer:
    return unpacked(session.ask(request).result(5), SessionAnswer)


def refused(answer: SessionAnswer) -> Exception:
    assert answer.failure is not None
    return raised(answer.failure)


RUN = RunAsked(("runner", "--model", "m"), 9, "net launch 1")


def test_what_is_asked_is_done_in_order_until_it_is_given_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lambda: None)
    session = desk.open(A)
    assert unpacked(said(session, CoresAsked(None, 1, ())).value, tuple[int, ...]) == (1,)
    assert said(session, HoldAsked((1,), ())).failure is None
    phone = desk.phone
    assert phone is not None
    held = [phone.is_held]
    assert unpacked(said(session, RUN).value, Completed) == Completed(b"out", b"", 0)
    assert desk.activities == [("", "a's"), ("net launch 1", "a's")]
    session.end()
    assert session.closed.wait(60)
    held.append(phone.is_held)
    assert (held, desk.idle) == ([True, False], 1)
    assert isinstance(refused(said(session, FactsAsked(()))), LeaseEndedError)


def test_a_lease_that_nobody_renews_ends_whatever_the_phone_is_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hang: Callable[[], None]
) -> None:
    monkeypatch.setattr(phone_session, "LEASE_LASTS_S", 0.3)
    desk = Desk(tmp_path, hang)
    session = desk.open(A)
    said(session, HoldAsked((1,), ()))
    running = session.ask(RUN)
    for _ in range(4):
        time.sleep(0.1)
        session.renew()
    assert not running.done(), "it was renewed for longer than it lasts"
    assert isinstance(refused(unpacked(running.result(5), SessionAnswer)), LeaseEndedError)
    assert session.closed.wait(60)
    assert desk.phone is not None
    assert not desk.phone.is_held
    assert desk.desk.occupant("P1") is None


def test_one_client_at_a_time_has_a_phone_and_others_are_told_who(
    tmp_path: Path, hang: Callable[[], None]
) -> None:
    desk = Desk(tmp_path, hang)
    session = desk.open(A)
    assert desk.open(A) is session
    session.ask(RUN)
    with pytest.raises(PhoneBusyError, match=r"P1 is busy: a's has it since 0 s"):
        desk.open(B)
    with pytest.raises(HarnessError, match="no phone P2"):
        desk.open(B, "P2")
    desk.desk.end_all(5)
    assert desk.open(B).opening.lease == B
    with pytest.raises(LeaseEndedError):
        desk.desk.session(A)
    desk.desk.end_all(5)


def test_ending_it_many_times_at_any_moment_puts_the_phone_back_once(tmp_path: Path) -> None:
    for number in range(30):
        desk = Desk(tmp_path, lambda: time.sleep(0.001))
        session = desk.open(A)
        said(session, HoldAsked((1,), ()))
        answers = [session.ask(RUN) for _ in range(3)]
        time.sleep(0.0002 * number)
        enders = [threading.Thread(target=session.end) for _ in range(3)]
        for each in enders:
            each.start()
        assert session.closed.wait(60)
        assert [each.result(5) for each in answers], "each that was asked is answered"
        assert desk.phone is not None
        assert (desk.phone.is_held, desk.idle) == (False, 1)


def test_failures_arrive_as_what_they_were(tmp_path: Path) -> None:
    def fail() -> None:
        raise taken_error("P1")

    session = Desk(tmp_path, fail).open(A)
    said(session, HoldAsked((1,), ()))
    assert isinstance(refused(said(session, RUN)), PhoneBusyError)
    session.end()
    for error, kind in (
        (UsageError("what", "hint"), UsageError),
        (HarnessError("what", "hint"), HarnessError),
        (ZeroDivisionError("what"), HarnessError),
    ):
        found = raised(failure_of(error))
        assert type(found) is kind
        assert "what" in found.what


def test_what_is_no_answer_or_no_request_is_refused_in_words() -> None:
    for wrong in (b"", b"\xc1", packed({"value": 3}), packed([]), "text", None):
        with pytest.raises(HarnessError, match="can't read"):
            unpacked(wrong, SessionAnswer)
    for request in (RUN, RunnerAsked("mnn"), FactsAsked((1, 2))):
        assert request_in(packed(request)) == request
    with pytest.raises(HarnessError, match="can't read"):
        request_in(packed({"type": "run", "argv": [1], "timeout_s": "x"}))
    for name in ("../x", "a b", "$(x)", "", "x\n"):  # it is a folder's in commands for the phone
        with pytest.raises(HarnessError, match="can't read"):
            request_in(packed(FollowAsked(name, (), LIMITS, 0, begins=True)))
