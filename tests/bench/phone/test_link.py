"""A command's output arrives whole or not at all, over a connection that breaks at any time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.bench.phone import link as link_module
from asymm_deploy.bench.phone import shell_stream
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.parse.sections import Section
from asymm_deploy.bench.phone.server import LostError
from asymm_deploy.bench.phone.shell_stream import ShellOutput
from asymm_deploy.errors import HarnessError
from tests.phone.conftest import eventually
from tests.phone.faults import CutPush, CutShell, DiskFull, Fault, ReadOnlyFolder
from tests.phone.phone import Phone
from tests.phone.profiles import OLD_PHONE, Profile
from tests.phone.server import AdbServer


@pytest.fixture
def old(
    adb_server: AdbServer, new_phone: Callable[[Profile], Phone], new_link: Callable[..., Link]
) -> Link:
    """A link to a phone from before Android 7, which reports no exit codes."""
    phone = new_phone(OLD_PHONE)
    adb_server.connect(phone)
    return new_link(phone)


def test_stdout_stderr_and_code_are_told_apart(link: Link) -> None:
    said = link.run_once("echo out; echo err >&2; exit 3")
    assert said == ShellOutput(b"out\n", b"err\n", 3)


def test_a_phone_that_reports_no_codes_has_them_all_the_same(old: Link) -> None:
    assert old.run_once("echo out; exit 3") == ShellOutput(b"out\n", b"", 3)
    assert old.run_once("printf out") == ShellOutput(b"out", b"", 0)


def test_a_signal_is_a_code_above_128(link: Link, old: Link) -> None:
    assert link.run_once("kill -9 $$").code == 128 + 9
    assert old.run_once("sh -c 'kill -9 $$'").code == 128 + 9


def test_bytes_arrive_as_they_are(link: Link, phone: Phone) -> None:
    content = bytes(range(256)) * 1000
    phone.path("/data/local/tmp/file").write_bytes(content)
    assert link.run_once("cat /data/local/tmp/file").stdout == content


def test_of_a_long_stderr_the_end_is_kept(link: Link) -> None:
    said = link.run_once("seq 1 100000 >&2")
    assert said.stderr.endswith(b"\n99999\n100000\n")
    assert len(said.stderr) <= 2**16


def test_the_reason_is_the_last_line_that_people_can_read() -> None:
    assert ShellOutput(b"out\n", b"first\nlast\x1b[2J\n", 1).why == "last\ufffd[2J"
    assert ShellOutput(b"only\nthis\n", b"", 1).why == "this"
    assert ShellOutput(b"", b" \n", 7).why == "7"


def test_the_last_word_stands_behind_what_a_shell_says_first() -> None:
    assert ShellOutput(b"WARNING: linker: x\nabc-1\n", b"", 0).last_word == "abc-1"
    assert ShellOutput(b"", b"", 0).last_word == ""


def test_sections_come_back_by_name_from_one_command(link: Link, phone: Phone) -> None:
    found = link.run_sections({"one": "echo 1", "two": "echo 2 >&2; false"})
    assert found == {"one": Section("1\n", 0), "two": Section("2\n", 1)}
    assert len(phone.commands) == 1


def test_an_end_that_is_cut_off_is_lost_and_no_result(link: Link, phone: Phone) -> None:
    phone.faults.add(CutShell(containing="sleep", after_s=0.2, away_s=0.1))
    with pytest.raises(LostError):
        link.run_once("echo 75; sleep 5")


def test_without_exit_codes_an_end_that_is_cut_off_is_lost_as_well(
    adb_server: AdbServer, new_phone: Callable[[Profile], Phone], new_link: Callable[..., Link]
) -> None:
    phone = new_phone(OLD_PHONE)
    adb_server.connect(phone)
    phone.faults.add(CutShell(containing="sleep", after_s=0.2, away_s=0.1))
    with pytest.raises(LostError, match="the connection ended before the command did"):
        new_link(phone).run_once("echo 75; sleep 5")


def test_with_retries_a_command_that_was_cut_is_run_again(
    link: Link, phone: Phone, told: list[str]
) -> None:
    phone.faults.add(CutShell(containing="sleep", after_s=0.1, away_s=0.1))
    assert link.run_with_retries("echo 75; sleep 0.3").stdout == b"75\n"
    assert phone.commands[0] == phone.commands[-1] == "echo 75; sleep 0.3"
    assert all(command.startswith("echo ") for command in phone.commands[1:-1])  # is it back?
    assert link.losses == 1
    assert told[0].startswith(f"{link.serial} is gone (")
    assert told[0].endswith("); waiting up to 20 s")
    assert told[1:] == [f"{link.serial} is back"]


def test_a_connection_that_breaks_every_time_is_an_error(
    link: Link, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "_ATTEMPTS", 2)
    phone.faults.add(CutShell(times=None, containing="sleep", after_s=0.1, away_s=0.1))
    with pytest.raises(HarnessError, match="keeps losing the connection") as caught:
        link.run_with_retries("sleep 5")
    assert not isinstance(caught.value, LostError)
    assert phone.commands.count("sleep 5") == 2


def test_patience_is_over_in_time(
    phone: Phone, link: Link, told: list[str], lose_patience: Callable[[Fault, float], None]
) -> None:
    lose_patience(phone.faults.add(CutShell(containing="sleep", after_s=0.1, away_s=60)), 0.5)
    with pytest.raises(HarnessError, match=r"did not come back within 0\.5 s \(adb says: "):
        link.run_with_retries("sleep 5")
    assert len(told) == 1
    assert told[0].endswith("; waiting up to 0.5 s")
    assert link.losses == 0


def test_a_command_that_prints_without_bound_is_ended(link: Link, old: Link) -> None:
    for one in (link, old):
        with pytest.raises(HarnessError, match="printed more than 1000 bytes"):
            one.run_once("seq 1 100000", most_bytes=1000)
        assert len(one.run_once("printf %900s", most_bytes=1000).stdout) == 900


def test_a_command_that_never_ends_is_given_up(
    link: Link, old: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell_stream, "_LONGEST_S", 0.3)
    monkeypatch.setattr(shell_stream, "_SLOWEST_BYTES_PER_S", 1e9)
    for one in (link, old):
        with pytest.raises(HarnessError, match="a command on the phone never ends"):
            one.run_once("while echo x; do sleep 0.05; done")


def test_a_command_that_says_nothing_is_lost_when_its_time_is_up(link: Link) -> None:
    started = time.monotonic()
    with pytest.raises(LostError):
        link.run_once("sleep 30", timeout_s=0.5)
    assert time.monotonic() - started < 20


def test_a_streamed_command_ends_with_its_connection(link: Link, phone: Phone) -> None:
    with link.streaming("echo; while :; do sleep 0.05; done") as connection:
        assert connection.conn.recv(1)
        assert phone.processes()
    assert eventually(lambda: not phone.processes())


def test_a_file_is_pushed_as_it_is(link: Link, phone: Phone, tmp_path: Path) -> None:
    source = tmp_path / "net.mnn"
    source.write_bytes(bytes(range(256)) * 1000)
    link.push(source, "/data/local/tmp/net")
    assert phone.path("/data/local/tmp/net").read_bytes() == source.read_bytes()


def test_a_push_that_was_cut_is_done_again(link: Link, phone: Phone, tmp_path: Path) -> None:
    source = tmp_path / "net.mnn"
    source.write_bytes(b"x" * 100_000)
    fault = phone.faults.add(CutPush(after_bytes=100))
    link.push(source, "/data/local/tmp/net")
    assert fault.happened == 1
    assert phone.path("/data/local/tmp/net").read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("fault", "said", "hint"),
    [
        (DiskFull(), "No space left on device", "make room on the phone's /data"),
        (ReadOnlyFolder(), "Read-only file system", "the shell user may write to /data/local/tmp"),
    ],
)
def test_a_push_that_is_refused_is_not_tried_again(
    link: Link, phone: Phone, tmp_path: Path, fault: DiskFull | ReadOnlyFolder, said: str, hint: str
) -> None:
    source = tmp_path / "net.mnn"
    source.write_bytes(b"x" * 100)
    phone.faults.add(fault)
    with pytest.raises(HarnessError, match=r"does not accept net\.mnn") as caught:
        link.push(source, "/data/local/tmp/net")
    assert said in caught.value.what
    assert hint in caught.value.hint
    assert phone.services.count("sync:") == 1


def test_a_phone_that_is_not_attached_has_no_state(
    link: Link, new_phone: Callable[[Profile], Phone], new_link: Callable[..., Link]
) -> None:
    assert link.state() == "device"
    assert new_link(new_phone(OLD_PHONE)).state() is None


def test_a_phone_on_tcp_is_reconnected_to_where_that_is_wanted(
    link: Link, adb_server: AdbServer
) -> None:
    adb_server.adb("disconnect", link.serial)
    assert link.state() is None
    assert link.state(reconnect=True) == "device"
