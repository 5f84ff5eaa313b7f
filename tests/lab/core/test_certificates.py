"""Files of certificates: those of no use are found out before anything listens or connects."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from asymm_deploy.errors import UsageError
from asymm_deploy.lab.joining.certificates import Certificates, certificates

Write = Callable[[trustme.CA, trustme.LeafCert, Path], Certificates]
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def read(files: Certificates) -> Certificates | None:
    return certificates(files.authority, files.certificate, files.key)


def test_none_are_none_and_good_ones_are_taken(member: Certificates) -> None:
    assert certificates(None, None, None) is None
    assert read(member) == member


def test_some_without_the_others_are_refused(member: Certificates) -> None:
    with pytest.raises(UsageError, match="--tls-cert and --tls-key"):
        certificates(member.authority, None, None)


@pytest.mark.parametrize("part", ["authority", "certificate", "key"])
def test_a_file_that_holds_something_else_is_named(
    part: str, member: Certificates, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pem"
    for content in (b"", b"junk", b"-----BEGIN CERTIFICATE-----\n\0\n", bytes(range(256)) * 20):
        wrong.write_bytes(content)
        with pytest.raises(UsageError, match=re.escape(str(wrong))):
            read(replace(member, **{part: wrong}))
    for nothing, words in ((tmp_path / "none", "does not exist"), (tmp_path, "is no file")):
        with pytest.raises(UsageError, match=words):
            read(replace(member, **{part: nothing}))


def test_a_key_of_another_certificate_is_refused(
    authority: trustme.CA, member: Certificates, write_certificate: Write, tmp_path: Path
) -> None:
    other = write_certificate(authority, authority.issue_cert("other"), tmp_path)
    with pytest.raises(UsageError, match="is not the key of"):
        read(replace(member, key=other.key))


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o602, 0o777])
def test_a_key_that_others_may_read_or_change_is_refused(
    mode: int, member: Certificates, tmp_path: Path
) -> None:
    key = tmp_path / "my key.pem"
    key.write_bytes(member.key.read_bytes())
    key.chmod(mode)
    with pytest.raises(UsageError, match="other users of this machine may read") as caught:
        read(replace(member, key=key))
    assert f"chmod 600 '{key}'" in caught.value.hint
    key.chmod(0o400)
    assert read(replace(member, key=key)) is not None


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(
    member: Certificates, tmp_path: Path
) -> None:
    key = load_pem_private_key(member.key.read_bytes(), None)
    encrypted = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    (tmp_path / "key.pem").write_bytes(encrypted)
    (tmp_path / "key.pem").chmod(0o600)
    with pytest.raises(UsageError, match="encrypted"):
        read(replace(member, key=tmp_path / "key.pem"))


def test_a_certificate_that_members_would_refuse_is_refused_at_once(
    authority: trustme.CA, member: Certificates, write_certificate: Write, tmp_path: Path
) -> None:
    old = authority.issue_cert(
        "old", not_before=LONG_AGO, not_after=LONG_AGO + datetime.timedelta(days=1)
    )
    for name, cert, why in (
        ("old", old, "expired"),
        ("stranger", trustme.CA().issue_cert("stranger"), "unable to get|self-signed"),
    ):
        (tmp_path / name).mkdir()
        files = write_certificate(authority, cert, tmp_path / name)
        with pytest.raises(UsageError, match=why):
            read(files)
