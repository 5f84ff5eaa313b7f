"""``asymm-deploy doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    ArtifactsOption,
    ResultsOption,
    TextFormat,
    TextFormatOption,
    print_data,
)


def doctor_command(
    phone: Annotated[
        bool,
        typer.Option(
            "--phone", help="Also fail if something is missing that only phones need (adb, runner)."
        ),
    ] = False,
    output_format: TextFormatOption = TextFormat.TABLE,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: ResultsOption = Path("results"),
) -> None:
    """Check the environment: tools and versions, what is missing, and how to get it.

    Only looks at this machine: it starts, changes and fetches nothing. Exits with 3 if something
    is missing.
    """
    from asymm_deploy.doctor import examine
    from asymm_deploy.doctor.checklist import checklist_exit_code, printed_checklist
    from asymm_deploy.doctor.environment import here

    with console.waiting("looking around"):
        checks = examine(here(artifacts, out))
    print_data(printed_checklist(checks, FORMATS[output_format]))
    raise typer.Exit(checklist_exit_code(checks, phone=phone))
