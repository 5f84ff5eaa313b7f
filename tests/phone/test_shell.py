"""The real adb runs commands on the phone: codes, streams, quoting, and what a lost cable does."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.phone.conftest import Attached, eventually
from tests.phone.server import adb_path

TMP = "/data/local/tmp"


@pytest.mark.parametrize("code", [0, 1, 126, 255])
def test_the_exit_code_comes_back(pixel: Attached, code: int) -> None:
    assert pixel.shell(f"exit {code}").returncode == code


def test_stdout_and_stderr_are_told_apart(pixel: Attached) -> None:
    done = pixel.shell("echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 3)


def test_a_signal_is_128_and_its_number(pixel: Attached) -> None:
    assert pixel.shell("kill -9 $$").returncode == 137


def test_a_command_that_is_not_there_is_127(pixel: Attached) -> None:
    done = pixel.shell("python3 --version")
    assert done.returncode == 127
    assert b"not found" in done.stderr


@pytest.mark.parametrize(
    "word", ["a b", "it's", '"', "$(touch /data/local/tmp/owned)", ";", "a\nb", "\\", "ü", "*"]
)
def test_what_is_quoted_arrives_as_it_is(pixel: Attached, word: str) -> None:
    assert pixel.shell(f"printf %s {shlex.quote(word)}").stdout.decode() == word
    assert not pixel.phone.path(f"{TMP}/owned").exists()


def test_arguments_are_joined_with_spaces_unquoted(pixel: Attached) -> None:
    assert pixel.adb("shell", "printf", "'%s|'", "a b", "c").stdout == b"a|b|c|"


def test_stdin_reaches_the_command(pixel: Attached) -> None:
    given = bytes(range(256)) * 4000
    done = pixel.adb("shell", "cat", given=given)
    assert done.stdout == given


def test_large_output_comes_whole(pixel: Attached) -> None:
    done = pixel.shell("seq 300000")
    assert done.stdout == b"".join(b"%d\n" % number for number in range(1, 300_001))


def test_the_largest_command_that_adb_sends_runs(pixel: Attached) -> None:
    length = 65535 - len("shell,v2,TERM=xterm-256color,raw:") - len("echo ") - 20
    assert len(pixel.text("echo " + "x" * length)) == length + 1


def test_a_child_in_the_background_keeps_the_command_open_as_on_android(pixel: Attached) -> None:
    done = pixel.shell("{ sleep 0.2; echo late; } & echo early")
    assert done.stdout == b"early\nlate\n"


def test_exec_out_is_raw_and_has_no_exit_code(pixel: Attached) -> None:
    done = pixel.adb("exec-out", r"printf '\n\r\377'; echo err >&2; exit 5")
    assert (done.stdout, done.stderr, done.returncode) == (b"\n\r\xfferr\n", b"", 0)


def test_the_first_protocol_of_adbutils_merges_the_streams(pixel: Attached) -> None:
    import adbutils

    device = adbutils.AdbClient("127.0.0.1", pixel.server.port).device(pixel.phone.serial)
    assert device.shell("echo out; echo err >&2") == "out\nerr"
    told_apart = device.shell2("echo out; echo err >&2; exit 7", v2=True)
    assert (told_apart.stdout, told_apart.stderr) == ("out\n", "err\n")
    assert told_apart.returncode == 7


def test_the_phones_paths_are_a_folder_here_and_no_output_shows_it(pixel: Attached) -> None:
    assert pixel.text(f"pwd; cd {TMP}; pwd; touch a; echo {TMP}/*") == (f"/\n{TMP}\n{TMP}/a\n")
    assert pixel.phone.path(f"{TMP}/a").exists()
    pixel.text(f"rm {TMP}/a")


def test_what_is_started_detached_goes_on_without_us(attached: Attached) -> None:
    attached.text(
        f"setsid nohup sh -c 'echo $$ >{TMP}/pid; sleep 0.3; echo 5 >{TMP}/code' "
        ">/dev/null 2>&1 </dev/null &"
    )
    attached.phone.cut()
    code = attached.phone.path(f"{TMP}/code")
    assert eventually(lambda: code.exists() and code.read_text() == "5\n")
    assert eventually(lambda: not attached.phone.processes())


@pytest.mark.parametrize("how", ["cable", "client"])
def test_a_command_is_hung_up_when_its_transport_goes(attached: Attached, how: str) -> None:
    trapped = attached.phone.path(f"{TMP}/hup")
    command = f"trap 'touch {TMP}/hup; exit' HUP; echo on; while :; do :; done"
    with subprocess.Popen(
        [adb_path(), "-s", attached.phone.serial, "shell", command],
        env=attached.server.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"on\n"
        if how == "cable":
            attached.phone.cut()
            # A stream without an exit packet: this code, and not a word.
            assert client.wait(20) == 255
            assert client.stderr is not None
            assert client.stderr.read() == b""
        else:
            client.kill()
    assert eventually(trapped.exists)
    assert eventually(lambda: not attached.phone.processes())


def test_a_shell_without_a_command_reads_its_lines(pixel: Attached) -> None:
    done = pixel.adb("shell", "-T", given=b"echo one; exit 4\n")
    assert (done.stdout, done.returncode) == (b"one\n", 4)


def test_an_old_phone_has_a_terminal_and_no_exit_codes(old: Attached) -> None:
    done = old.shell("echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\r\nerr\r\n", b"", 0)


def test_an_old_phones_exec_leaves_line_ends_alone(old: Attached) -> None:
    assert old.adb("exec-out", "echo a; echo b").stdout == b"a\nb\n"


def test_an_old_phones_large_output_comes_whole(old: Attached) -> None:
    done = old.shell("seq 30000")
    assert done.stdout == b"".join(b"%d\r\n" % number for number in range(1, 30_001))


def test_commands_are_remembered_as_they_were_sent(pixel: Attached, tmp_path: Path) -> None:
    pixel.text(f"ls -d {TMP}")
    assert pixel.phone.commands[-1] == f"ls -d {TMP}"
