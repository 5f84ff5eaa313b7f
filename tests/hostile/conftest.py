"""Runs a bad input through the command, and requires of each what every failure owes the user."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest

from asymm_deploy import cli

_LONGEST_S = 60
"""A row that takes longer hangs: the slowest one takes a few seconds."""
_MOST_BYTES = 2**30
"""How much a row may add to the memory of this process."""


@dataclass(frozen=True)
class Told:
    """What the command returned and printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load what commands load, once: a row is then over within milliseconds."""
    folder = tmp_path_factory.mktemp("warm")
    with contextlib.chdir(folder), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for arguments in (["describe", "asymmnet_small_035"], ["report", "nowhere"], ["models"]):
            cli.run(arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, where modules are found and lost again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(folder: Path, _warm: None) -> Iterator[Callable[..., Told]]:
    """Run a command that must end with ``code`` and name all of ``names``, case aside."""
    before = set(sys.modules)

    def run(arguments: Sequence[str], code: int, *names: str, in_its_row: bool = False) -> Told:
        out, err = io.StringIO(), io.StringIO()
        memory = _peak_bytes()
        with _in_time(), redirect_stdout(out), redirect_stderr(err):
            returned = cli.run(list(arguments))
        told = Told(returned, out.getvalue(), err.getvalue())
        shown = f"exit code {returned}\n{told.err}"
        assert returned == code, shown
        assert _peak_bytes() - memory < _MOST_BYTES, "memory"
        assert "Traceback" not in told.err, shown
        assert "bug in asymm-deploy" not in told.err, shown
        assert "please report" not in told.err, shown
        if in_its_row:  # of latency.csv, and printed with the model's name
            assert re.search(r": failed[ :]", told.err), shown
        elif code:
            assert re.search(r"^error: \S", told.err, re.MULTILINE), shown
            assert re.search(r"^hint: \S", told.err, re.MULTILINE), shown
            for line in told.err.splitlines():
                assert len(line) < 2000, shown
        for name in names:
            assert name.lower() in told.err.lower(), shown
        return told

    yield run
    for name in set(sys.modules) - before:
        if name.startswith("hostile_"):
            del sys.modules[name]
    shutil.rmtree(folder / "artifacts", ignore_errors=True)


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it hung for {_LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(_LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return 1024 * int(found[1]) if found else 0


def pytest_report_header() -> str:
    """Say that rows run as root, who may read and write everything."""
    return "hostile inputs: run as root" if os.geteuid() == 0 else "hostile inputs: not as root"
