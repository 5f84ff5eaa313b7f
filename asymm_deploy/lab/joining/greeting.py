"""Who is at an address: a scheduler of ours, of another version, or something else altogether.

Dask's own way to find out is to wait until a time is up. Whoever mistypes a port is told at once,
and told what is there.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import closing

from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.lab.joining.certificates import Certificates, context_of
from asymm_deploy.lab.joining.introduction import Introduction, introduced, introduction
from asymm_deploy.lab.joining.lab_address import LabAddress
from asymm_deploy.safe import excerpt, first_words

_ANSWER_S = 4.0
"""Until who listens must have spoken. A busy machine with many workers has needed one second."""
_GREETING_S = 1.5
"""After which silence is taken for somebody who waits for TLS, and that is tried."""
_TLS_S = 2.0
_LONGEST_FIRST = 1 << 16
"""Bytes of a first message of Dask's, which is a handful of names."""
_START = "start one with `asymm-deploy lab scheduler`, or check the address"
_CERTIFICATES = "give --tls-ca-file, --tls-cert and --tls-key, as the scheduler was given"


class _SilentError(TimeoutError):
    """Somebody took the connection, and said nothing."""


def require_lab(at: LabAddress, files: Certificates | None) -> None:
    """Raise unless a scheduler of this version is at an address, and lets us in.

    HarnessError where nobody answers; UsageError for anybody else than a scheduler of this version
    that is spoken to as it wants to be.
    """
    _require_dask(at, files)
    try:
        found = asyncio.run(asyncio.wait_for(_greeted(at, files), _ANSWER_S))
    except Exception as error:  # whatever Dask makes of what a stranger says
        raise _stranger(at) from error
    require_same(at, found)


def require_same(at: LabAddress, found: Introduction | None) -> None:
    """Raise UsageError for a scheduler of another version, and for what is none."""
    if found is None:
        raise _stranger(at)
    ours = introduction()
    if found != ours:
        raise UsageError(
            f"the scheduler at {at} is {found.text()}, and this is {ours.text()}",
            "install the same version on every host of the lab",
        )


async def _greeted(at: LabAddress, files: Certificates | None) -> Introduction | None:
    from distributed.core import rpc

    from asymm_deploy.lab.joining.lab_security import lab_security

    arguments = lab_security(files).get_connection_args("client")
    async with rpc(str(at), connection_args=arguments) as scheduler:
        return introduced(await scheduler.lab_hello())


def _require_dask(at: LabAddress, files: Certificates | None) -> None:
    """Raise what keeps us from speaking Dask's protocol with who listens there."""
    try:
        first = _patient_first_bytes(at, files)
    except socket.gaierror as error:
        raise UsageError(f"there is no host {excerpt(at.host, 80)}", "check the address") from error
    except ConnectionRefusedError as error:
        raise HarnessError(f"nothing listens at {at}", _START) from error
    except _SilentError as error:
        raise HarnessError(
            f"who listens at {at} says nothing: no scheduler of a lab, or one that hangs", _START
        ) from error
    except TimeoutError as error:
        raise HarnessError(f"nobody answers at {at}", _START) from error
    except ssl.SSLError as error:
        raise _not_by_tls(at, error) from error
    except OSError as error:
        if files is None and _speaks_tls(at):
            raise UsageError(f"the scheduler at {at} wants certificates", _CERTIFICATES) from error
        said = excerpt(error.strerror or first_words(error))
        raise HarnessError(f"can't reach {at}: {said}", _START) from error
    if len(first) < struct.calcsize("Q") or struct.unpack("<Q", first)[0] > _LONGEST_FIRST:
        raise _stranger(at)


def _patient_first_bytes(at: LabAddress, files: Certificates | None) -> bytes:
    """Return what who listens says first; raise UsageError soon for who waits for TLS."""
    if files is None:
        try:
            return _first_bytes(at, files, _GREETING_S)
        except _SilentError as error:
            if _speaks_tls(at):
                wants = f"the scheduler at {at} wants certificates"
                raise UsageError(wants, _CERTIFICATES) from error
    return _first_bytes(at, files, _ANSWER_S)


def _first_bytes(at: LabAddress, files: Certificates | None, limit_s: float) -> bytes:
    """Return what who listens says first; a scheduler speaks before it is asked."""
    context = None if files is None else context_of(files, ssl.Purpose.SERVER_AUTH)
    with closing(socket.create_connection((at.host, at.port), timeout=limit_s)) as plain:
        if context is None:
            try:
                return plain.recv(struct.calcsize("Q"))
            except TimeoutError as error:
                raise _SilentError from error
        with context.wrap_socket(plain) as encrypted:
            return encrypted.recv(struct.calcsize("Q"))


def _speaks_tls(at: LabAddress) -> bool:
    """Whether who listens there answers to TLS; whose certificate it shows doesn't matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            closing(socket.create_connection((at.host, at.port), timeout=_TLS_S)) as plain,
            context.wrap_socket(plain),
        ):
            return True
    except ssl.SSLError as error:
        return "CERTIFICATE_REQUIRED" in str(error).upper()
    except OSError:
        return False


def _not_by_tls(at: LabAddress, error: ssl.SSLError) -> DeployError:
    said = str(error).upper().replace(" ", "_")
    if "WRONG_VERSION_NUMBER" in said or "RECORD_LAYER" in said:
        return UsageError(
            f"who listens at {at} does not speak TLS",
            "start the scheduler with the certificates, or leave them out",
        )
    if "EXPIRED" in said or "NOT_YET_VALID" in said:
        return UsageError(
            f"a certificate of the lab at {at} is not valid now: {_reason(error)}",
            "check the clocks of both hosts; make new certificates if they are old",
        )
    if "VERIFY_FAILED" in said or "UNKNOWN_CA" in said or "CERTIFICATE" in said:
        return UsageError(
            f"the scheduler at {at} has a certificate of another authority: {_reason(error)}",
            "give every member of the lab the same --tls-ca-file, and a certificate signed by it",
        )
    return UsageError(f"no TLS with {at}: {_reason(error)}", _CERTIFICATES)


def _reason(error: ssl.SSLError) -> str:
    return excerpt(getattr(error, "verify_message", "") or error.reason or first_words(error))


def _stranger(at: LabAddress) -> UsageError:
    return UsageError(f"who listens at {at} is no scheduler of a lab", _START)
