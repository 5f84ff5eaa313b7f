"""``asymm-deploy lab worker``."""

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
from asymm_deploy.commands.options.shared_options import RunnerOption


def lab_worker_command(
    address: LabAddressArgument,
    tls_ca_file: TlsCaFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="HOSTNAME",
            help="What this host is called in the lab. Default: the machine's own name.",
        ),
    ] = None,
    runner: RunnerOption = None,
    serial: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERIAL",
            help="Lend this phone and no others; repeat the option for several. Default: every "
            "phone that adb sees.",
        ),
    ] = None,
    ports: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST-LAST",
            help="Listen at these ports alone: two for each phone, which the scheduler must reach. "
            "Default: ports that the system chooses.",
        ),
    ] = None,
) -> None:
    """Lend this host's phones to a lab, those that come later as well.

    Each phone gets a process of its own, which ends when the phone goes. It runs until Ctrl-C,
    SIGTERM or `lab stop`; while the scheduler is away it waits for it.
    """
    from asymm_deploy.bench.native.phone_runner import where_for_phones
    from asymm_deploy.lab.hosting.lending import Lending, lend_phones, port_range
    from asymm_deploy.lab.joining.certificates import certificates
    from asymm_deploy.lab.joining.lab_address import lab_address

    files = certificates(tls_ca_file, tls_cert, tls_key)
    at = lab_address(address, with_certificates=files is not None)
    listens = None if ports is None else port_range(ports)
    program = (runner or where_for_phones(console.say)).absolute()
    lending = Lending(at, files, program, name, tuple(serial or ()), listens)
    raise typer.Exit(lend_phones(lending, console.say))
