"""What a host's agent makes of its scheduler's answers, which are given here."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.phone.parse.adb_output import ListedPhone
from asymm_deploy.bench.phone.server import Address, Server
from asymm_deploy.errors import ExitCode, HarnessError, UsageError
from asymm_deploy.lab.hosting import attended_phone, host_agent
from asymm_deploy.lab.hosting.attended_phone import AttendedPhone, Hosting
from asymm_deploy.lab.hosting.host_agent import HostAgent
from asymm_deploy.lab.hosting.lending import Lending, host_name, lend_phones, port_range
from asymm_deploy.lab.joining.dask_settings import settle_dask
from asymm_deploy.lab.joining.introduction import LAB_KEY, introduction
from asymm_deploy.lab.joining.lab_address import LabAddress

Answers = Callable[[int], dict[str, Any]]


class Scheduler:
    """Answers reports, and counts them."""

    def __init__(self, answers: Answers, hello: object = None) -> None:
        self.reports: list[dict[str, Any]] = []
        self._answers = answers
        self._hello = hello
        self.left: list[str] = []

    async def lab_host(self, report: dict[str, Any]) -> dict[str, Any]:
        self.reports.append(report)
        return self._answers(len(self.reports))

    async def lab_hello(self) -> object:
        return self._hello

    async def lab_host_leaves(self, name: str, agent: str) -> None:
        del agent
        self.left.append(name)

    async def __aenter__(self) -> Scheduler:
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass


def answer(**changes: Any) -> dict[str, Any]:
    usual = {"every_s": 0.0, "unknown": [], "is_stopping": False, "is_taken": False}
    return {"time": time.time(), **usual, **changes}


@pytest.fixture
def told() -> list[str]:
    """What the agent said."""
    return []


@pytest.fixture
def serve(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ExitCode]:
    """Run an agent against a scheduler; ``listed`` is what adb says of phones."""
    settle_dask()
    monkeypatch.setattr(host_agent, "_LOOK_S", 0.01)

    def run(
        scheduler: Scheduler,
        listed: Callable[[], tuple[ListedPhone, ...]] = lambda: (),
        only: frozenset[str] = frozenset(),
    ) -> ExitCode:
        from asymm_deploy.lab.joining.lab_security import lab_security

        monkeypatch.setattr("distributed.core.rpc", lambda *_, **__: scheduler)
        monkeypatch.setattr(Server, "listed", lambda _server: listed())

        async def served() -> ExitCode:
            at = LabAddress("127.0.0.1", 1, is_tls=False)
            hosting = Hosting(
                at, lab_security(None), "h", tmp_path / "runner", tmp_path, told.append
            )
            agent = HostAgent(hosting, {}, only)
            return await asyncio.wait_for(agent.serve(asyncio.Event()), 20)

        return asyncio.run(served())

    return run


def until(last: int, **changes: Any) -> Answers:
    """Answer so until a report at which the lab is stopped."""
    return lambda number: answer(is_stopping=number >= last, **changes)


def test_a_clock_that_is_wrong_is_told_once_and_nothing_else_changes(
    serve: Callable[..., ExitCode], told: list[str]
) -> None:
    scheduler = Scheduler(until(4, time=time.time() + 3600))
    assert serve(scheduler) == ExitCode.OK
    (about,) = [line for line in told if "clock" in line]
    assert "3,600 s behind the scheduler's" in about
    assert scheduler.reports[-1]["clock_ahead_s"] == pytest.approx(-3600, abs=5)
    assert scheduler.left == ["h"]


def test_another_agent_of_this_name_is_waited_for_and_then_refused(
    serve: Callable[..., ExitCode], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_at_first(number: int) -> dict[str, Any]:
        return answer(is_taken=number < 3, is_stopping=number == 5)

    assert serve(Scheduler(taken_at_first)) == ExitCode.OK
    assert told.count("a host called h is in the lab already; it has 12 s to leave") == 1
    monkeypatch.setattr(host_agent, "_TAKEN_S", 0.05)
    with pytest.raises(UsageError, match="a host called h is in the lab already"):
        serve(Scheduler(until(10_000, is_taken=True)))


def test_a_scheduler_that_comes_back_in_another_version_is_refused(
    serve: Callable[..., ExitCode], told: list[str]
) -> None:
    def away_at_second(number: int) -> dict[str, Any]:
        if number == 2:
            raise OSError
        return answer(is_stopping=number == 4)

    ours = introduction()
    same = {LAB_KEY: msgspec.to_builtins(ours)}
    assert serve(Scheduler(away_at_second, same)) == ExitCode.OK
    assert [line for line in told if "scheduler" in line][1:] == ["the scheduler is back"]
    other = {LAB_KEY: same[LAB_KEY] | {"lab_protocol": 99}}
    with pytest.raises(UsageError, match="lab protocol 99"):
        serve(Scheduler(away_at_second, other))
    with pytest.raises(UsageError, match="no scheduler of a lab"):
        serve(Scheduler(away_at_second, {"something": "else"}))


@pytest.mark.parametrize("said", [None, {}, "words", {"time": "noon"}])
def test_an_answer_that_is_none_is_a_scheduler_that_is_away(
    said: Any, serve: Callable[..., ExitCode], told: list[str]
) -> None:
    same = {LAB_KEY: msgspec.to_builtins(introduction())}
    answers = Scheduler(lambda number: said if number == 1 else answer(is_stopping=True), same)
    assert serve(answers) == ExitCode.OK
    assert "does not answer" in told[0]


def test_an_adb_that_hangs_keeps_no_report_back_and_one_that_fails_is_told_once(
    serve: Callable[..., ExitCode], told: list[str]
) -> None:
    looks: list[float] = []

    def listed() -> tuple[()]:
        looks.append(time.monotonic())
        time.sleep(0.3)
        raise HarnessError("adb is broken", "mend it")

    scheduler = Scheduler(lambda number: answer(is_stopping=len(looks) == 3), None)
    assert serve(scheduler, listed) == ExitCode.OK
    assert len(scheduler.reports) > 2 * len(looks)
    assert [line for line in told if "adb" in line] == ["adb is broken; mend it"]
    assert scheduler.reports[-1]["trouble"] == "adb is broken; mend it"


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a\x1bb", "a=b", "*", "x" * 65])
def test_a_name_that_could_not_be_asked_for_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can't be called"):
        host_name(name)
    assert host_name("desk-3.example") == "desk-3.example"
    assert host_name(None)


@pytest.mark.parametrize("text", ["", "9000", "9000-9000", "9001-9000", "0-9", "1-70000", "٣-٤"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no ports"):
        port_range(text)
    assert port_range(" 9000-9001 ") == range(9000, 9002)


def test_ports_that_are_taken_are_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(_facts: object) -> None:
        raise RuntimeError("Nanny failed to start.")

    settle_dask()
    from asymm_deploy.lab.joining.lab_security import lab_security

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        at = LabAddress("127.0.0.1", 1, is_tls=False)
        said: list[str] = []
        hosting = Hosting(
            at, lab_security(None), "desk", tmp_path, tmp_path, said.append, range(port, port + 2)
        )
        phone = AttendedPhone(hosting, Server(Address("127.0.0.1", 1)), "9A")
        monkeypatch.setattr(phone, "_facts", lambda _listed: None)
        monkeypatch.setattr(phone, "_nanny_for", failing)

        async def attended() -> None:
            phone.attend(ListedPhone("9A", "device", None, None, None, None))
            await asyncio.sleep(0)
            while phone.problem is None:
                await asyncio.sleep(0.01)

        asyncio.run(attended())
    assert said == [
        f"no worker could be started for 9A: ports {port} to {port + 1} are taken; give --ports "
        "more of them, two for each phone"
    ]


def test_ports_are_kept_in_pairs_and_who_gets_none_is_told_for_how_many_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_dask()
    from asymm_deploy.lab.joining.lab_security import lab_security

    at, said = LabAddress("127.0.0.1", 1, is_tls=False), list[str]()
    ports = range(9000, 9005)
    hosting = Hosting(at, lab_security(None), "desk", tmp_path, tmp_path, said.append, ports)
    phones = [AttendedPhone(hosting, Server(Address("127.0.0.1", 1)), name) for name in "ABC"]

    async def attended() -> None:
        end = asyncio.Event()

        async def starting(_facts: object) -> None:
            await end.wait()
            raise RuntimeError("Nanny failed to start.") from ValueError("it is broken.")

        for phone in phones:
            monkeypatch.setattr(phone, "_facts", lambda _listed: None)
            monkeypatch.setattr(phone, "_nanny_for", starting)
            phone.attend(ListedPhone(phone.serial, "device", None, None, None, None))
        while not said:
            await asyncio.sleep(0.01)
        end.set()
        while len(said) < 3:
            await asyncio.sleep(0.01)

    monkeypatch.setattr(attended_phone, "_free", lambda *_: 5)
    asyncio.run(attended())
    refused = "ports 9000 to 9004 are enough for 2 phones; give --ports more of them, two for each"
    assert [refused in line for line in said] == [True, False, False]
    assert said[1].endswith("it is broken; it is tried again")
    assert hosting.with_ports == set(), "whoever failed leaves them to others"


def test_an_empty_serial_number_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    nowhere = LabAddress("127.0.0.1", 1, is_tls=False)
    with pytest.raises(UsageError, match="--serial is empty"):
        lend_phones(Lending(nowhere, None, tmp_path, "desk", ("9A", " ")), print)


def test_of_named_phones_those_that_are_not_there_are_told_and_no_others_are_lent(
    serve: Callable[..., ExitCode], told: list[str]
) -> None:
    other = ListedPhone("OTHER", "unauthorized", None, None, None, None)
    mine = ListedPhone("MINE", "offline", None, None, None, None)
    scheduler = Scheduler(until(8))
    only = frozenset({"MINE", "ABSENT"})
    assert serve(scheduler, lambda: (other, mine), only) == ExitCode.OK
    assert [line.split(";")[0] for line in told][1:3] == [
        "MINE does not answer",
        "ABSENT is not attached",
    ]
    unready = {phone["serial"] for phone in scheduler.reports[-1]["unready"]}
    assert unready == {"MINE", "ABSENT"}


@pytest.mark.parametrize(("later", "said"), [("unauthorized", "is no longer lent"), ("", "gone")])
def test_a_phone_that_is_listed_is_not_said_to_have_gone(
    serve: Callable[..., ExitCode],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    later: str,
    said: str,
) -> None:
    monkeypatch.setattr(AttendedPhone, "attend", lambda _phone, _listed: None)
    looks: list[str] = []

    def listed() -> tuple[ListedPhone, ...]:
        state = later if looks else "device"
        looks.append(state)
        return (ListedPhone("9A", state, None, None, None, None),) if state else ()

    ends = ("has gone", "no longer lent")
    scheduler = Scheduler(lambda _number: answer(is_stopping="".join(told).endswith(ends)))
    assert serve(scheduler, listed) == ExitCode.OK
    about = [line for line in told if line.startswith("9A")]
    assert about[-1].endswith(said)
    assert len(about) == (2 if later else 1)
