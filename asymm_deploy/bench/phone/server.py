"""The adb server: where it listens, which phones it knows, and pushing files through it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench.phone.parse import adb_output
from asymm_deploy.bench.phone.parse.adb_output import ConnectOutcome, ListedPhone
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from adbutils import AdbConnection

_PORT = 5037
_LOCAL = ("localhost", "127.0.0.1", "::1")
_SOCKET_TIMEOUT_S = 30.0
_START_TIMEOUT_S = 30.0
_PUSH_LEAST_S, _PUSH_BYTES_PER_S = 60.0, 100_000
"""A push slower than the slowest link that anyone would use has stalled."""


class LostError(HarnessError):
    """The phone or the server went away in the middle; ``what`` says how that was noticed."""

    def __init__(
        self, what: str, hint: str = "plug the phone in again, then run the same command again"
    ) -> None:
        super().__init__(what, hint)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether we could start it."""
        return self.host in _LOCAL


# tcp:5037, tcp:10.0.0.2:15037 or tcp:[::1]:15037
_SOCKET_SPEC = re.compile(r"tcp:(?:(?P<host>\[[^\]]+\]|[^:\[\]]+):)?(?P<port>[0-9]{1,5})")


def address(environment: Mapping[str, str]) -> Address:
    """Return where adb would look for its server; UsageError for a place we can't talk to.

    ADB_SERVER_SOCKET takes precedence, as in adb itself. adb calls the other host variable
    ANDROID_ADB_SERVER_ADDRESS, other tools ANDROID_ADB_SERVER_HOST; either will do.
    """
    spec = environment.get("ADB_SERVER_SOCKET")
    if spec:
        found = _SOCKET_SPEC.fullmatch(spec)
        if found is None:
            raise UsageError(
                f"ADB_SERVER_SOCKET is {spec!r}, but only servers on TCP can be used",
                "set it to tcp:HOST:PORT, or unset it",
            )
        return Address(
            _host((found["host"] or "localhost").strip("[]")),
            _port(found["port"], "ADB_SERVER_SOCKET"),
        )
    host = environment.get("ANDROID_ADB_SERVER_HOST") or environment.get(
        "ANDROID_ADB_SERVER_ADDRESS"
    )
    port = environment.get("ANDROID_ADB_SERVER_PORT")
    host = _host(host or "localhost")
    return Address(host, _port(port, "ANDROID_ADB_SERVER_PORT") if port else _PORT)


def _host(name: str) -> str:
    """Return a host's name, if it can be one at all."""
    try:
        name.encode("idna")
    except UnicodeError as error:
        raise UsageError(
            f"the adb server's host can't be called {excerpt(name, 80)!r}",
            "set ADB_SERVER_SOCKET or ANDROID_ADB_SERVER_HOST to a name or an address, or unset it",
        ) from error
    return name


def _port(text: str, variable: str) -> int:
    """Parse a variable's port: ``5037``."""
    if not (re.fullmatch("[0-9]{1,5}", text) and 0 < int(text) < 2**16):
        raise UsageError(
            f"{variable} does not hold a port: {excerpt(text, 80)!r}",
            "set it to a number up to 65535",
        )
    return int(text)


