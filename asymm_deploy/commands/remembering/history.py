"""``asymm-deploy history``: keep results of many commits, and ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

history_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Keep the results of many commits in a folder, and ask for them. Needs the extra "
    "[history].",
)

StoreOption = Annotated[
    Path,
    typer.Option(
        "--store",
        metavar="FOLDER",
        help="The history's folder: to commit, or to keep in CI's cache.",
    ),
]
