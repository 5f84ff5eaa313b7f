"""One phone: commands for its shell, and files, over a connection that may break at any time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.phone.parse.sections import Section, compound_command, named_sections
from asymm_deploy.bench.phone.server import LostError, Server
from asymm_deploy.bench.phone.shell_stream import (
    Listener,
    ShellOutput,
    SilentError,
    marked,
    packets,
)
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from adbutils import AdbConnection

DEVICE = "device"
"""adb's word for a phone that can be used."""

_RETRY_S = 1.0
_ATTEMPTS = 5
"""How often one command is tried, each time after the phone was gone and came back."""
_COMMAND_TIMEOUT_S = 60.0
_ANSWER_S, _LEAST_ANSWER_S = 10.0, 0.5
"""A phone that has not begun to answer by then is asked again; patience says for how long."""
_SILENT_ATTEMPTS = 2
"""How often a command is tried that prints nothing though the phone answers."""
_COMMAND_BYTES = 8 * 2**20
"""More than any reading prints."""


class Link:
    """The way to one phone. Raises HarnessError when the phone is lost and stays away too long."""

    def __init__(self, server: Server, serial: str, *, patience_s: float, tell: Tell) -> None:
        self.server = server
        self.serial = serial
        self._patience_s = patience_s
        self._tell = tell
        self._features: frozenset[str] | None = None
        self._answer_s = min(_ANSWER_S, max(_LEAST_ANSWER_S, patience_s / 4))
        self._heard_at = time.monotonic()
        """When the phone last gave a sign, or we began to ask it for one."""
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
        opening_s = min(self._answer_s, timeout_s)
        mark = secrets.token_hex(8)
        packed = "shell_v2" in self._known_features()
        # Phones before Android 7 don't report exit codes. `exec:` leaves line ends as they are.
        wrapped = f"shell,v2,raw:{command}" if packed else f"exec:( {command}\n); echo {mark}$?"
        with self.server.opened(self.serial, wrapped, opening_s) as connection:
            self._hear()
            listener = Listener(
                connection, timeout_s, self._answer_s, self._require_answer, self._hear
            )
            if packed:
                return packets(listener, most_bytes)
            return marked(listener, mark.encode(), most_bytes)

    def run_with_retries(
        self,
        command: str,
        *,
        timeout_s: float = _COMMAND_TIMEOUT_S,
        most_bytes: int = _COMMAND_BYTES,
    ) -> ShellOutput:
        """Run a command to its end, again after each break: it must do no harm to run it twice."""
        self._hear()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self.run_once(command, timeout_s=timeout_s, most_bytes=most_bytes)
            except SilentError as silent:
                if attempt >= _SILENT_ATTEMPTS:
                    raise HarnessError(
                        f"{self.serial} answers, but {silent} ({attempt} times)",
                        "restart the phone, then run the same command again",
                    ) from silent
            except LostError as lost:
                if attempt == _ATTEMPTS:
                    raise HarnessError(
                        f"{self.serial} keeps losing the connection: {lost}",
                        "try another cable or port, without a hub",
                    ) from lost
                self.wait_until_back(str(lost))
        raise AssertionError  # the loop only ends by returning or raising

    def run_sections(
        self, commands: Mapping[str, str], *, timeout_s: float = _COMMAND_TIMEOUT_S
    ) -> dict[str, Section]:
        """Run several commands in one round trip; return what each printed.

        With retries, so it must do no harm to run them twice.
        """
        mark = secrets.token_hex(8)
        printed = self.run_with_retries(
            compound_command(mark, commands), timeout_s=timeout_s
        ).stdout
        return named_sections(printed, mark, commands)

    def streaming(self, command: str) -> AbstractContextManager[AdbConnection]:
        """Start a command that the phone hangs up when the connection ends, whoever ends it.

        Not with `exec:`: adbd lets those commands run on.
        """
        service = "shell,v2,raw" if "shell_v2" in self._known_features() else "shell"
        return self.server.opened(self.serial, f"{service}:{command}", self._answer_s)

    def _known_features(self) -> frozenset[str]:
        if self._features is None:
            self._features = self.server.features(self.serial)
        return self._features

    def push(self, source: Path, target: str) -> None:
        """Write a file to ``target``; raise HarnessError with the phone's reason if that fails.

        The caller must check what arrived: adb's word is not enough.
        """
        self._hear()
        for attempt in range(1, _ATTEMPTS + 1):
            failure = self.server.push(
                self.serial, source.resolve(), target, self._require_patience, self._answer_s
            )
            if failure is None:
                return
            if _refused(failure) or attempt == _ATTEMPTS:
                raise HarnessError(
                    f"{self.serial} does not accept {source.name}: {failure}", _push_hint(failure)
                )
            self.wait_until_back(failure)

    def wait_until_back(self, why: str) -> None:
        """Wait until the phone answers again; raise HarnessError once patience runs out.

        Patience counts from the phone's last sign. adb's word is not enough: it calls a phone a
        ``device`` whose adbd has stopped, or whose Wi-Fi sleeps. Restarts the server if it has
        gone, and reconnects to a phone on TCP.
        """
        self._features = None  # after an update or a reboot another adbd may answer
        self._tell(f"{self.serial} is gone ({why}); waiting up to {_duration(self._patience_s)}")
        while True:
            try:
                state = self.state(reconnect=True)
                if state == DEVICE and self._answers(self._answer_s):
                    self.losses += 1
                    self._hear()
                    self._tell(f"{self.serial} is back")
                    return
            except (LostError, HarnessError) as error:
                state = str(error)
            if self._left_s() <= 0:
                raise self._stays_away(state)
            time.sleep(min(_RETRY_S, self._patience_s / 10))

    def _stays_away(self, state: str | None) -> HarnessError:
        if state == DEVICE:
            return HarnessError(
                f"{self.serial} did not answer for {_duration(self._patience_s)}, though adb lists "
                "it as a device",
                "wake it, and turn USB debugging off and on (on Wi-Fi, keep it awake); then run "
                "the same command again: it resumes where it stopped",
            )
        return HarnessError(
            f"{self.serial} did not come back within {_duration(self._patience_s)}"
            f" (adb says: {excerpt(state or 'not there')})",
            "plug it in, then run the same command again: it resumes where it stopped",
        )

    def _hear(self) -> None:
        self._heard_at = time.monotonic()

    def _left_s(self) -> float:
        return self._heard_at + self._patience_s - time.monotonic()

    def _answers(self, within_s: float) -> bool:
        """Whether the phone's own shell says a word of ours within some time."""
        word = secrets.token_hex(8)
        deadline = time.monotonic() + within_s
        said = b""
        try:
            with self.server.opened(self.serial, f"shell:echo {word}", within_s) as connection:
                while word.encode() not in said:
                    connection.conn.settimeout(max(0.01, deadline - time.monotonic()))
                    part = connection.conn.recv(2**12)
                    if not part or len(said) > _COMMAND_BYTES:
                        return False
                    said += part
        except LostError:
            return False
        self._hear()
        return True

    def _require_answer(self) -> None:
        """Raise LostError where the phone does not answer now."""
        if not self._answers(self._answer_s):
            raise LostError(f"it does not answer within {self._answer_s:g} s")

    def _require_patience(self) -> None:
        """Raise HarnessError where the phone does not answer for as long as patience lasts.

        While a file is on its way, an answer has to wait in line behind it.
        """
        if not self._answers(max(self._left_s(), self._answer_s)) and self._left_s() <= 0:
            raise self._stays_away(DEVICE)

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