class Server:
    """A running adb server, on this machine or another. Raises HarnessError where there is none.

    The adb binary is started for two things only: to start a server and to push files. Using a
    binary of another version than the server's would end the server, and with it whatever other
    programs are doing on their phones.
    """

    def __init__(self, at: Address) -> None:
        self.address = at
        self._binary: Path | None = None

    def ensure(self) -> None:
        """Start the server unless it runs; raise HarnessError, with what to do, if that fails."""
        if self._answers():
            return
        if not self.address.is_local:
            raise HarnessError(
                f"no adb server answers at {self.address.host}:{self.address.port}",
                "start one there with `adb -a nodaemon server`, or unset ADB_SERVER_SOCKET and "
                "ANDROID_ADB_SERVER_HOST",
            )
        try:
            done = subprocess.run(
                [*self._adb(), "start-server"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_clean_environment(),
                timeout=_START_TIMEOUT_S,
                check=False,
                # Not in our process group: Ctrl-C would end a server that other programs use.
                start_new_session=True,
            )
            said = excerpt(done.stdout.decode(errors="replace"))
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        if not self._answers():
            raise HarnessError(
                f"the adb server does not start: {said}", "try `adb start-server` by hand"
            )

    def listed(self) -> tuple[ListedPhone, ...]:
        """Return the phones that the server knows, in whatever state; starts it if necessary."""
        self.ensure()
        try:
            return adb_output.listed_phones(self._ask("host:devices-l"))
        except LostError as error:
            raise HarnessError(
                f"who listens at {self.address.host}:{self.address.port} answers as no adb server "
                f"does: {error.what}",
                "look at what listens there: ANDROID_ADB_SERVER_PORT says where an adb server is",
            ) from error

    def state(self, serial: str) -> str | None:
        """Return a phone's state, None if it is not attached. Raises LostError without a server."""
        for phone in adb_output.listed_phones(self._ask("host:devices-l")):
            if phone.serial == serial:
                return phone.state
        return None

    def connect(self, host_port: str) -> tuple[ConnectOutcome, str]:
        """Have the server connect to a phone on TCP; return the outcome and what it said."""
        said = self._ask(f"host:connect:{host_port}")
        return adb_output.connect_outcome(said), excerpt(said)

    def disconnect(self, host_port: str) -> None:
        """Have the server forget a phone on TCP, if it knows it."""
        try:
            self._ask(f"host:disconnect:{host_port}")
        except LostError as error:
            if "no such device" not in str(error):
                raise

    def features(self, serial: str) -> frozenset[str]:
        """Return what the phone's adbd can do."""
        return adb_output.adbd_features(self._ask(f"host-serial:{serial}:features"))

    @contextmanager
    def opened(self, serial: str, service: str, timeout_s: float) -> Iterator[AdbConnection]:
        """Yield a connection to a service on the phone; LostError if it fails or breaks."""
        with self._connection(timeout_s) as connection:
            for request in (f"host:transport:{serial}", service):
                connection.send_command(request)
                connection.check_okay()
            yield connection

    def push(
        self,
        serial: str,
        source: Path,
        target: str,
        meanwhile: Callable[[], None],
        every_s: float,
    ) -> str | None:
        """Push a file with the adb binary; return why it failed, None if adb reports success.

        Calls ``meanwhile`` every so often; what that raises ends the push.
        """
        limit_s = _PUSH_LEAST_S + source.stat().st_size / _PUSH_BYTES_PER_S
        deadline = time.monotonic() + limit_s
        try:
            pushing = subprocess.Popen(
                [*self._adb(), "-s", serial, "push", str(source), target],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_clean_environment(),
                start_new_session=True,
            )
        except OSError as error:
            return f"can't start adb: {error.strerror}"
        with pushing:
            try:
                while True:
                    try:
                        said, _ = pushing.communicate(timeout=every_s)
                        break
                    except subprocess.TimeoutExpired:
                        if time.monotonic() > deadline:
                            return f"adb push did not finish within {limit_s:.0f} s"
                        meanwhile()
            finally:
                pushing.kill()
        return adb_output.push_failure(said.decode(errors="replace"), pushing.returncode)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address.host, self.address.port), timeout=3):
                return True
        except OSError:
            return False

    def _adb(self) -> list[str]:
        """Return how to start adb for this server, with a binary of the server's version."""
        if self._binary is None:
            self._binary = self._choose_binary()
        at = self.address
        host = [] if at.is_local else ["-H", at.host]
        return [str(self._binary), *host, "-P", str(at.port)]

    def _choose_binary(self) -> Path:
        binaries = adb_binaries()
        if not binaries:
            raise HarnessError(
                "no adb program was found",
                "`pip install adbutils` brings one; or install Android's platform-tools",
            )
        if not self._answers():
            return binaries[0]
        try:
            serving = adb_output.server_version(self._ask("host:version"))
        except LostError as error:
            raise self._no_adb_server() from error
        if serving is None:
            raise self._no_adb_server()
        versions = {binary: version_of(binary) for binary in binaries}
        for binary, version in versions.items():
            if version == serving:
                return binary
        if versions[binaries[0]] is None:
            raise HarnessError(
                f"{binaries[0]} does not say its version, and with another than the server's, "
                f"{serving}, it would end the server",
                f"try `{binaries[0]} version` by hand: it should answer at once",
            )
        raise HarnessError(
            f"the running adb server is version {serving}, but {binaries[0]} is "
            f"{versions[binaries[0]]}: using it would end the server",
            "put the adb that started the server on PATH, or end the server with that adb's "
            "`kill-server`",
        )

    def _no_adb_server(self) -> HarnessError:
        return HarnessError(
            f"what listens at {self.address.host}:{self.address.port} is not an adb server",
            "set ANDROID_ADB_SERVER_PORT to the port of one",
        )

    def _ask(self, request: str) -> str:
        with self._connection(_SOCKET_TIMEOUT_S) as connection:
            connection.send_command(request)
            connection.check_okay()
            return str(connection.read_string_block())

    @contextmanager
    def _connection(self, timeout_s: float) -> Iterator[AdbConnection]:
        """Yield a connection to the server; whatever goes wrong on it becomes a LostError."""
        from adbutils import AdbConnection, AdbError, AdbTimeout

        # Otherwise adbutils would start a server by itself, at an address of its own choosing.
        if not self._answers():
            raise LostError("the adb server is gone")
        try:
            with AdbConnection(self.address.host, self.address.port) as connection:
                connection.conn.settimeout(timeout_s)
                yield connection
                # adbutils takes 10 ms to close it, four times as long as a command takes.
                connection.conn.close()
        except EOFError as error:
            raise LostError("the connection ended") from error
        except (AdbTimeout, TimeoutError) as error:
            raise LostError(f"it does not answer within {timeout_s:g} s") from error
        except (AdbError, OSError, ValueError) as error:
            raise LostError(excerpt(str(error)) or type(error).__name__) from error


def adb_binaries() -> list[Path]:
    """Return the adb programs of this machine: the one on PATH, and the one adbutils ships."""
    import adbutils

    found = [shutil.which("adb")]
    found.append(str(Path(adbutils.__file__).parent / "binaries" / "adb"))
    return [Path(path) for path in found if path is not None and os.access(path, os.X_OK)]


def version_of(binary: Path) -> int | None:
    """Return the version that an adb program says it has, 41 for 1.0.41; None if it says none."""
    try:
        said = subprocess.run(
            [binary, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return adb_output.program_version(said.decode(errors="replace"))


def _clean_environment() -> dict[str, str]:
    """Return our environment without the variables that would override adb's arguments."""
    misleading = (
        "ADB_SERVER_SOCKET",
        "ANDROID_ADB_SERVER_ADDRESS",
        "ANDROID_ADB_SERVER_PORT",
        "ANDROID_SERIAL",
    )
    return {name: value for name, value in os.environ.items() if name not in misleading}
