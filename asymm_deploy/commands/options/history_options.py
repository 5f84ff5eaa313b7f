"""The options that commands about a history share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreOption = Annotated[
    Path,
    typer.Option(
        "--store",
        metavar="FOLDER",
        help="The history's folder: to commit, or to keep in CI's cache.",
    ),
]
DEFAULT_STORE = Path("history")
