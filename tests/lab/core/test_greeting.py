"""Who is no scheduler of this lab is told from one within seconds, and in words."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec
import pytest
import trustme

from asymm_deploy.errors import ExitCode, HarnessError, UsageError
from asymm_deploy.lab.joining import greeting, introduction
from asymm_deploy.lab.joining.certificates import Certificates, context_of
from asymm_deploy.lab.joining.dask_settings import settle_dask
from asymm_deploy.lab.joining.greeting import require_lab
from asymm_deploy.lab.joining.lab_address import LabAddress

Run = Callable[..., tuple[int, str, str]]
Listen = Callable[..., LabAddress]


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_dask()
    monkeypatch.setattr(greeting, "_GREETING_S", 0.2)
    monkeypatch.setattr(greeting, "_ANSWER_S", 3.0)


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Listen, say something to everyone who comes, and keep the connection."""
    with ExitStack() as stack:

        def start(says: bytes, context: ssl.SSLContext | None = None) -> LabAddress:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            ended = threading.Event()
            server.settimeout(0.05)

            def serve() -> None:
                with ExitStack() as kept:
                    while not ended.is_set():
                        try:
                            came = server.accept()[0]
                            came.settimeout(3)
                            if context is not None:
                                came = context.wrap_socket(came, server_side=True)
                            kept.enter_context(came).sendall(says)
                        except OSError:
                            continue

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(thread.join)
            stack.callback(ended.set)
            return LabAddress("127.0.0.1", server.getsockname()[1], is_tls=False)

        yield start


@contextmanager
def serving(make: Callable[[], Any]) -> Iterator[LabAddress]:
    """Run a scheduler of Dask's in a thread."""
    started: list[LabAddress] = []
    ready, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        async with make() as scheduler:
            started.append(LabAddress("127.0.0.1", scheduler.port, is_tls=False))
            ready.set()
            while not ended.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield started[0]
    finally:
        ended.set()
        thread.join()


def lab_scheduler(told: list[str]) -> Any:
    from asymm_deploy.lab.joining.lab_security import lab_security
    from asymm_deploy.lab.scheduling.lab_scheduler import LabScheduler

    return LabScheduler(told.append, host="127.0.0.1", security=lab_security(None))


@pytest.mark.parametrize("says", [b"220 mail ready\r\n", b"\x64" + bytes(7) + bytes(100), b"abc"])
def test_who_says_something_else_is_no_scheduler(listen: Listen, says: bytes) -> None:
    at = listen(says)
    with pytest.raises(UsageError, match="no scheduler of a lab") as found:
        require_lab(at, None)
    assert str(at) in found.value.what


def test_who_says_nothing_is_told_from_nobody(listen: Listen) -> None:
    silent = listen(b"")
    with pytest.raises(HarnessError, match="says nothing"):
        require_lab(silent, None)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(HarnessError, match="nothing listens"):
        require_lab(LabAddress("127.0.0.1", port, is_tls=False), None)
    with pytest.raises(UsageError, match=r"no host nowhere\.invalid"):
        require_lab(LabAddress("nowhere.invalid", 1, is_tls=False), None)


def test_tls_against_plain_and_plain_against_tls(listen: Listen, member: Certificates) -> None:
    encrypted = listen(b"\x64", context_of(member, ssl.Purpose.CLIENT_AUTH))
    with pytest.raises(UsageError, match="wants certificates"):
        require_lab(encrypted, None)
    at = listen(b"220 mail ready\r\n")
    with pytest.raises(UsageError, match="does not speak TLS"):
        require_lab(LabAddress(at.host, at.port, is_tls=True), member)


def test_a_scheduler_of_another_authority_is_refused(
    listen: Listen,
    member: Certificates,
    write_certificate: Callable[..., Certificates],
    tmp_path: Any,
) -> None:
    other = trustme.CA()
    files = write_certificate(other, other.issue_cert("member"), tmp_path)
    at = listen(b"\x64", context_of(files, ssl.Purpose.CLIENT_AUTH))
    with pytest.raises(UsageError, match="another authority"):
        require_lab(LabAddress(at.host, at.port, is_tls=True), member)


def test_a_scheduler_of_dask_alone_is_none_of_a_lab(run: Run) -> None:
    from distributed import Scheduler

    with serving(lambda: Scheduler(dashboard=False, dashboard_address=":0")) as at:
        code, out, err = run("lab", "status", at)
    assert (code, out) == (ExitCode.USAGE, "")
    assert "no scheduler of a lab" in err


def test_another_version_is_turned_away_by_either_side(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    told: list[str] = []
    with serving(lambda: lab_scheduler(told)) as at:
        assert run("lab", "status", at)[0] == ExitCode.OK
        ours = introduction.introduction()
        later = msgspec.structs.replace(ours, version="99.0")
        for module in (greeting, introduction):
            monkeypatch.setattr(module, "introduction", lambda: later)
        monkeypatch.setattr("asymm_deploy.lab.joining.lab_security.introduction", lambda: later)
        code, _, err = run("lab", "status", at)
        assert code == ExitCode.USAGE
        assert f"the scheduler at {at} is {ours.text()}, and this is {later.text()}" in err
        with pytest.raises(OSError):  # noqa: PT011 - of Dask's, whose words may change
            Client(str(at), timeout=1)
    strangers = [line for line in told if line.startswith("turned away: 127.0.0.1")]
    assert any("99.0" in line for line in strangers)
    assert any("no member of a lab" in line for line in strangers)
