"""The options that say which lab, and how it is spoken to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LabAddressArgument = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS",
        help="The address that `lab scheduler` printed, as in tcp://127.0.0.1:8786 or HOST:PORT.",
    ),
]
TlsCaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca-file",
        metavar="FILE",
        help="PEM file of the authority that has signed the certificates of the lab's members. "
        "With it every connection is encrypted, and only members are let in.",
    ),
]
TlsCertOption = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="FILE", help="PEM file of this member's certificate."),
]
TlsKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        metavar="FILE",
        help="PEM file of the private key of --tls-cert, without a password.",
    ),
]
