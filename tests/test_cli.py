"""Every failure ends in words and with the documented code, whatever the streams are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.models import catalog


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exprt"], "export"),
        (["models", "--fromat", "csv"], "--format"),
        (["models", "--format", "xml"], "'--format': 'xml' is not one of"),
        (["describe"], "missing argument"),
        (["describe", "asymmnet_large_1OO"], "three or more digits"),
        (["bench", "asymmnet_small_035", "--cpu", "first"], "not the number of a core"),
        (["report", "nowhere"], "nowhere"),
        (["report", "nowhere", "--table", "11"], "there is no table 11"),
        (["report", "nowhere", "--figure", "2"], "no networks for Figure 2"),
    ],
)
def test_a_mistake_exits_2_and_says_what_to_try(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert "hint: " in printed.err
    assert said in printed.err


def test_version_and_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("asymm-deploy ")
    cli.run([])
    assert "Usage:" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("nobody saw it"), EOFError("nobody saw it"), GeneratorExit("nobody saw it")],
)
def test_our_own_mistakes_show_a_traceback_and_exit_3(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(catalog, "catalog", fail)
    assert cli.run(["models"]) == 3
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert f"{type(error).__name__}: nobody saw it" in said
    assert "please report it" in said


def started(command: str) -> subprocess.CompletedProcess[str]:
    shell = f"{sys.executable} -m asymm_deploy {command}"
    argv = ["bash", "-c", f'{shell}; echo "${{PIPESTATUS[0]}}"']
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize(
    "command", [["models", "mbv3_small_035_face", "--format", "csv"], ["--help"], ["--version"]]
)
@pytest.mark.parametrize("with_stderr", [False, True])
def test_who_stops_reading_is_told_nothing(command: list[str], with_stderr: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # the reader is gone before anything is written
    done = subprocess.run(
        [sys.executable, "-m", "asymm_deploy", *command],
        stdout=writing,
        stderr=writing if with_stderr else subprocess.PIPE,
        check=False,
        timeout=120,
    )
    os.close(writing)
    assert done.returncode == 141
    assert not done.stderr


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_a_full_disk_behind_stdout_exits_3_and_is_said(command: str) -> None:
    done = started(f"{command} > /dev/full")
    assert done.stdout == "3\n"
    assert done.stderr.startswith("error: no space is left")
    assert "Traceback" not in done.stderr
    assert started(f"{command} > /dev/full 2>&1").stdout == "3\n"


@pytest.mark.parametrize("to", ["> /dev/full 2>&1", "2>/dev/full", "2>&-"])
def test_what_cant_be_said_changes_no_exit_code(to: str) -> None:
    assert started(f"describe nothing {to}").stdout == "2\n"


def test_without_a_stdout_the_command_does_its_work() -> None:
    done = started("models mbv3_small_035_face >&-")
    assert (done.stdout, done.stderr) == ("0\n", "")


IMPORTING = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, *_rest):
        if name == {module!r}:
            try:
                os.kill(os.getpid(), {number})
            except BaseException:  # as some code that is imported does
                pass

sys.meta_path.insert(0, CtrlC())
from asymm_deploy.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("asymm_deploy.cli", signal.SIGINT),
        ("asymm_deploy.signals", signal.SIGTERM),
        ("typer", signal.SIGINT),
        ("typer", signal.SIGHUP),
    ],
)
def test_a_signal_while_the_program_is_imported_ends_it_in_words(
    module: str, number: signal.Signals
) -> None:
    code = IMPORTING.format(module=module, number=int(number))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "interrupted; everything that was finished is kept\n"


def test_nothing_slow_is_imported_before_signals_are_heard() -> None:
    code = (
        "import sys; before = set(sys.modules); import asymm_deploy.__main__\n"
        "print({'typing', 'contextlib', 're'} & set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout == "set()\n", done.stderr


AT_THE_END = """
import atexit, ctypes, os, signal
from asymm_deploy import cli
from asymm_deploy.__main__ import main

def begin(work=cli.main):
    {what}
    work()

cli.main = begin
main()
"""


@pytest.mark.parametrize(
    "what",
    [
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)",
        "atexit.register(os.kill, os.getpid(), signal.SIGTERM)",
        # Of C, behind Python's own end: it is called with the exit code, 2, which is SIGINT.
        "libc = ctypes.CDLL(None); libc.on_exit(getattr(libc, 'raise'), None)",
    ],
)
def test_a_signal_after_the_work_is_done_changes_nothing(what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END.format(what=what), "exprt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no such command")
    assert "Traceback" not in done.stderr
