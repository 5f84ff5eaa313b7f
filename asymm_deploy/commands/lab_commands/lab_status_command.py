"""``asymm-deploy lab status``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from asymm_deploy.commands.options.lab_options import (
    LabAddressArgument,
    TlsCaFileOption,
    TlsCertOption,
    TlsKeyOption,
)
from asymm_deploy.commands.options.shared_options import print_data


class RosterFormat(StrEnum):
    """How a lab is shown."""

    TABLE = "table"
    JSON = "json"


def lab_status_command(
    address: LabAddressArgument,
    output_format: Annotated[
        RosterFormat, typer.Option("--format", help="Format of what is shown.")
    ] = RosterFormat.TABLE,
    tls_ca_file: TlsCaFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
) -> None:
    """Show a lab's hosts and phones, what runs on each and for whom, and what waits and why.

    It asks the scheduler alone, and disturbs no phone.
    """
    import json

    import msgspec

    from asymm_deploy.lab.joining.asking import asked_roster
    from asymm_deploy.lab.joining.certificates import certificates
    from asymm_deploy.lab.joining.lab_address import lab_address
    from asymm_deploy.lab.joining.roster_tables import roster_text

    files = certificates(tls_ca_file, tls_cert, tls_key)
    at = lab_address(address, with_certificates=files is not None)
    found = asked_roster(at, files)
    if output_format is RosterFormat.JSON:
        print_data(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        print_data(roster_text(found))
