"""Where a lab's scheduler is: ``HOST:PORT``, with or without ``tcp://`` or ``tls://`` before it."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt

DEFAULT_PORT = 8786
"""Dask's."""
LOOPBACK = "127.0.0.1"
_FORM = re.compile(
    r"(?:(?P<scheme>[A-Za-z]+)://)?(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^:/\[\]\s]+)(?::(?P<port>[0-9]{1,5}))?/?"
)
_HINT = "give the address that `lab scheduler` printed, such as tcp://127.0.0.1:8786"


@dataclass(frozen=True, slots=True)
class LabAddress:
    """A scheduler's host and port, and whether it is spoken to by TLS."""

    host: str
    port: int
    is_tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.is_tls else 'tcp'}://{host}:{self.port}"


def lab_address(text: str, *, with_certificates: bool) -> LabAddress:
    """Parse what the user gave; raise UsageError for what is none, or doesn't go with the options.

    Without ``tcp://`` or ``tls://`` the certificates decide.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{excerpt(text, 80)!r} is no address of a lab", _HINT)
    scheme = (found["scheme"] or ("tls" if with_certificates else "tcp")).lower()
    if scheme not in ("tcp", "tls"):
        raise UsageError(f"a lab is not reached by {scheme}://", _HINT)
    if scheme == "tls" and not with_certificates:
        raise UsageError(
            f"{excerpt(text, 80)} is spoken to by TLS, which needs certificates",
            "give --tls-ca-file, --tls-cert and --tls-key",
        )
    if scheme == "tcp" and with_certificates:
        raise UsageError(
            f"{excerpt(text, 80)} is an address without TLS, and certificates were given",
            "write tls:// in place of tcp://, or leave the certificates out",
        )
    host = found["host"].strip("[]")
    require_host(host)
    port = DEFAULT_PORT if found["port"] is None else int(found["port"])
    if not 0 < port < 2**16:
        raise UsageError(f"{excerpt(text, 80)} has no port that can be", "give 1 to 65535")
    return LabAddress(host, port, scheme == "tls")


def require_host(host: str) -> None:
    """Raise UsageError for what can be no host's name and no address."""
    try:
        if host.encode("idna") and len(host) <= 255 and host.isprintable():
            return
    except UnicodeError:
        pass
    raise UsageError(f"no host can be called {excerpt(host, 80)!r}", _HINT)


def own_address(at: LabAddress) -> str:
    """Return the address of this machine by which it reaches a scheduler; sends nothing.

    Raises OSError where it doesn't.
    """
    family, kind, protocol, _, where = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_DGRAM)[
        0
    ]
    with socket.socket(family, kind, protocol) as unsent:
        unsent.connect(where)
        own: str = unsent.getsockname()[0]
    return own


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
