"""``asymm-deploy baseline``: keep the version to compare with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.given_once import OneOfEach
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    TextFormat,
    TextFormatOption,
    print_data,
)

baseline_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Keep the version to compare with in a folder, and accept intended changes.",
)

BaselineArgument = Annotated[Path, typer.Argument(help="A folder that `baseline save` wrote.")]


@baseline_app.command("save", cls=OneOfEach)
def save_command(
    artifacts: Annotated[Path, typer.Argument(help="A folder that `export --out` wrote.")],
    into: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The baseline's folder. It appears whole.")
    ],
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Results folder of `bench`: its launches of these very files are kept as well.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace a baseline that is there, and forget the changes it accepted."
        ),
    ] = False,
    cost: Annotated[
        bool,
        typer.Option(
            "--cost/--no-cost",
            help="Where an emulator is set up, also keep what the models execute on it, for "
            "`check --device a76`.",
        ),
    ] = True,
) -> None:
    """Save exported models as a baseline: a folder to commit, or to keep in CI's cache."""
    from asymm_deploy.check.baseline.save_baseline import save_baseline
    from asymm_deploy.commands.counting.check_counted import counts_to_keep

    count = counts_to_keep if cost else None
    for line in save_baseline(artifacts, into, results=results, force=force, count=count)[1]:
        console.say(line)


@baseline_app.command("show", cls=OneOfEach)
def show_command(
    folder: BaselineArgument,
    output_format: TextFormatOption = TextFormat.TABLE,
) -> None:
    """Show what a baseline holds, and which changes were accepted, by whom and why."""
    from asymm_deploy.check.baseline import baseline_contents, baseline_file
    from asymm_deploy.text import formatted

    saved = baseline_file.load_baseline(folder)
    if output_format is TextFormat.JSON:
        print_data(baseline_file.as_json(saved))
    else:
        print_data(formatted(baseline_contents.baseline_rows(saved), FORMATS[output_format]))
    for line in baseline_contents.baseline_remarks(folder, saved):
        console.say(line)


@baseline_app.command("accept", cls=OneOfEach)
def accept_command(
    folder: BaselineArgument,
    model: Annotated[str, typer.Option(metavar="NAME", help="The model that changed.")],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why the change is intended; it is kept.")
    ],
    candidate: Annotated[
        Path | None,
        typer.Option(
            metavar="ARTIFACTS",
            help="A folder that `export --out` wrote: its files become the model's new baseline.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What may grow, with --up-to: latency, mnn_size, madds, params, init, "
            "peak_memory, instructions, l2_misses or l3_misses. Default: latency."
        ),
    ] = None,
    up_to: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Keep the baseline's files and let the metric grow this far, as in --up-to 8%.",
        ),
    ] = None,
) -> None:
    """Accept an intended change, so that it no longer fails the check; a larger one still does."""
    from asymm_deploy.check.baseline.accept_change import accept_into_baseline
    from asymm_deploy.check.baseline.approver import approver_name

    by = approver_name(os.environ)
    for line in accept_into_baseline(
        folder, model, reason=reason, by=by, candidate=candidate, metric=metric, up_to=up_to
    ):
        console.say(line)
