"""Addresses of labs, as people type them."""

from __future__ import annotations

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.lab.joining.lab_address import is_loopback, lab_address


@pytest.mark.parametrize(
    ("text", "tls", "meant"),
    [
        ("tcp://127.0.0.1:8786", False, "tcp://127.0.0.1:8786"),
        ("127.0.0.1:99", False, "tcp://127.0.0.1:99"),
        ("lab-host.example", False, "tcp://lab-host.example:8786"),
        ("lab-host:1", True, "tls://lab-host:1"),
        ("tls://lab-host:1/", True, "tls://lab-host:1"),
        ("[::1]:5", False, "tcp://[::1]:5"),
        (" host:5\n", False, "tcp://host:5"),
        ("TCP://host:5", False, "tcp://host:5"),
        ("Tls://host:5", True, "tls://host:5"),
    ],
)
def test_what_is_left_out_is_filled_in(text: str, tls: bool, meant: str) -> None:
    assert str(lab_address(text, with_certificates=tls)) == meant


@pytest.mark.parametrize(
    ("text", "tls", "names"),
    [
        ("", False, "no address"),
        ("http://host:1", False, "http://"),
        ("host:0", False, "port"),
        ("host:65536", False, "port"),
        ("host:1:2", False, "no address"),
        ("::1", False, "no address"),
        ("a b", False, "no address"),
        ("ho\x1bst", False, "no host"),
        ("é" * 70, False, "no host"),
        ("tls://host:1", False, "certificates"),
        ("tcp://host:1", True, "without TLS"),
    ],
)
def test_what_is_none_is_refused_in_words(text: str, tls: bool, names: str) -> None:
    with pytest.raises(UsageError, match=names):
        lab_address(text, with_certificates=tls)


def test_only_this_machine_reaches_its_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.0.2.1", "::", "host", "")))
