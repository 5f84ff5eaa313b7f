"""Addresses, names and certificates of labs that are none are refused before anything listens."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

NOWHERE = "127.0.0.1:9"
"""Where these rows never get to connect to: they are refused before."""
TLS = ("--tls-ca-file", "junk", "--tls-cert", "junk", "--tls-key", "junk")

ROWS: list[tuple[list[str], tuple[str, ...]]] = [
    (["status", ""], ("no address",)),
    (["status", "\x1b[2J"], ("no address",)),
    (["status", "x" * 100_000], ("no host",)),
    (["status", "host:99999999999"], ("no address",)),
    (["status", "host:70000"], ("port",)),
    (["status", "tcp://host/path"], ("no address",)),
    (["status", "inproc://1/2"], ("no address",)),
    (["status", "ucx://host:1"], ("ucx",)),
    (["status", "\u202ehost"], ("no host",)),
    (["status", "a..b:1"], ("no host",)),
    (["status", "tls://host"], ("certificates",)),
    (["stop", "tls://host"], ("certificates",)),
    (["status", NOWHERE, *TLS], ("junk", "no certificate")),
    (["status", NOWHERE, *TLS[:2]], ("--tls-cert and --tls-key",)),
    (["status", NOWHERE, "--tls-key", "/dev/zero"], ("--tls-ca-file and --tls-cert",)),
    (["status", NOWHERE, *TLS[:4], "--tls-key", "/dev/zero"], ("/dev/zero", "no file")),
    (["status", NOWHERE, *TLS[:4], "--tls-key", "fifo"], ("fifo", "no file")),
    (["status", NOWHERE, *TLS[:4], "--tls-key", "huge"], ("huge", "too large")),
    (["worker", NOWHERE, "--runner", "nowhere"], ("nowhere",)),
    (["worker", NOWHERE, "--runner", "."], ("runner",)),
    (["worker", NOWHERE, "--runner", "junk", "--name", "a/b"], ("a/b", "--name")),
    (["worker", NOWHERE, "--runner", "junk", "--name", "a\x1b[2Jb"], ("--name",)),
    (["worker", NOWHERE, "--runner", "junk", "--name", "x" * 10_000], ("--name",)),
    (["scheduler", "--host", ""], ("--host",)),
    (["scheduler", "--host", "\u202e\x1b[2J"], ("--host",)),
    (["scheduler", "--host", "x" * 100_000], ("--host",)),
    (["scheduler", "--host", "a..b"], ("--host",)),
    (["scheduler", "--host", "192.0.2.9"], ("192.0.2.9", "not an address of this machine")),
    (["scheduler", "--port", "-1"], ("--port",)),
    (["scheduler", "--port", "65536"], ("--port",)),
    (["scheduler", "--host", "0.0.0.0", "--port", "0"], ("run code on every host", "--insecure")),
    (["scheduler", *TLS], ("junk", "no certificate")),
]


@pytest.mark.parametrize(("words", "names"), ROWS, ids=[" ".join(row[0])[:40] for row in ROWS])
def test_it_is_refused_in_words(
    words: list[str], names: tuple[str, ...], refused: Callable[..., object], folder: Path
) -> None:
    (folder / "junk").write_bytes(b"junk\0\xff")
    with (folder / "huge").open("wb") as file:
        file.truncate(10**12)

    os.mkfifo(folder / "fifo")
    refused(["lab", *words], 2, *names)
