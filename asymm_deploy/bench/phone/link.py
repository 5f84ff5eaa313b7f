"""One phone: commands for its shell, and files, over a connection that may break at any time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.phone.parse.sections import Section, compound_command, named_sections
from asymm_deploy.bench.phone.server import LostError, Server
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from adbutils import AdbConnection

DEVICE = "device"
"""adb's word for a phone that can be used."""

_STDOUT, _STDERR, _EXIT = 1, 2, 3  # ids of shell v2 packets
_STDERR_TAIL_BYTES = 64 * 2**10
_RETRY_S = 1.0
_ATTEMPTS = 5
"""How often one command is tried, each time after the phone was gone and came back."""
_COMMAND_TIMEOUT_S = 60.0
_LONGEST_S = 300.0
"""A whole command may take so long, plus what the slowest link needs for what it prints."""
_SLOWEST_BYTES_PER_S = 50_000
_COMMAND_BYTES = 8 * 2**20
"""More than any reading prints."""


@dataclass(frozen=True, slots=True)
class ShellOutput:
    """What a command printed, and its exit code: 128 and more is a signal."""

    stdout: bytes
    stderr: bytes
    """The last of it. Empty on phones that can't tell the two streams apart."""
    code: int

    @property
    def text(self) -> str:
        """Stdout as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def last_word(self) -> str:
        """The last word of stdout: some shells print something of their own first."""
        return next(iter(self.text.split()[-1:]), "")

    @property
    def why(self) -> str:
        """The last line it printed, made printable: on failure, that is the reason."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return excerpt(lines[-1].decode("utf-8", "replace")) if lines else f"{self.code}"


class Link:
    """The way to one phone. Raises HarnessError when the phone is lost and stays away too long."""

    def __init__(self, server: Server, serial: str, *, patience_s: float, tell: Tell) -> None:
        self.server = server
        self.serial = serial
        self._patience_s = patience_s
        self._tell = tell
        self._features: frozenset[str] | None = None
        self.losses = 0
        """How often the phone was gone and came back."""

    def run_once(
        self,
        command: str,
        *,
        timeout_s: float = _COMMAND_TIMEOUT_S,
        most_bytes: int = _COMMAND_BYTES,
    ) -> ShellOutput:
        """Run a command in the phone's shell; raise LostError if the connection breaks first.

        The command may then have run, or not, or in part. ``timeout_s`` is how long it may be
        silent.
        """
        if "shell_v2" in self._known_features():
            service = f"shell,v2,raw:{command}"
            with self.server.opened(self.serial, service, timeout_s) as connection:
                return _packets(connection, most_bytes)
        # Phones before Android 7 don't report exit codes. `exec:` leaves line ends as they are.
        mark = secrets.token_hex(8)
        wrapped = f"( {command}\n); echo {mark}$?"
        with self.server.opened(self.serial, f"exec:{wrapped}", timeout_s) as connection:
            return _marked(connection, mark.encode(), most_bytes)

    def run_with_retries(
        self,
        command: str,
        *,
        timeout_s: float = _COMMAND_TIMEOUT_S,
        most_bytes: int = _COMMAND_BYTES,
    ) -> ShellOutput:
        """Run a command to its end, again after each break: it must do no harm to run it twice."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self.run_once(command, timeout_s=timeout_s, most_bytes=most_bytes)
            except LostError as lost:
                if attempt == _ATTEMPTS:
                    raise HarnessError(
                        f"{self.serial} keeps losing the connection: {lost}",
                        "try another cable or port, without a hub",
                    ) from lost
                self.wait_until_back(str(lost))
        raise AssertionError  # the loop only ends by returning or raising

    def run_sections(self, commands: Mapping[str, str]) -> dict[str, Section]:
        """Run several commands in one round trip; return what each printed.

        With retries, so it must do no harm to run them twice.
        """
        mark = secrets.token_hex(8)
        printed = self.run_with_retries(compound_command(mark, commands)).stdout
        return named_sections(printed, mark, commands)

    def streaming(self, command: str) -> AbstractContextManager[AdbConnection]:
        """Start a command that the phone hangs up when the connection ends, whoever ends it.

        Not with `exec:`: adbd lets those commands run on.
        """
        service = "shell,v2,raw" if "shell_v2" in self._known_features() else "shell"
        return self.server.opened(self.serial, f"{service}:{command}", _COMMAND_TIMEOUT_S)

    def _known_features(self) -> frozenset[str]:
        if self._features is None:
            self._features = self.server.features(self.serial)
        return self._features

    def push(self, source: Path, target: str) -> None:
        """Write a file to ``target``; raise HarnessError with the phone's reason if that fails.

        The caller must check what arrived: adb's word is not enough.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            failure = self.server.push(self.serial, source.resolve(), target)
            if failure is None:
                return
            if _refused(failure) or attempt == _ATTEMPTS:
                raise HarnessError(
                    f"{self.serial} does not accept {source.name}: {failure}", _push_hint(failure)
                )
            self.wait_until_back(failure)

    def wait_until_back(self, why: str) -> None:
        """Wait until the phone can be used again; raise HarnessError once patience runs out.

        Restarts the server if it has gone, and reconnects to a phone on TCP.
        """
        self._features = None  # after an update or a reboot another adbd may answer
        self._tell(f"{self.serial} is gone ({why}); waiting up to {_duration(self._patience_s)}")
        deadline = time.monotonic() + self._patience_s
        state: str | None = None
        while True:
            try:
                state = self.state(reconnect=True)
            except (LostError, HarnessError) as error:
                state = str(error)
            if state == DEVICE:
                self.losses += 1
                self._tell(f"{self.serial} is back")
                return
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"{self.serial} did not come back within {_duration(self._patience_s)}"
                    f" (adb says: {excerpt(state or 'not there')})",
                    "plug it in, then run the same command again: it resumes where it stopped",
                )
            time.sleep(min(_RETRY_S, self._patience_s / 10))

    def state(self, *, reconnect: bool = False) -> str | None:
        """Return adb's word for the phone's state, None if it is not attached.

        With ``reconnect``, reconnects to a phone on TCP that adb has given up.
        """
        self.server.ensure()
        state = self.server.state(self.serial)
        if reconnect and ":" in self.serial and state in (None, "offline"):
            if state == "offline":
                self.server.disconnect(self.serial)
            self.server.connect(self.serial)
            state = self.server.state(self.serial)
        return state


