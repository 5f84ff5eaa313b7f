"""Stands before a real adb server and gives its phones other serial numbers.

A phone's maker chooses what its USB port says, so a serial number may hold anything that prints. A
simulated phone is on TCP and can't choose. Programs of a host talk to this server instead.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Self


class RenamingServer:
    """Listens on a port of its own until the end of the block."""

    def __init__(self, behind: int, names: Mapping[str, str]) -> None:
        """Take the real server's port, and other names for serial numbers."""

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with (
                    suppress(OSError, ValueError),
                    socket.create_connection(("127.0.0.1", behind)) as real,
                ):
                    request = _block(self.request)
                    for name, other in names.items():
                        request = request.replace(other, name)
                    real.sendall(_as_block(request))
                    if request.startswith(("host:devices", "host:track-devices")):
                        self._list(real)
                    else:
                        _join(self.request, real)

            def _list(self, real: socket.socket) -> None:
                self.request.sendall(_exactly(real, 4))
                while True:
                    listed = _block(real)
                    for name, other in names.items():
                        listed = listed.replace(name, other)
                    self.request.sendall(_as_block(listed))

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Threads(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _block(source: socket.socket) -> str:
    """Read what adb's protocol puts a length in four hexadecimal digits before."""
    return _exactly(source, int(_exactly(source, 4), 16)).decode()


def _as_block(text: str) -> bytes:
    data = text.encode()
    return f"{len(data):04x}".encode() + data


def _exactly(source: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = source.recv(length - len(data))
        if not part:
            raise ValueError("it ended early")
        data += part
    return data


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join()
