"""A small hub: the few answers of the Hugging Face hub that a download needs, with faults."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

FIRST, SECOND = "1" * 40, "2" * 40
"""Commits; the second one is where a moved branch is."""
Fault = Literal[
    "", "cut", "other bytes", "other size", "401", "token", "403", "404", "429", "500",
    "gated", "no hub", "slow", "redirect",
]  # fmt: skip


@dataclass
class Hub:
    """One repository, ``org/net``, whose files are ``weights``'s bytes at each commit."""

    content: dict[str, dict[str, bytes]]
    """By commit, then by name."""
    branches: dict[str, str] = field(default_factory=lambda: {"main": FIRST})
    fault: Fault = ""
    is_large: bool = True
    """Kept in LFS, and named by SHA-256; else by git's hash."""
    asked: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    sending: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def etag(self, content: bytes) -> str:
        if self.is_large:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.hub
        hub.asked.append(f"{self.command} {self.path}")
        hub.agents.append(self.headers.get("User-Agent", ""))
        hub.tokens.append(self.headers.get("Authorization"))
        parts = self.path.strip("/").split("/")
        refusal = {
            "401": (401, {}),
            "token": (401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
            "403": (403, {"X-Error-Message": "no"}),
            "404": (404, {}),
            "429": (429, {}),
            "500": (500, {}),
            "gated": (403, {"X-Error-Code": "GatedRepo"}),
        }.get(hub.fault)
        if refusal is not None:
            self._refuse(*refusal)
            return
        if hub.fault == "no hub":
            self._send(b"<html>please log in</html>", {})
            return
        if parts[:2] != ["org", "net"] or parts[2] != "resolve":
            self._refuse(401, {"X-Error-Code": "RepoNotFound"})
            return
        revision, name = unquote(parts[3]), unquote("/".join(parts[4:]))
        commit = hub.branches.get(revision, revision)
        if commit not in hub.content:
            self._refuse(404, {"X-Error-Code": "RevisionNotFound"})
            return
        if name not in hub.content[commit]:
            self._refuse(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return
        content = hub.content[commit][name]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hub.etag(content)}"'}
        if hub.is_large:
            headers |= {"X-Linked-ETag": headers["ETag"], "X-Linked-Size": str(len(content))}
        self._send(content, headers)

    def _refuse(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes, headers: dict[str, str]) -> None:
        fault = self.hub.fault if self.command == "GET" else ""
        if fault == "other bytes":
            content = bytes(len(content))
        if fault == "other size":
            content += b"more"
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault in ("cut", "slow"):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.hub.sending.set()
            if fault == "slow":
                self.hub.release.wait(30)
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    """Serve ``hub`` on this machine, at its ``address``."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield hub
        finally:
            hub.release.set()
            server.shutdown()


def fill_cache(cache: Path, commit: str, name: str, content: bytes, branch: str = "main") -> Path:
    """Put a file into a cache of the hub as its library does; return where it is."""
    folder = cache / "models--org--net"
    blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
    pointer = folder / "snapshots" / commit / name
    ref = folder / "refs" / branch
    for path in (blob, pointer, ref):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    pointer.symlink_to(blob)
    ref.write_text(commit)
    return pointer
