"""A headless Chromium with the network cut, spoken to over Chrome's DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

_LONGEST_S = 60
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class Browser:
    """One tab of a real browser, spoken to over Chrome's DevTools protocol."""

    def __init__(self, socket: websocket.WebSocket, downloads: Path) -> None:
        self._socket = socket
        self._number = 0
        self.downloads = downloads
        self.console: list[str] = []
        """Errors and warnings, and what the page's policy refused."""
        self.requests: list[str] = []
        """Every address that was asked for."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> Any:
        """Return the result of a command; what happens meanwhile is noted."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.console.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.console.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.console.append(str(params["entry"]))

    def run(self, script: str) -> Any:
        """Return what a JavaScript expression gives, once it is there."""
        got = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + _LONGEST_S
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, (condition, self.console)
            time.sleep(0.02)

    def open(self, page: Path, wide: int = 1200, high: int = 900, dark: bool = False) -> None:
        """Open a file, with the network cut, and wait until its pictures are drawn."""
        self._begin(offline=True)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=high,
            deviceScaleFactor=1,
            mobile=wide < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.until(
            f"location.href === {json.dumps(page.resolve().as_uri())} && "
            "(document.documentElement?.dataset.ready || "
            "document.getElementById('trouble')?.hidden === false)"
        )

    def visit(self, address: str) -> None:
        """Open an address of this machine, the only ones that can be reached."""
        self._begin(offline=False)
        self.call("Page.navigate", url=address)
        self.until(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def _begin(self, *, offline: bool) -> None:
        self.console.clear()
        self.requests.clear()
        self.call(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def click(self, selector: str) -> None:
        """Click the middle of the first element that fits, as a mouse does."""
        where = self.run(
            f"(() => {{const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2];})()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=where[0],
                y=where[1],
                button="none" if kind == "mouseMoved" else "left",
                clickCount=1,
            )

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        codes = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **(text if kind == "keyDown" else {}),
            )

    def downloaded(self, name: str) -> bytes:
        """Wait for a file to be saved, and return what is in it."""
        self.until("true")
        path, end = self.downloads / name, time.monotonic() + _LONGEST_S
        while not path.exists():
            assert time.monotonic() < end, sorted(self.downloads.iterdir())
            time.sleep(0.02)
        content = path.read_bytes()
        path.unlink()
        return content

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def running_browser(home: Path) -> Iterator[Browser]:
    """Start a browser that keeps its files in ``home``; skip the test where none is installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium is installed: make browser")
    downloads = home / "saved"
    downloads.mkdir()
    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={home / 'profile'}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file, end = home / "profile" / "DevToolsActivePort", time.monotonic() + _LONGEST_S
        while not port_file.exists() or port_file.read_text().count("\n") < 1:
            assert process.poll() is None, "chromium ended at once"
            assert time.monotonic() < end, "chromium does not answer"
            time.sleep(0.05)
        port, way = port_file.read_text().split("\n")[:2]
        whole = websocket.create_connection(f"ws://127.0.0.1:{port}{way}", timeout=_LONGEST_S)
        target = _asked(whole, "Target.createTarget", url="about:blank")["targetId"]
        _asked(
            whole,
            "Browser.setDownloadBehavior",
            behavior="allow",
            downloadPath=str(downloads),
        )
        socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}/devtools/page/{target}", timeout=_LONGEST_S
        )
        yield Browser(socket, downloads)
        socket.close()
        whole.close()
    finally:
        process.terminate()
        process.wait(_LONGEST_S)


def _asked(socket: websocket.WebSocket, method: str, **params: object) -> dict[str, Any]:
    socket.send(json.dumps({"id": 1, "method": method, "params": params}))
    while (message := json.loads(socket.recv())).get("id") != 1:
        pass
    found: dict[str, Any] = message["result"]
    return found
