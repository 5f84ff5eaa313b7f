"""``asymm-deploy lab scheduler``."""

from __future__ import annotations

from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.lab_options import TlsCaFileOption, TlsCertOption, TlsKeyOption
from asymm_deploy.commands.options.shared_options import print_data, within


def lab_scheduler_command(
    host: Annotated[
        str,
        typer.Option(
            metavar="NAME|ADDRESS",
            help="Where to listen: one of this machine's names or addresses; 0.0.0.0 is all of "
            "them. The default can be reached from this machine alone.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=within("--port", 0, 65535),
            help="Port to listen at; 0 takes one that is free.",
        ),
    ] = 8786,
    tls_ca_file: TlsCaFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Listen without certificates where other machines can reach the port. Whoever "
            "does can run code on every host of the lab.",
        ),
    ] = False,
) -> None:
    """Start what hosts and clients meet at, and print the address to give to them.

    It runs until Ctrl-C, SIGTERM or `lab stop`. It measures nothing, and keeps nothing: results
    are written where `bench --lab` runs.
    """
    from asymm_deploy.lab.joining.certificates import certificates
    from asymm_deploy.lab.joining.lab_address import is_loopback
    from asymm_deploy.lab.scheduling.serving import Serving, serve_lab

    files = certificates(tls_ca_file, tls_cert, tls_key)

    def ready(address: str) -> None:
        print_data(address)
        if files is None and not is_loopback(host):
            console.say(
                "warning: without certificates whoever reaches this port can run code on every "
                "host of the lab"
            )
        with_files = "" if files is None else ", with certificates of the same authority"
        console.say(
            f"lend phones with `asymm-deploy lab worker {address}` on each host{with_files}"
        )

    code = serve_lab(Serving(host, port, files, insecure), console.say, ready)
    raise typer.Exit(code)
