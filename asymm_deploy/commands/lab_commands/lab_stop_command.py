"""``asymm-deploy lab stop``."""

from __future__ import annotations

from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.lab_options import (
    LabAddressArgument,
    TlsCaFileOption,
    TlsCertOption,
    TlsKeyOption,
)


def lab_stop_command(
    address: LabAddressArgument,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Stop though phones are at work, or waited for. Launches that are finished are "
            "kept where they were asked for, and the same command resumes.",
        ),
    ] = False,
    tls_ca_file: TlsCaFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
) -> None:
    """Stop a lab in order: its hosts put their phones back, then its scheduler ends.

    While phones are at work, or somebody waits for one, it is refused, unless --force is given.
    """
    from asymm_deploy.errors import HarnessError, UsageError
    from asymm_deploy.lab.joining.asking import asked_roster, stop_lab
    from asymm_deploy.lab.joining.certificates import certificates
    from asymm_deploy.lab.joining.lab_address import lab_address
    from asymm_deploy.safe import excerpt
    from asymm_deploy.text import counted

    files = certificates(tls_ca_file, tls_cert, tls_key)
    at = lab_address(address, with_certificates=files is not None)
    found = asked_roster(at, files)
    busy = [phone for phone in found.phones if phone.state == "busy"]
    if (busy or found.waiting) and not force:
        names = {phone.for_whom for phone in busy} | {job.who for job in found.waiting}
        whom = ", ".join(sorted(excerpt(name) for name in names if name))
        raise UsageError(
            f"the lab is at work: {counted(len(busy), 'phone')} busy, {len(found.waiting)} waiting"
            f"{f', for {whom}' if whom else ''}",
            "wait for the end (`lab status` shows it), or give --force: what was finished is kept",
        )
    left = stop_lab(at, files)
    if left:
        raise HarnessError(
            f"the lab is stopped, but not in order: {', '.join(map(excerpt, left))} did not end "
            "in time",
            "its phones' screens may stay on until the next bench; end `lab worker` there by hand",
        )
    console.say("the lab is stopped, and its phones are as they were found")
