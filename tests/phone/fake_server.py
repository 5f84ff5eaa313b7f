"""An adb server that only lists, for states that come from the cable and not from a phone.

``with FakeServer(NO_PERMISSIONS) as server`` answers ``adb devices -l`` with that line, and refuses
everything else as adb's own server would.
"""

from __future__ import annotations

import socketserver
import threading
from typing import Self

SERIAL = "9A191FFBA000AB"
_PROBLEM = "missing udev rules? user is in the plugdev group"
_HELP = "http://developer.android.com/tools/device.html"
NO_PERMISSIONS = f"{SERIAL:<22} no permissions ({_PROBLEM}); see [{_HELP}] usb:1-1 transport_id:1\n"
"""What ``adb devices -l`` prints where Linux has no udev rule for the phone."""
REFUSAL = f"insufficient permissions for device: {_PROBLEM}\nSee [{_HELP}] for more information"
_VERSION = 41
"""Of adb's protocol; a client of another would kill the server and start its own."""


class FakeServer:
    """Listens on a port of its own until the end of the block."""

    def __init__(self, devices: str, refusal: str = REFUSAL) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                request = self.rfile.read(int(self.rfile.read(4) or b"0", 16)).decode()
                if request == "host:version":
                    self._answer(b"OKAY", f"{_VERSION:04x}")
                elif request in {"host:devices-l", "host:devices"}:
                    self._answer(b"OKAY", devices)
                else:
                    self._answer(b"FAIL", refusal)

            def _answer(self, status: bytes, text: str) -> None:
                self.wfile.write(status + f"{len(text.encode()):04x}{text}".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.port: int = self._server.server_address[1]
        self.env = {
            "ANDROID_ADB_SERVER_HOST": "127.0.0.1",
            "ANDROID_ADB_SERVER_PORT": str(self.port),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
