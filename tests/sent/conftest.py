"""Programs that are watched: what they connect to, and which files they open to write.

strace sees it all, native code included. Where it is not there, or may not trace, an audit hook
sees what Python does in processes that take PYTHONPATH. The folders that a user's program keeps
things in are empty before and looked at afterwards. Hook and folders are used in any case.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SHARED_MEMORY = Path("/dev/shm")
_CALLS = "socket,connect,sendto,sendmsg,sendmmsg,bind," + ",".join(
    f"?{name}"  # a machine may lack it
    for name in (
        *("open", "openat", "openat2", "creat", "mkdir", "mkdirat", "mknod", "mknodat"),
        *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    )
)
_HOW = ("-f", "-qq", "-y", "--seccomp-bpf")  # the last makes it stop processes at these calls alone
_GUARD = """\
import os, sys

_ASKED = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request")
_TOLD = ("socket.connect", "socket.sendto", "socket.sendmsg")

def _tell(event, arguments):
    if event in _ASKED:
        _write(event, arguments)
    elif event in _TOLD and arguments[0].family.name != "AF_UNIX":
        _write(event, arguments[-1])

def _write(event, what, log=os.environ["WATCH_LOG"]):
    number = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(number, f"{event} {what!r}\\n".encode())
    os.close(number)

sys.addaudithook(_tell)
"""


@dataclass(frozen=True)
class Watch:
    """A home, a folder for temporary files, and a folder to work in; all of them empty at first."""

    root: Path
    strace: str | None
    """The program; None if there is none, or none that may trace."""
    shared_before: frozenset[str] = field(default_factory=lambda: frozenset(_shared_names()))

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def trace(self) -> Path:
        return self.root / "trace.txt"

    def environment(self) -> dict[str, str]:
        """What a user's shell has: nothing in it switches anything off."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ORT_", "PYTHON", "XDG_", "SLIPCOVER"))
        }
        return kept | {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(self.root / "guard"),
            "WATCH_LOG": str(self.root / "guard.log"),
        }

    def run(
        self, *command: str, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it in the working folder, to its end, and add what it did to what was seen."""
        traced = ["--output", str(self.root / "one.txt"), "-e", f"trace={_CALLS}"]
        before = [self.strace, *_HOW, *traced] if self.strace else []
        done = subprocess.run(
            [*before, *command],
            cwd=self.work,
            env={**self.environment(), **(more or {})},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if self.strace:
            with self.trace.open("a") as file:
                file.write((self.root / "one.txt").read_text(errors="replace"))
        return done

    def reached_for(self) -> list[str]:
        """What could leave this machine: every socket that is not one between processes here."""
        log = self.root / "guard.log"
        seen = log.read_text().splitlines() if log.exists() else []
        for call in self._calls("socket", "connect", "sendto", "sendmsg", "sendmmsg"):
            family = re.search(r"\bAF_\w+|(?<=sun_path=)@?\"[^\"]*\"", call)
            if family is None or family[0] == "AF_UNIX":
                continue  # on a socket that was made before, which is told of already
            if not call.startswith("socket") and "AF_UNIX" in call:
                continue
            seen.append(call)
        seen += [
            call
            for call in self._calls("connect")
            if "AF_UNIX" in call and f'sun_path="{self.temporary}/' not in call
        ]  # nscd, systemd-resolved: they would ask for us
        return seen

    def written_elsewhere(self) -> list[str]:
        """Calls that make or open for writing what is not below work, nor a temporary file."""
        return [
            call
            for call in self._calls(*_CALLS.replace("?", "").split(",")[6:])
            if not (call.startswith("open") and "O_RDONLY" in call and "O_CREAT" not in call)
            if not re.search(r"= -1 E\w+", call)
            for path in _paths(call)[-1:]  # the target, of those that have two
            if not self._is_ours(path)
        ]

    def left_behind(self) -> list[str]:
        """What is in the home, among temporary files and in shared memory, but was not before."""
        files = [
            str(path.relative_to(self.root))
            for folder in (self.home, self.temporary)
            for path in sorted(folder.rglob("*"))
        ]
        named = re.findall(r"/dev/shm/([^\">]+)", self._traced())
        ours = {name for name in named if (SHARED_MEMORY / name).exists()}
        if not self.strace:  # nobody saw who made what: another program may have
            ours |= _shared_names() - self.shared_before
        return files + sorted(ours)

    def _calls(self, *names: str) -> Iterator[str]:
        for line in self._traced().splitlines():
            call = line.split(maxsplit=1)[-1].strip()
            if call.split("(", 1)[0] in names:
                yield call

    def _traced(self) -> str:
        return self.trace.read_text(errors="replace") if self.trace.exists() else ""

    def _is_ours(self, path: Path) -> bool:
        return (
            path.is_relative_to(self.work)
            or path.is_relative_to(self.temporary)
            or path == self.root / "guard.log"
            or path in (Path("/dev/null"), Path("/dev/tty"))
            or "__pycache__" in path.parts  # Python's own, beside the installed sources
            or (path.is_relative_to(SHARED_MEMORY) and path.name.startswith("sem."))
        )


def _shared_names() -> set[str]:
    """Shared memory without semaphores, which come and go and are traced where they are ours.

    And without simulated phones, of the tests that another worker runs meanwhile.
    """
    if not SHARED_MEMORY.is_dir():
        return set()
    names = {path.name for path in SHARED_MEMORY.iterdir()}
    return {name for name in names if not name.startswith(("sem.", "phone-"))}


def _paths(call: str) -> list[Path]:
    """The paths in a call as absolute ones; a bare relative one is below the working folder."""
    found = re.findall(r"(?:\b(?:AT_FDCWD|\d+)<([^>]*)>, )?\"((?:[^\"\\]|\\.)*)\"", call)
    if not found or not found[-1][1]:
        return []
    return [
        Path(os.path.normpath(Path(folder, name) if folder else name))
        for folder, name in found
        if folder or name.startswith("/") or ".." in name
    ]


def _strace() -> str | None:
    program = shutil.which("strace")
    if program is None:
        return None
    tried = subprocess.run([program, *_HOW, "true"], capture_output=True, check=False)
    return program if tried.returncode == 0 else None


def make_watch(root: Path) -> Watch:
    for name in ("home", "tmp", "work", "guard"):
        (root / name).mkdir()
    (root / "guard" / "sitecustomize.py").write_text(_GUARD)
    return Watch(root, _strace())


@pytest.fixture
def watch() -> Iterator[Watch]:
    """One in a folder with a short name, since a socket's may have about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="w") as root:
        yield make_watch(Path(root))


@pytest.fixture(scope="session")
def python() -> str:
    return sys.executable


@pytest.fixture(scope="session")
def program() -> str:
    """The installed command."""
    return str(Path(sys.executable).with_name("asymm-deploy"))
