"""One bench a phone: a lock belongs to a process that lives, and a dead one's is free."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from asymm_deploy.bench.phone import lock as lock_module
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.lock import FOLDER, Lock, _Owner
from asymm_deploy.errors import HarnessError
from tests.phone.conftest import eventually
from tests.phone.faults import ReadOnlyFolder
from tests.phone.phone import Phone

ELSEWHERE = '{"token":"0123456789abcdef","host":"elsewhere","pid":4711,"started":"1"}'


@pytest.fixture
def lock(link: Link, told: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lock]:
    monkeypatch.setattr(lock_module, "_TOUCH_S", 0.3)
    monkeypatch.setattr(lock_module, "_LOOK_S", 0.2)
    lock = Lock(link, told.append)
    yield lock
    lock.stop_touching()


def leave_lock(phone: Phone, owner: str, age_s: float) -> None:
    """Leave a lock on the phone that was last touched so long ago."""
    folder = phone.path(FOLDER)
    folder.mkdir()
    (folder / "owner").write_text(owner)
    then = time.time() - age_s
    os.utime(folder / "owner", (then, then))


def owner_of(phone: Phone) -> dict[str, object]:
    text = (phone.path(FOLDER) / "owner").read_bytes()
    return msgspec.json.decode(text, type=dict[str, object])


def test_a_free_lock_is_taken_kept_and_given_back(lock: Lock, link: Link, phone: Phone) -> None:
    assert lock.acquire() is None
    assert owner_of(phone)["pid"] == os.getpid()
    assert lock.is_ours()
    assert lock.is_touched()
    assert link.run_once(lock.check_command).code == 0
    lock.release()
    lock.stop_touching()
    assert not phone.path(FOLDER).exists()
    assert not lock.is_ours()
    assert link.run_once(lock.check_command).code != 0


def test_the_lock_is_touched_as_long_as_its_owner_wants(lock: Lock, phone: Phone) -> None:
    assert not lock.is_touched()
    lock.acquire()
    owner = phone.path(FOLDER) / "owner"
    os.utime(owner, (1, 1))
    assert eventually(lambda: owner.stat().st_mtime > 1)
    lock.stop_touching()
    assert not lock.is_touched()
    assert eventually(lambda: not phone.processes())


def test_a_lock_whose_connection_breaks_is_touched_no_more(lock: Lock, phone: Phone) -> None:
    lock.acquire()
    assert lock.is_touched()
    phone.cut(away_s=0.1)
    assert eventually(lambda: not lock.is_touched())


def test_what_touches_it_keeps_off_the_timed_core(lock: Lock, phone: Phone) -> None:
    lock.off_core_prefix = "taskset -p 7f $$ >/dev/null 2>&1; "
    lock.acquire()
    start = "taskset -p 7f $$ >/dev/null 2>&1; while touch"
    assert eventually(lambda: any(command.startswith(start) for command in phone.commands))


def test_a_living_owner_is_named_and_left_alone(
    lock: Lock, phone: Phone, new_link: Callable[..., Link], told: list[str]
) -> None:
    lock.acquire()
    before = owner_of(phone)
    other = Lock(new_link(phone), told.append)
    assert str(other.acquire()).startswith(f"process {os.getpid()} on ")
    assert owner_of(phone) == before
    assert told == []  # a process of this machine that lives need not be watched
    assert not other.is_touched()
    other.release()  # not its own
    assert owner_of(phone) == before
    lock.release()


def test_a_living_owner_elsewhere_is_watched_and_then_left_alone_whatever_the_phones_clock_says(
    lock: Lock,
    phone: Phone,
    new_link: Callable[..., Link],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock.acquire()
    before = owner_of(phone)
    monkeypatch.setattr(lock_module, "_host", lambda: "elsewhere")
    owner = phone.path(FOLDER) / "owner"
    os.utime(owner, (1, 1))  # as if the phone's clock had jumped since it was touched
    other = Lock(new_link(phone), told.append)
    assert str(other.acquire()).startswith(f"process {os.getpid()} on ")
    assert owner_of(phone) == before
    (line,) = told
    assert line.startswith(f"{phone.serial} is locked by process {os.getpid()} on ")
    assert line.endswith("; checking whether it is still running")


def test_a_living_owner_on_this_machine_is_not_robbed_though_nothing_touches_its_lock(
    lock: Lock, phone: Phone, new_link: Callable[..., Link], told: list[str]
) -> None:
    lock.acquire()
    lock._end_touching()
    os.utime(phone.path(FOLDER) / "owner", (1, 1))
    assert str(Lock(new_link(phone), told.append).acquire()).startswith(f"process {os.getpid()}")
    assert lock.is_ours()


def owned_by(pid: int) -> _Owner:
    return _Owner("0" * 16, lock_module._host(), pid, lock_module._started(pid))


def test_an_owner_of_this_machine_that_is_hidden_from_us_is_not_taken_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner, gone = owned_by(os.getppid()), _Owner("0" * 16, lock_module._host(), 2**22 + 1, "1")
    monkeypatch.setattr(lock_module, "_started", lambda pid: "")  # as /proc with hidepid=2 does
    assert not Lock._is_gone(owner)
    assert not Lock._is_alive(owner)  # so it is watched
    assert Lock._is_gone(gone)


def test_an_owner_that_has_ended_and_nobody_has_waited_for_does_not_live() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        owner = owned_by(process.pid)
        assert Lock._is_alive(owner)
        process.kill()
        assert eventually(lambda: not Lock._is_alive(owner))


def test_what_an_earlier_bench_of_this_process_could_not_give_back_is_nobodys(
    lock: Lock, phone: Phone, new_link: Callable[..., Link], told: list[str]
) -> None:
    lock.acquire()
    lock.stop_touching()
    assert Lock(new_link(phone), told.append).acquire() is None


def test_the_lock_of_an_ended_process_of_this_machine_is_free_at_once(
    lock: Lock, phone: Phone, told: list[str]
) -> None:
    lock.acquire()
    owner = owner_of(phone)
    lock.stop_touching()
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    text = msgspec.json.encode({**owner, "token": "ab" * 8, "pid": ended.pid})
    (phone.path(FOLDER) / "owner").write_bytes(text)
    assert lock.acquire() is None
    assert lock.is_ours()
    assert told == []


def test_a_process_of_the_same_number_is_not_the_one_that_took_the_lock(
    lock: Lock, phone: Phone
) -> None:
    lock.acquire()
    owner = owner_of(phone)
    lock.stop_touching()
    text = msgspec.json.encode({**owner, "token": "ab" * 8, "started": "1"})
    (phone.path(FOLDER) / "owner").write_bytes(text)
    assert lock.acquire() is None


@pytest.mark.parametrize(
    ("owner", "name", "age_s"),
    [
        (ELSEWHERE, "process 4711 on elsewhere", 0),
        (ELSEWHERE, "process 4711 on elsewhere", 100_000),
        (ELSEWHERE, "process 4711 on elsewhere", -100_000),
        ("", "process 0 on an unknown machine", 0),
        ("{not json}", "process 0 on an unknown machine", 100),
    ],
)
def test_a_lock_is_watched_before_it_is_taken_however_long_ago_it_was_touched(
    lock: Lock,
    phone: Phone,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    name: str,
    age_s: float,
) -> None:
    monkeypatch.setattr(lock_module, "LEASE_S", 0.8)
    leave_lock(phone, owner, age_s)
    started = time.monotonic()
    assert lock.acquire() is None
    assert time.monotonic() - started >= 0.8
    assert told == [f"{phone.serial} is locked by {name}; checking whether it is still running"]


def test_an_owner_puts_nothing_into_commands(
    lock: Lock, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "LEASE_S", 0.5)
    leave_lock(phone, ELSEWHERE.replace("0123456789abcdef", "$(touch /sdcard/pwned)"), 1000)
    assert lock.acquire() is None
    assert not phone.path("/sdcard/pwned").exists()


def test_a_phone_that_takes_no_lock_says_why(lock: Lock, phone: Phone) -> None:
    phone.faults.add(ReadOnlyFolder())
    with pytest.raises(HarnessError, match=r"can't be written to: .*Read-only file system"):
        lock.acquire()


def test_a_lock_that_was_taken_over_is_neither_ours_nor_given_back(
    lock: Lock, link: Link, phone: Phone
) -> None:
    lock.acquire()
    (phone.path(FOLDER) / "owner").write_text(ELSEWHERE)
    assert not lock.is_ours()
    assert link.run_once(lock.check_command).code != 0
    lock.release()
    assert (phone.path(FOLDER) / "owner").read_text() == ELSEWHERE


def test_a_token_that_would_end_a_line_of_shell_is_no_token() -> None:
    signed = {"token": "ab\n", "host": "elsewhere", "pid": 1, "started": "1"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(signed, _Owner)
