"""A machine of folders: programs on PATH, variables, rules and a user as a test wants them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from asymm_deploy.doctor.environment import Environment, User

JO = User("jo", is_root=False, groups=frozenset(), promised_groups=frozenset())


@dataclass
class Machine:
    """What a test puts together, and ``environment`` of it."""

    folder: Path
    variables: dict[str, str]
    system: str = "Linux"
    user: User = JO

    def program(self, name: str, *said: str, code: int = 0) -> Path:
        """Put a program on PATH that prints lines and exits."""
        path = self.folder / "bin" / name
        lines = "".join(f"echo '{line}'\n" for line in said)
        path.write_text(f"#!/bin/sh\n{lines}exit {code}\n")
        path.chmod(0o755)
        return path

    def file(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def environment(self) -> Environment:
        return Environment(
            self.variables,
            self.system,
            self.user,
            artifacts=self.folder / "artifacts",
            results=self.folder / "results",
            root=self.folder / "root",
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with nothing on it, whose PATH is also this process's."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "root").mkdir()
    path = str(tmp_path / "bin")
    monkeypatch.setenv("PATH", path)
    return Machine(tmp_path, {"PATH": path, "HOME": str(tmp_path)})


class Server:
    """Answers requests as an adb server does, and notes them."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                length = connection.recv(4)
                if not length:
                    return
                request = connection.recv(int(length, 16)).decode()
                self.requests.append(request)
                connection.sendall(self._answers.get(request, b"FAIL0004what"))

    def end(self) -> None:
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def adb_server() -> Iterator[Callable[[dict[str, bytes]], Server]]:
    """Starts servers with given answers."""
    started: list[Server] = []

    def start(answers: dict[str, bytes]) -> Server:
        started.append(Server(answers))
        return started[-1]

    yield start
    for server in started:
        server.end()


@pytest.fixture
def free_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
