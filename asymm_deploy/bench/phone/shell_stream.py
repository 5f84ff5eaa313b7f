"""What a command on a phone prints, read to its end over a connection that may fall silent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asymm_deploy.bench.phone.server import LostError
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from adbutils import AdbConnection

_STDOUT, _STDERR, _EXIT = 1, 2, 3  # ids of shell v2 packets
_STDERR_TAIL_BYTES = 64 * 2**10
_LONGEST_S = 300.0
"""A whole command may take so long, plus what the slowest link needs for what it prints."""
_SLOWEST_BYTES_PER_S = 50_000


class SilentError(LostError):
    """A command prints nothing, and the phone answers all the same."""


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


class Listener:
    """Reads a connection; where it is silent, makes sure again and again that the phone answers."""

    def __init__(
        self,
        connection: AdbConnection,
        timeout_s: float,
        ask_after_s: float,
        require_answer: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        """Bear ``timeout_s`` of silence, if after each ``ask_after_s`` the phone answers.

        ``require_answer`` raises LostError where it does not; ``heard`` is told of every sign.
        """
        self._connection = connection
        self._timeout_s = timeout_s
        self._ask_after_s = min(ask_after_s, timeout_s)
        self._require_answer = require_answer
        self._heard = heard
        self._buffer = bytearray()
        self._start = time.monotonic()
        self._received = 0

    def some(self) -> bytes:
        """Return the next bytes, none at the end; raise LostError where they don't come."""
        self._connection.conn.settimeout(self._ask_after_s)
        silent_since = time.monotonic()
        while True:
            try:
                data: bytes = self._connection.conn.recv(2**16)
            except TimeoutError:
                self._require_answer()
                if time.monotonic() - silent_since >= self._timeout_s:
                    raise SilentError(
                        f"a command printed nothing for {self._timeout_s:g} s"
                    ) from None
                continue
            self._heard()
            self._received += len(data)
            most_s = _LONGEST_S + self._received / _SLOWEST_BYTES_PER_S
            if time.monotonic() - self._start > most_s:
                raise _endless()
            return data

    def exactly(self, count: int) -> bytes:
        """Return the next ``count`` bytes; raise LostError where the stream ends before them."""
        while len(self._buffer) < count:
            data = self.some()
            if not data:
                raise LostError("the connection ended")
            self._buffer += data
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found


def packets(listener: Listener, most_bytes: int) -> ShellOutput:
    r"""Read a shell v2 stream: packets of id (1 byte), length (4) and data.

    ``\x01 \x03\x00\x00\x00 75\n`` (stdout), then ``\x03 \x01\x00\x00\x00 \x00`` (exit code 0). Only
    an exit packet ends it properly.
    """
    out, err = bytearray(), bytearray()
    while True:
        header = listener.exactly(5)
        size = int.from_bytes(header[1:], "little")
        if size > most_bytes:
            raise _too_much(most_bytes)
        data = listener.exactly(size)
        if header[0] == _STDOUT:
            out += data
        elif header[0] == _STDERR:
            err += data
            del err[:-_STDERR_TAIL_BYTES]
        elif header[0] == _EXIT:
            return ShellOutput(bytes(out), bytes(err), data[0] if data else 255)
        if len(out) > most_bytes:
            raise _too_much(most_bytes)


def marked(listener: Listener, mark: bytes, most_bytes: int) -> ShellOutput:
    r"""Read to the end, where ``mark`` and the exit code must stand.

    ``75\n4f1c9a02b7d3e8160\n``, where the mark is 4f1c9a02b7d3e816 and the code 0.
    """
    out = bytearray()
    while chunk := listener.some():
        out += chunk
        if len(out) > most_bytes:
            raise _too_much(most_bytes)
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
