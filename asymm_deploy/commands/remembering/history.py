"""``asymm-deploy history``: keep results of many commits, and ask for them."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.given_once import OneOfEach
from asymm_deploy.commands.options.history_options import DEFAULT_STORE, StoreOption
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    ArtifactsOption,
    TextFormat,
    TextFormatOption,
)
from asymm_deploy.commands.remembering.show_history import history_show_command

history_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Keep the results of many commits in a folder, and ask for them. Needs the extra "
    "[history].",
)


history_app.command("show", cls=OneOfEach)(history_show_command)


class ExportFormat(StrEnum):
    """How tables are written."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"
    STORE = "store"


@history_app.command("add", cls=OneOfEach)
def history_add_command(
    results: Annotated[
        Path,
        typer.Argument(
            help="What to add: a folder that `bench`, `cost`, `evaluate`, `check` or `export` "
            "wrote, a baseline, of which accepted changes are taken, a runs.jsonl, the file of "
            "`check --json`, or another history."
        ),
    ],
    commit: Annotated[
        str | None,
        typer.Option(
            metavar="SHA",
            help="The commit that was measured. Default: the one that git says the current folder "
            "is at.",
        ),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The commit's branch. Default: what git, or else CI, says."
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the commit was made, as in --time 2026-11-29T14:03:00+00:00. Default: what "
            "git says.",
        ),
    ] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Add results of a commit to the history: only what is not there yet, whole or not at all."""
    from asymm_deploy.commands.remembering.add_steps import AddRequest, add_to_history

    add_to_history(
        AddRequest(
            results=results,
            store=store,
            artifacts=artifacts,
            commit=commit,
            branch=branch,
            time=time,
        )
    )


@history_app.command("query", cls=OneOfEach)
def history_query_command(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL",
            help='A question in SQL, as DuckDB speaks it: "show tables", "select * from launches '
            'where counts".',
        ),
    ],
    store: StoreOption = DEFAULT_STORE,
    output_format: TextFormatOption = TextFormat.TABLE,
) -> None:
    """Ask the history in SQL, which sees its tables and nothing else: no files, no network."""
    from asymm_deploy.history.asked.answer_text import answer_text
    from asymm_deploy.history.asked.sealed_sql import answered_sql
    from asymm_deploy.history.history_schema import HISTORY_TABLES
    from asymm_deploy.history.history_store import opened_store

    remarks: list[str] = []
    with ExitStack() as stack:
        with console.waiting("asking"):
            opened = opened_store(store)
            answered = answered_sql({name: opened.table(name) for name in HISTORY_TABLES}, sql)
            answer = stack.enter_context(answered)
        for text in answer_text(answer, FORMATS[output_format], remarks):
            sys.stdout.write(text)
        sys.stdout.flush()
    for remark in remarks:
        console.say(remark)


@history_app.command("export", cls=OneOfEach)
def history_export_command(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder for the files, one a table.")
    ],
    store: StoreOption = DEFAULT_STORE,
    output_format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="Format of the files. store is the history itself as one file, which `history "
            "add` takes in elsewhere.",
        ),
    ] = ExportFormat.PARQUET,
) -> None:
    """Write the history's tables as files for other programs."""
    from asymm_deploy.history.asked.exporting import export_store
    from asymm_deploy.history.history_store import opened_store

    with console.waiting("writing the tables"):
        written = export_store(opened_store(store), out, output_format.value)
    if not written:
        console.say(f"{store} is empty; nothing was written")
    for path in written:
        console.say(f"wrote {path}")
