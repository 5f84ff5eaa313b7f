"""One phone: commands for its shell and files, over a connection that may be lost at any time."""

from __future__ import annotations

import secrets
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench.phone import adb_text
from asymm_deploy.bench.phone.server import LostError, Server, Tell
from asymm_deploy.errors import HarnessError

if TYPE_CHECKING:
    from adbutils import AdbConnection

DEVICE = "device"
"""adb's word for a phone that can be used."""

_STDOUT, _STDERR, _EXIT = 1, 2, 3  # ids of shell v2 packets
_STDERR_TAIL_BYTES = 64 * 2**10
_RETRY_S = 1.0
_ATTEMPTS = 5
"""At one command, each after the phone was gone and came back."""
_COMMAND_TIMEOUT_S = 60.0
_LONGEST_S = 300.0
"""All of a command may take that long, and what it prints as long as the slowest link needs."""
_SLOWEST_BYTES_PER_S = 50_000
_COMMAND_BYTES = 8 * 2**20
"""More than any reading prints."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, and its exit code: 128 and more is a signal."""

    stdout: bytes
    stderr: bytes
    """Its end. Empty on phones that can't tell the two apart."""
    code: int

    @property
    def text(self) -> str:
        """Stdout as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def last_word(self) -> str:
        """What stands at the end of stdout: some shells say something of their own first."""
        return next(iter(self.text.split()[-1:]), "")

    @property
    def why(self) -> str:
        """The last line that it printed, for people: on failure that is the reason."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return adb_text.shown(lines[-1].decode("utf-8", "replace")) if lines else f"{self.code}"


class Link:
    """The way to one phone. Raises HarnessError when it is lost and doesn't come back in time."""

    def __init__(self, server: Server, serial: str, *, patience_s: float, tell: Tell) -> None:
        self.server = server
        self.serial = serial
        self._patience_s = patience_s
        self._tell = tell
        self._features: frozenset[str] | None = None
        self.losses = 0
        """How often the phone was gone and came back."""

    def once(
        self,
        command: str,
        *,
        timeout_s: float = _COMMAND_TIMEOUT_S,
        most_bytes: int = _COMMAND_BYTES,
    ) -> Output:
        """Run a command in the phone's shell; raise LostError if its end wasn't seen.

        It may have been run then, or not, or in part. ``timeout_s`` is of silence.
        """
        if "shell_v2" in self._known_features():
            with self.server.opened(self.serial, f"shell,v2,raw:{command}", timeout_s) as open_to:
                return _packets(open_to, most_bytes)
        # Phones before Android 7 pass no exit code on. `exec:` leaves line ends as they are.
        mark = secrets.token_hex(8)
        wrapped = f"( {command}\n); echo {mark}$?"
        with self.server.opened(self.serial, f"exec:{wrapped}", timeout_s) as open_to:
            return _marked(open_to, mark.encode(), most_bytes)

    def sure(
        self,
        command: str,
        *,
        timeout_s: float = _COMMAND_TIMEOUT_S,
        most_bytes: int = _COMMAND_BYTES,
    ) -> Output:
        """Run a command that may as well run twice, until its end was seen."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self.once(command, timeout_s=timeout_s, most_bytes=most_bytes)
            except LostError as lost:
                if attempt == _ATTEMPTS:
                    raise HarnessError(
                        f"{self.serial} keeps losing the connection: {lost}",
                        "try another cable or port, without a hub",
                    ) from lost
                self.wait_back(str(lost))
        raise AssertionError  # the loop only ends by returning or raising

    def streaming(self, command: str) -> AbstractContextManager[AdbConnection]:
        """Start a command that is hung up when the connection ends, whoever ends it.

        Not by `exec:`, whose commands adbd leaves alone.
        """
        service = "shell,v2,raw" if "shell_v2" in self._known_features() else "shell"
        return self.server.opened(self.serial, f"{service}:{command}", _COMMAND_TIMEOUT_S)

    def _known_features(self) -> frozenset[str]:
        if self._features is None:
            self._features = self.server.features(self.serial)
        return self._features

    def push(self, source: Path, target: str) -> None:
        """Put a file's bytes at ``target``; HarnessError with the phone's reason if it can't be.

        What arrived is for the caller to check: adb's word is not enough.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            failure = self.server.push(self.serial, source.resolve(), target)
            if failure is None:
                return
            if _refused(failure) or attempt == _ATTEMPTS:
                raise HarnessError(
                    f"{self.serial} does not take {source.name}: {failure}", _push_hint(failure)
                )
            self.wait_back(failure)

    def wait_back(self, why: str) -> None:
        """Wait until the phone can be used again; raise HarnessError when patience is over.

        Starts the server again if it has gone, and connects again to a phone on TCP.
        """
        self._features = None  # another adbd may answer than before, after an update or a reboot
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
                    f" (adb says: {adb_text.shown(state or 'not there')})",
                    "plug it in, then give the same command again: it goes on where it stopped",
                )
            time.sleep(min(_RETRY_S, self._patience_s / 10))

    def state(self, *, reconnect: bool = False) -> str | None:
        """Return adb's word for the phone's state, None if it is not there.

        With ``reconnect`` a phone on TCP that adb has given up is connected to again.
        """
        self.server.ensure()
        state = self.server.state(self.serial)
        if reconnect and ":" in self.serial and state in (None, "offline"):
            if state == "offline":
                self.server.disconnect(self.serial)
            self.server.connect(self.serial)
            state = self.server.state(self.serial)
        return state


def _packets(connection: AdbConnection, most_bytes: int) -> Output:
    """Read a shell v2 stream: id (1 byte), length (4), data; only an exit packet ends it well."""
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
            return Output(bytes(out), bytes(err), data[0] if data else 255)
        if len(out) > most_bytes:
            raise _too_much(most_bytes)


def _marked(connection: AdbConnection, mark: bytes, most_bytes: int) -> Output:
    """Read to the end, where ``mark`` and the exit code must stand."""
    out = bytearray()
    start = time.monotonic()
    while chunk := connection.read(2**16):
        out += chunk
        if len(out) > most_bytes:
            raise _too_much(most_bytes)
        if time.monotonic() - start > _LONGEST_S + len(out) / _SLOWEST_BYTES_PER_S:
            raise _endless()
    body, found, code = bytes(out).rpartition(mark)
    if not found or not code.strip().isdigit():
        raise LostError("the connection ended before the command did")
    return Output(body, b"", int(code) & 255)


def _too_much(bytes_: int) -> HarnessError:
    return HarnessError(
        f"the phone printed more than {bytes_} bytes where a few were due",
        "look at what `adb shell` says on it by hand",
    )


def _endless() -> HarnessError:
    return HarnessError(
        "a command on the phone goes on and on, and says something now and then",
        "look at what `adb shell` says on it by hand",
    )


_REFUSALS = (
    "No space left",
    "Read-only file system",
    "Permission denied",
    "No such file or directory",
    "Is a directory",
)


def _refused(failure: str) -> bool:
    """Whether trying again would change nothing."""
    return any(words in failure for words in _REFUSALS)


def _push_hint(failure: str) -> str:
    if "No space left" in failure:
        return "make room on the phone's /data, then give the same command again"
    if _refused(failure):
        return "see that the shell user may write to /data/local/tmp on this phone"
    return "try another cable or port, then give the same command again"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:g} s"
