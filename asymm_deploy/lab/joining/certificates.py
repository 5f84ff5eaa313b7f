"""The certificate that a member of a lab shows, and the authority that all of them trust."""

from __future__ import annotations

import os
import shlex
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt, first_words

_MOST_BYTES = 1 << 20
"""A bundle of all public authorities has a quarter of that."""
_DOCS = "docs/lab.md shows how to make them"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Three PEM files that were found to belong together."""

    authority: Path
    certificate: Path
    key: Path


def certificates(
    authority: Path | None, certificate: Path | None, key: Path | None
) -> Certificates | None:
    """Return the files, None if there are none; raise UsageError if they are of no use.

    Every member of a lab shows a certificate that ``authority`` has signed. Names in it don't
    matter.
    """
    given = {"--tls-ca-file": authority, "--tls-cert": certificate, "--tls-key": key}
    missing = [name for name, path in given.items() if path is None]
    if len(missing) == len(given):
        return None
    if missing:
        raise UsageError(
            f"certificates need {' and '.join(missing)} as well", f"give all three; {_DOCS}"
        )
    assert authority is not None
    assert certificate is not None
    assert key is not None
    for name, path in given.items():
        assert path is not None
        _require_readable(name, path)
    found = Certificates(authority, certificate, key)
    _require_good(found)
    _require_private(key)
    return found


def _require_good(files: Certificates) -> None:
    """Raise UsageError unless members with these files would let each other in: one asks another.

    Both are here, in memory.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context_of(files, ssl.Purpose.SERVER_AUTH).wrap_bio(to_client, to_server)
    server = context_of(files, ssl.Purpose.CLIENT_AUTH).wrap_bio(
        to_server, to_client, server_side=True
    )
    left = [client, server]
    while left:
        for side in list(left):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                said = excerpt(getattr(error, "verify_message", "") or first_words(error))
                raise UsageError(
                    f"no member of a lab would let {files.certificate} in, by {files.authority}: "
                    f"{said}",
                    "have it signed by that authority; look at its dates, and at this machine's "
                    f"clock; {_DOCS}",
                ) from error
            left.remove(side)


def context_of(files: Certificates, purpose: ssl.Purpose) -> ssl.SSLContext:
    """Return what connections are made or accepted with; raise UsageError for files of no use."""
    try:
        context = ssl.create_default_context(purpose, cafile=files.authority)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise UsageError(
            f"--tls-ca-file {files.authority} holds no certificate", f"give a PEM file; {_DOCS}"
        ) from error
    try:
        # Asked for a password, OpenSSL would wait for one at the terminal.
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except _EncryptedError as error:
        raise UsageError(
            f"--tls-key {files.key} is encrypted, and a lab can't ask for its password",
            "give a key without one, which only you may read",
        ) from error
    except (ssl.SSLError, ValueError, OSError) as error:
        said = first_words(error)
        if "KEY_VALUES_MISMATCH" in said.upper().replace(" ", "_"):
            what = f"--tls-key {files.key} is not the key of --tls-cert {files.certificate}"
        elif _holds(files.certificate, b"CERTIFICATE-----") and not _holds(
            files.key, b"PRIVATE KEY-----"
        ):
            what = f"--tls-key {files.key} holds no private key"
        elif not _holds(files.certificate, b"CERTIFICATE-----"):
            what = f"--tls-cert {files.certificate} holds no certificate"
        else:
            what = f"{files.certificate} and {files.key} can't be used: {excerpt(said)}"
        raise UsageError(what, f"give PEM files; {_DOCS}") from error
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class _EncryptedError(Exception):
    """The key needs a password."""


def _no_password() -> str:
    raise _EncryptedError


def _holds(path: Path, mark: bytes) -> bool:
    return mark in path.read_bytes()


def _require_private(key: Path) -> None:
    """Raise UsageError for a key that others may read: with it they can do all that a member can.

    Root may give one of its own to a group.
    """
    found = key.stat()
    others = stat.S_IRWXO | (stat.S_IRWXG if found.st_uid else stat.S_IWGRP)
    if os.name == "posix" and found.st_mode & others:
        raise UsageError(
            f"other users of this machine may read --tls-key {key}, or change it",
            f"`chmod 600 {shlex.quote(excerpt(str(key)))}`; where others had it, make a new one",
        )


def _require_readable(name: str, path: Path) -> None:
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise UsageError(f"{name} {path} {what}", _DOCS)
    try:
        with path.open("rb") as file:
            length = len(file.read(_MOST_BYTES + 1))
    except OSError as error:
        raise UsageError(f"can't read {name} {path}: {error.strerror}", _DOCS) from error
    if length > _MOST_BYTES:
        raise UsageError(f"{name} {path} is too large for a certificate or a key", _DOCS)
