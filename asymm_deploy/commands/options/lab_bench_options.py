"""The options by which ``bench`` and ``check`` use the phones of a lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy.commands.options.lab_options import TlsCaFileOption, TlsCertOption, TlsKeyOption
from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    from asymm_deploy.lab.client.lab_request import LabRequest

LabOption = Annotated[
    str | None,
    typer.Option(
        "--lab",
        metavar="ADDRESS",
        help="Time on phones of the lab at this address. --device then says of which kind: "
        "'soc=SM8150', 'model=Pixel*,host=desk-2', any, or a serial number.",
    ),
]
LabCountOption = Annotated[
    int | None,
    typer.Option(
        "--count", metavar="N", help="How many phones of each kind, with --lab. Default: 1."
    ),
]
LabWaitOption = Annotated[
    bool,
    typer.Option(
        "--wait", help="Wait for phones that the lab doesn't have yet, in place of an error."
    ),
]
_MOST_PHONES = 10_000


def lab_request(
    lab: str | None,
    devices: Sequence[str],
    *,
    count: int | None,
    wait: bool,
    runner: Path | None,
    certificate_files: tuple[Path | None, Path | None, Path | None],
) -> LabRequest | None:
    """Return what is wanted of which lab; None without ``--lab``.

    ``certificate_files`` are those of the authority, the certificate and its key. Raises UsageError
    for what makes no sense.
    """
    if lab is None:
        names = ("--tls-ca-file", "--tls-cert", "--tls-key")
        given: dict[str, object] = {"--count": count, "--wait": wait or None}
        given |= dict(zip(names, certificate_files, strict=True))
        alone = next((name for name, value in given.items() if value is not None), None)
        if alone is not None:
            raise UsageError(f"{alone} is for a lab", "give --lab ADDRESS, or leave it out")
        from asymm_deploy.lab.client.choose_phones import names_a_trait

        kind = next((name for name in devices if names_a_trait(name)), None)
        if kind is not None:
            raise UsageError(
                f"--device {kind} is a kind of phone in a lab", "give --lab ADDRESS as well"
            )
        return None
    from asymm_deploy.bounds import require_within
    from asymm_deploy.lab.client.choose_phones import kinds_of
    from asymm_deploy.lab.client.lab_request import LabRequest
    from asymm_deploy.lab.client.take_phones import PhonesWanted
    from asymm_deploy.lab.joining.certificates import certificates
    from asymm_deploy.lab.joining.lab_address import lab_address

    if runner is not None:
        raise UsageError(
            "--runner names a program of this machine, and phones of a lab get their host's",
            "give --runner to `asymm-deploy lab worker` on the phones' hosts",
        )
    number = 1 if count is None else count
    require_within("--count", number, 1, _MOST_PHONES)
    files = certificates(*certificate_files)
    at = lab_address(lab, with_certificates=files is not None)
    return LabRequest(at, files, PhonesWanted(kinds_of(devices), number, wait))


__all__ = [
    "LabCountOption",
    "LabOption",
    "LabWaitOption",
    "TlsCaFileOption",
    "TlsCertOption",
    "TlsKeyOption",
    "lab_request",
]