def _packets(connection: AdbConnection, most_bytes: int) -> ShellOutput:
    r"""Read a shell v2 stream: packets of id (1 byte), length (4) and data.

    ``\x01 \x03\x00\x00\x00 75\n`` (stdout), then ``\x03 \x01\x00\x00\x00 \x00`` (exit code 0). Only
    an exit packet ends it properly.
    """
    out, err = bytearray(), bytearray()
    start, received = time.monotonic(), 0
    while True:
        header = connection.read_exact(5)
        size = int.from_bytes(header[1:], "little")
        if size > most_bytes:
            raise _too_much(most_bytes)
        data = connection.read_exact(size)
        received += size
        if time.monotonic() - start > _LONGEST_S + received / _SLOWEST_BYTES_PER_S:
            raise _endless()
        if header[0] == _STDOUT:
            out += data
        elif header[0] == _STDERR:
            err += data
            del err[:-_STDERR_TAIL_BYTES]
        elif header[0] == _EXIT:
            return ShellOutput(bytes(out), bytes(err), data[0] if data else 255)
        if len(out) > most_bytes:
            raise _too_much(most_bytes)


def _marked(connection: AdbConnection, mark: bytes, most_bytes: int) -> ShellOutput:
    r"""Read to the end, where ``mark`` and the exit code must stand.

    ``75\n4f1c9a02b7d3e8160\n``, where the mark is 4f1c9a02b7d3e816 and the code 0.
    """
    out = bytearray()
    start = time.monotonic()
    while chunk := connection.recv(2**16):  # ``read`` would wait for all of these bytes
        out += chunk
        if len(out) > most_bytes:
            raise _too_much(most_bytes)
        if time.monotonic() - start > _LONGEST_S + len(out) / _SLOWEST_BYTES_PER_S:
            raise _endless()
    body, found, code = bytes(out).rpartition(mark)
    if not found or not code.strip().isdigit():
        raise LostError("the connection ended before the command did")
    return ShellOutput(body, b"", int(code) & 255)


def _too_much(bytes_: int) -> HarnessError:
    return HarnessError(
        f"the phone printed more than {bytes_} bytes where a few were expected",
        "run `adb shell` on it by hand and see what it prints",
    )


def _endless() -> HarnessError:
    return HarnessError(
        "a command on the phone never ends, and keeps printing",
        "run `adb shell` on it by hand and see what it prints",
    )


_REFUSALS = (
    "No space left",
    "Read-only file system",
    "Permission denied",
    "No such file or directory",
    "Is a directory",
)


def _refused(failure: str) -> bool:
    """Whether the phone refused, so that another try would change nothing."""
    return any(words in failure for words in _REFUSALS)


def _push_hint(failure: str) -> str:
    if "No space left" in failure:
        return "make room on the phone's /data, then run the same command again"
    if _refused(failure):
        return "make sure that the shell user may write to /data/local/tmp on this phone"
    return "try another cable or port, then run the same command again"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:g} s"
