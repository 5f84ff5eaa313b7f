"""``asymm-deploy devices``."""

from __future__ import annotations

from dataclasses import asdict

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    TextFormat,
    TextFormatOption,
    print_data,
)
from asymm_deploy.errors import ExitCode, HarnessError


def devices_command(output_format: TextFormatOption = TextFormat.TABLE) -> None:
    """List the phones that adb sees, and what to do about those that can't be timed.

    Exits with 3 if there is no phone to time on.
    """
    from asymm_deploy.bench.phone.attached import attached
    from asymm_deploy.text import formatted

    with console.waiting("asking the phones"):
        found = attached(console.say)
    if not found:
        raise HarnessError(
            "no phone is attached",
            "plug one in with USB debugging on, or `bench --device HOST:PORT` for one on the "
            "network; `asymm-deploy doctor` checks the rest",
        )
    print_data(formatted([asdict(phone) for phone in found], FORMATS[output_format]))
    if not any(phone.is_ready for phone in found):
        raise typer.Exit(ExitCode.HARNESS)
